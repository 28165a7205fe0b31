/** Rules of the extent tree's and csum tree's items. Mirrors tree-checker.c. */
import { hashDataRef, type RefHash } from '../data-ref-hash.ts';
import { MAX_LEVEL } from '../structure/block.ts';
import {
  ExtentDataRef,
  ExtentFlag,
  ExtentInlineRef,
  ExtentItem,
  ExtentOwnerRef,
  SharedDataRef,
  TreeBlockInfo,
} from '../structure/extent.ts';
import { ItemType, Objectid } from '../structure/key.ts';
import { isFsTree, treeText } from '../structure/key-names.ts';
import { aligned, type Fault, fieldFault, leastFault, sizeFault } from './fault.ts';
import type { ItemAt } from './item-at.ts';
import { previousSize } from './verify-file.ts';

export function csumFault(item: ItemAt): Fault | null {
  const { context, key, previous, slot, size } = item;
  if (key.objectid !== Objectid.EXTENT_CSUM) return { rule: 'objectid is not EXTENT_CSUM' };
  const start = key.offset;
  if (start < 0 || !aligned(start, context.sectorSize))
    return { rule: `key offset is not aligned to ${context.sectorSize}` };
  const each = context.csum.size;
  if (size % each !== 0) return { field: 'item size', value: String(size), rule: `not a multiple of ${each}` };
  if (slot === 0 || previous.type !== ItemType.EXTENT_CSUM) return null;
  const end = previous.offset + (previousSize(item) / each) * context.sectorSize;
  return end > start ? { rule: `the item before reaches to ${end}` } : null;
}

export function extentItemFault(item: ItemAt): Fault | null {
  const { context, view, key, at, size } = item;
  const skinny = key.type === ItemType.METADATA_ITEM;
  if (skinny && !context.skinnyMetadata) return { rule: 'without feature SKINNY_METADATA' };
  if (key.objectid < 0 || !aligned(key.objectid, context.sectorSize))
    return { rule: `objectid is not aligned to ${context.sectorSize}` };
  if (skinny && !(key.offset >= 0 && key.offset < MAX_LEVEL)) return { rule: `level is not below ${MAX_LEVEL}` };
  if (size < ExtentItem.size) return leastFault(size, ExtentItem.size);
  const newest = context.generation() + 1;
  const generation = ExtentItem.get.generation(view, at);
  if (!(generation >= 0 && generation <= newest)) {
    return fieldFault('generation', ExtentItem.at.generation, generation, `> ${newest}`);
  }
  const flags = ExtentItem.get.flags(view, at);
  const kind = flags & (ExtentFlag.DATA | ExtentFlag.TREE_BLOCK);
  if (kind !== ExtentFlag.DATA && kind !== ExtentFlag.TREE_BLOCK) {
    return fieldFault('flags', ExtentItem.at.flags, flags, 'must be either data or a tree block');
  }
  const wrong = kind === ExtentFlag.DATA ? dataExtentFault(item, flags) : treeExtentFault(item);
  if (wrong !== null) return wrong;
  return inlineRefsFault(item, kind === ExtentFlag.TREE_BLOCK) ?? overlapFault(item);
}

function dataExtentFault({ context, key }: ItemAt, flags: number): Fault | null {
  if (key.type !== ItemType.EXTENT_ITEM) return { rule: 'data in a METADATA_ITEM' };
  if (!(key.offset >= 0) || !aligned(key.offset, context.sectorSize))
    return { rule: `length is not aligned to ${context.sectorSize}` };
  if ((flags & ExtentFlag.FULL_BACKREF) === 0) return null;
  return fieldFault('flags', ExtentItem.at.flags, flags, 'data with FULL_BACKREF');
}

function treeExtentFault({ context, view, key, at, size }: ItemAt): Fault | null {
  if (key.type === ItemType.METADATA_ITEM) return null;
  if (key.offset !== context.nodeSize) return { rule: `length is not nodesize ${context.nodeSize}` };
  if (size < ExtentItem.size + TreeBlockInfo.size) return leastFault(size, ExtentItem.size + TreeBlockInfo.size);
  const level = TreeBlockInfo.get.level(view, at + ExtentItem.size);
  return level < MAX_LEVEL
    ? null
    : fieldFault('level', ExtentItem.size + TreeBlockInfo.at.level, level, `>= ${MAX_LEVEL}`);
}

/** Bytes of an inline reference with its type byte, 0 for an unknown type. */
function inlineRefSize(type: number): number {
  if (type === ItemType.TREE_BLOCK_REF || type === ItemType.SHARED_BLOCK_REF) return ExtentInlineRef.size;
  if (type === ItemType.EXTENT_DATA_REF) return 1 + ExtentDataRef.size;
  if (type === ItemType.SHARED_DATA_REF) return ExtentInlineRef.size + SharedDataRef.size;
  return type === ItemType.EXTENT_OWNER_REF ? 1 + ExtentOwnerRef.size : 0;
}

function inlineRefsFault(item: ItemAt, tree: boolean): Fault | null {
  const { view, key, at, size } = item;
  const refs = ExtentItem.get.refs(view, at);
  let pos = ExtentItem.size + (tree && key.type === ItemType.EXTENT_ITEM ? TreeBlockInfo.size : 0);
  let counted = 0;
  let before = 0;
  let beforePos = 0;
  while (pos < size) {
    const type = view.getUint8(at + pos);
    const length = inlineRefSize(type);
    if (length === 0) return fieldFault('inline reference type', pos, type, 'unknown');
    if (pos + length > size) return fieldFault('inline reference', pos, type, 'runs past the end of the item');
    if (type < before) return fieldFault('inline reference type', pos, type, `after type ${before}`);
    const wrong = inlineRefFault(item, pos, type);
    if (wrong !== null) return wrong;
    if (type === before && !fallsTo(view, at + beforePos, at + pos, type)) {
      return fieldFault('inline reference', pos, type, 'must not be greater than the one before');
    }
    beforePos = pos;
    counted += inlineRefCount(view, at + pos, type);
    before = type;
    pos += length;
  }
  return counted > refs || refs < 0 ? fieldFault('refs', ExtentItem.at.refs, refs, `< ${counted} inline`) : null;
}

