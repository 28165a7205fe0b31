/**
 * References inside an extent item.
 *
 *     | ExtentItem 24 | TreeBlockInfo 18, only in an EXTENT_ITEM of a tree block | reference | reference | …
 *     TREE_BLOCK_REF    type, root                          9
 *     SHARED_BLOCK_REF  type, parent block                  9
 *     EXTENT_DATA_REF   type, root, inode, offset, count   29
 *     SHARED_DATA_REF   type, parent leaf, count           13
 *     EXTENT_OWNER_REF  type, root: always the first, with simple quotas
 *
 * They are sorted as the keyed items would be by type, and within a type falling, by hash (EXTENT_DATA_REF) or
 * number. Mirrors lookup_inline_extent_backref() of extent-tree.c.
 */
import { corrupt } from '../../../core/errors.ts';
import { hashDataRef, type RefHash } from '../data-ref-hash.ts';
import { ExtentFlag, ExtentItem, TreeBlockInfo } from '../structure/extent.ts';
import { readCoarse, readU64, writeU64 } from '../structure/fields.ts';
import { ItemType, type Key } from '../structure/key.ts';
import type { RefNode } from './delayed-refs.ts';

/** Bytes of an inline reference. @throws FsError EUCLEAN for an unknown type */
export function inlineRefSize(type: number): number {
  switch (type) {
    case ItemType.TREE_BLOCK_REF:
    case ItemType.SHARED_BLOCK_REF:
    case ItemType.EXTENT_OWNER_REF:
      return 9;
    case ItemType.EXTENT_DATA_REF:
      return 29;
    case ItemType.SHARED_DATA_REF:
      return 13;
    default:
      throw corrupt({ structure: 'extent item', field: 'inline reference type', value: String(type), rule: 'unknown' });
  }
}

/** Where the inline references of an extent item begin, from its start; its key says whether it is a fat one. */
export function inlineRefsStart(view: DataView, at: number, key: Key): number {
  const block = (ExtentItem.get.flags(view, at) & ExtentFlag.TREE_BLOCK) !== 0;
  return block && key.type === ItemType.EXTENT_ITEM ? ExtentItem.size + TreeBlockInfo.size : ExtentItem.size;
}

/** How many references an inline reference stands for. */
export function inlineRefCount(view: DataView, at: number, type: number): number {
  if (type === ItemType.EXTENT_DATA_REF) return view.getUint32(at + 25, true);
  if (type === ItemType.SHARED_DATA_REF) return view.getUint32(at + 9, true);
  return type === ItemType.EXTENT_OWNER_REF ? 0 : 1;
}

/** Changes the count of an inline EXTENT_DATA_REF or SHARED_DATA_REF. */
export function setInlineRefCount(view: DataView, at: number, type: number, count: number): void {
  view.setUint32(at + (type === ItemType.EXTENT_DATA_REF ? 25 : 9), count, true);
}

/** Writes a whole inline reference. */
export function writeInlineRef(view: DataView, at: number, node: RefNode, count: number): void {
  view.setUint8(at, node.type);
  if (node.type === ItemType.EXTENT_DATA_REF) {
    writeU64(view, at + 1, node.root);
    writeU64(view, at + 9, node.owner);
    writeU64(view, at + 17, node.offset);
    view.setUint32(at + 25, count, true);
    return;
  }
  writeU64(view, at + 1, node.parent === 0 ? node.root : node.parent);
  if (node.type === ItemType.SHARED_DATA_REF) view.setUint32(at + 9, count, true);
}

/** What scanInlineRefs() found. */
export interface InlinePlace {
  /** Offset in the item, of the reference or of where it would be inserted. */
  offset: number;
  found: boolean;
  /** References that the inline ones stand for; the item's count exceeds it if there are keyed ones. */
  counted: number;
}

const wanted: RefHash = { high: 0, low: 0 };
const other: RefHash = { high: 0, low: 0 };

/** Looks for the reference `node` in the extent item at `at`. @throws FsError EUCLEAN */
export function scanInlineRefs(view: DataView, at: number, size: number, key: Key, node: RefNode): InlinePlace {
  const place: InlinePlace = { offset: -1, found: false, counted: 0 };
  if (node.type === ItemType.EXTENT_DATA_REF) hashDataRef(node.root, node.owner, node.offset, wanted);
  let offset = inlineRefsStart(view, at, key);
  while (offset < size) {
    const type = view.getUint8(at + offset);
    const length = inlineRefSize(type);
    if (offset + length > size) break;
    place.counted += inlineRefCount(view, at + offset, type);
    if (place.offset < 0 && type !== ItemType.EXTENT_OWNER_REF) {
      const order = compareRef(view, at + offset, type, node);
      if (order <= 0) place.offset = offset;
      if (order === 0) place.found = true;
    }
    offset += length;
  }
  if (offset !== size) {
    throw corrupt({ structure: `extent item ${key}`, value: String(size), rule: 'inline references fill the item' });
  }
  if (place.offset < 0) place.offset = size;
  return place;
}

/** 0 if the reference at `at` is `node`, below 0 if `node` comes before it. */
function compareRef(view: DataView, at: number, type: number, node: RefNode): number {
  if (node.type !== type) return node.type - type;
  if (type !== ItemType.EXTENT_DATA_REF) {
    // Falling numbers, compared as unsigned: tree ids of the top range are the largest.
    const number = readU64(view, at + 1);
    const want = node.parent === 0 ? node.root : node.parent;
    if (number === want) return 0;
    return unsignedBelow(number, want) ? -1 : 1;
  }
  const root = readU64(view, at + 1);
  const owner = readU64(view, at + 9);
  const offset = readCoarse(view, at + 17);
  if (root === node.root && owner === node.owner && offset === node.offset) return 0;
  hashDataRef(root, owner, offset, other);
  const below = other.high < wanted.high || (other.high === wanted.high && other.low < wanted.low);
  return below ? -1 : 1;
}

function unsignedBelow(a: number, b: number): boolean {
  return a >= 0 === b >= 0 ? a < b : a >= 0;
}
