/**
 * Rules of the items that say where logical addresses lie. Chunk items are checked in full when the chunk map takes
 * them (volumes/chunk-item.ts); here only that all of one is there. Mirrors tree-checker.c.
 */
import {
  BLOCK_GROUP_PROFILE_MASK,
  BLOCK_GROUP_TYPE_MASK,
  BlockGroupFlag,
  BlockGroupItem,
  ChunkItem,
  chunkItemSize,
  DevExtent,
  DevItem,
} from '../structure/chunk.ts';
import { ItemType, Objectid } from '../structure/key.ts';
import { aligned, type Fault, fieldFault, leastFault, sizeFault } from './fault.ts';
import type { ItemAt } from './item-at.ts';

export function chunkFault({ context, view, key, at, size }: ItemAt): Fault | null {
  if (size < chunkItemSize(1)) return leastFault(size, chunkItemSize(1));
  if (key.offset < 0 || !aligned(key.offset, context.sectorSize))
    return { rule: `key offset is not aligned to ${context.sectorSize}` };
  return sizeFault(size, chunkItemSize(ChunkItem.get.num_stripes(view, at)));
}

/** The item has its right size. */
export function blockGroupFault({ view, key, at }: ItemAt): Fault | null {
  if (key.objectid < 0 || !(key.offset > 0)) return { rule: 'length is 0 or too large' };
  const chunkTree = BlockGroupItem.get.chunk_objectid(view, at);
  if (chunkTree !== Objectid.FIRST_CHUNK_TREE) {
    return fieldFault(
      'chunk_objectid',
      BlockGroupItem.at.chunk_objectid,
      chunkTree,
      `not ${Objectid.FIRST_CHUNK_TREE}`,
    );
  }
  const used = BlockGroupItem.get.used(view, at);
  if (!(used >= 0 && used <= key.offset)) return fieldFault('used', BlockGroupItem.at.used, used, `> ${key.offset}`);
  const flags = BlockGroupItem.get.flags(view, at);
  const profile = flags & BLOCK_GROUP_PROFILE_MASK;
  if ((profile & (profile - 1)) !== 0) return fieldFault('flags', BlockGroupItem.at.flags, flags, 'several profiles');
  const type = flags & BLOCK_GROUP_TYPE_MASK;
  const mixed = BlockGroupFlag.DATA | BlockGroupFlag.METADATA;
  const single = type !== 0 && (type & (type - 1)) === 0;
  return single || type === mixed ? null : fieldFault('flags', BlockGroupItem.at.flags, flags, 'no such type');
}

/** The item has its right size. */
export function devItemFault({ view, key, at }: ItemAt): Fault | null {
  if (key.objectid !== Objectid.DEV_ITEMS) return { rule: `objectid is not ${Objectid.DEV_ITEMS}` };
  const devid = DevItem.get.devid(view, at);
  if (devid !== key.offset) return fieldFault('devid', DevItem.at.devid, devid, 'not the key offset');
  const used = DevItem.get.bytes_used(view, at);
  const total = DevItem.get.total_bytes(view, at);
  return used >= 0 && used <= total ? null : fieldFault('bytes_used', DevItem.at.bytes_used, used, `> ${total}`);
}

export function devExtentFault({ context, view, key, previous, slot, at, size }: ItemAt): Fault | null {
  if (size !== DevExtent.size) return sizeFault(size, DevExtent.size);
  const tree = DevExtent.get.chunk_tree(view, at);
  if (tree !== Objectid.CHUNK_TREE)
    return fieldFault('chunk_tree', DevExtent.at.chunk_tree, tree, `not ${Objectid.CHUNK_TREE}`);
  const objectid = DevExtent.get.chunk_objectid(view, at);
  if (objectid !== Objectid.FIRST_CHUNK_TREE) {
    return fieldFault('chunk_objectid', DevExtent.at.chunk_objectid, objectid, `not ${Objectid.FIRST_CHUNK_TREE}`);
  }
  if (key.offset < 0 || !aligned(key.offset, context.sectorSize))
    return { rule: `key offset is not aligned to ${context.sectorSize}` };
  for (const field of ['chunk_offset', 'length'] as const) {
    const value = DevExtent.get[field](view, at);
    if (value < 0 || !aligned(value, context.sectorSize)) {
      return fieldFault(field, DevExtent.at[field], value, `not aligned to ${context.sectorSize}`);
    }
  }
  if (slot === 0 || previous.type !== ItemType.DEV_EXTENT || previous.ol !== key.ol || previous.oh !== key.oh)
    return null;
  const end = previous.offset + DevExtent.get.length(view, at + size);
  return end > key.offset ? { rule: `the extent before reaches to ${end}` } : null;
}