const first: RefHash = { high: 0, low: 0 };
const second: RefHash = { high: 0, low: 0 };

/** References of one type fall: by hash those of files, by parent or tree the others. */
function fallsTo(view: DataView, from: number, to: number, type: number): boolean {
  if (type === ItemType.EXTENT_DATA_REF) {
    sequence(view, from + 1, first);
    sequence(view, to + 1, second);
    return second.high < first.high || (second.high === first.high && second.low <= first.low);
  }
  const high = view.getUint32(from + 5, true) - view.getUint32(to + 5, true);
  return high > 0 || (high === 0 && view.getUint32(from + 1, true) >= view.getUint32(to + 1, true));
}

function sequence(view: DataView, at: number, into: RefHash): void {
  const { root, objectid, offset } = ExtentDataRef.get;
  hashDataRef(root(view, at), objectid(view, at), offset(view, at), into);
}

function inlineRefCount(view: DataView, at: number, type: number): number {
  if (type === ItemType.EXTENT_DATA_REF) return ExtentDataRef.get.count(view, at + 1);
  if (type === ItemType.SHARED_DATA_REF) return SharedDataRef.get.count(view, at + ExtentInlineRef.size);
  return type === ItemType.EXTENT_OWNER_REF ? 0 : 1;
}

function inlineRefFault(item: ItemAt, pos: number, type: number): Fault | null {
  const { context, view, at } = item;
  if (type === ItemType.EXTENT_DATA_REF) return dataRefAtFault(item, pos + 1);
  if (type === ItemType.SHARED_BLOCK_REF || type === ItemType.SHARED_DATA_REF) {
    const parent = ExtentInlineRef.get.offset(view, at + pos);
    if (parent < 0 || !aligned(parent, context.sectorSize))
      return fieldFault('parent', pos + 1, parent, `not aligned to ${context.sectorSize}`);
  }
  if (type === ItemType.SHARED_DATA_REF && SharedDataRef.get.count(view, at + pos + ExtentInlineRef.size) === 0) {
    return fieldFault('count', pos + ExtentInlineRef.size, 0, 'no reference counts nothing');
  }
  return null;
}

/** An ExtentDataRef `pos` bytes into the item. */
function dataRefAtFault({ context, view, at }: ItemAt, pos: number): Fault | null {
  const root = ExtentDataRef.get.root(view, at + pos);
  if (!isFsTree(root) && root !== Objectid.DATA_RELOC_TREE && root !== Objectid.ROOT_TREE) {
    return fieldFault('root', pos + ExtentDataRef.at.root, treeText(root), 'has no file data');
  }
  const objectid = ExtentDataRef.get.objectid(view, at + pos);
  if (objectid < Objectid.FIRST_FREE && objectid > Objectid.LAST_FREE) {
    return fieldFault('objectid', pos + ExtentDataRef.at.objectid, objectid, 'no inode has this number');
  }
  // The difference of file offset and extent offset: it may wrap below zero.
  const low = view.getUint32(at + pos + ExtentDataRef.at.offset, true);
  if (low % context.sectorSize !== 0) {
    return fieldFault('offset', pos + ExtentDataRef.at.offset, low, `not aligned to ${context.sectorSize}`);
  }
  const count = ExtentDataRef.get.count(view, at + pos);
  return count === 0 ? fieldFault('count', pos + ExtentDataRef.at.count, 0, 'no reference counts nothing') : null;
}

/** Extents of one leaf do not overlap. */
function overlapFault({ context, key, previous }: ItemAt): Fault | null {
  let end = 0;
  if (previous.type === ItemType.METADATA_ITEM) end = previous.objectid + context.nodeSize;
  else if (previous.type === ItemType.EXTENT_ITEM) end = previous.objectid + previous.offset;
  return end > key.objectid ? { rule: `the extent before reaches to ${end}` } : null;
}

export function keyedRefFault(item: ItemAt): Fault | null {
  const { context, view, key, at, size } = item;
  const data = key.type === ItemType.SHARED_DATA_REF;
  if (size !== (data ? SharedDataRef.size : 0)) return sizeFault(size, data ? SharedDataRef.size : 0);
  if (data && SharedDataRef.get.count(view, at) === 0) return fieldFault('count', 0, 0, 'no reference counts nothing');
  if (key.objectid < 0 || !aligned(key.objectid, context.sectorSize))
    return { rule: `objectid is not aligned to ${context.sectorSize}` };
  if (key.type === ItemType.TREE_BLOCK_REF) return null;
  const parent = key.offset;
  return parent < 0 || !aligned(parent, context.sectorSize)
    ? { rule: `parent is not aligned to ${context.sectorSize}` }
    : null;
}

export function dataRefFault(item: ItemAt): Fault | null {
  const { context, key, size } = item;
  if (size % ExtentDataRef.size !== 0)
    return { field: 'item size', value: String(size), rule: `not a multiple of ${ExtentDataRef.size}` };
  if (key.objectid < 0 || !aligned(key.objectid, context.sectorSize))
    return { rule: `objectid is not aligned to ${context.sectorSize}` };
  for (let pos = 0; pos < size; pos += ExtentDataRef.size) {
    const wrong = dataRefAtFault(item, pos);
    if (wrong !== null) return wrong;
  }
  return null;
}
