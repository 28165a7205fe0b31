/**
 * Metadata space that only commits and deletions may use, so that what is in memory can always reach the disk and a
 * full file system can be emptied (kernel: btrfs_update_global_block_rsv).
 */
import type { BtrfsMount } from '../mount.ts';
import { MAX_LEVEL } from '../structure/block.ts';
import { CompatRo } from '../structure/features.ts';

const MOST = 512 * 1024 * 1024;
/** Items that an unlink may touch. */
const UNLINK_ITEMS = 6;

/** Bytes of metadata that changing so many items may need: a path of copies and as many splits for each. */
function itemBytes(mp: BtrfsMount, items: number): number {
  return mp.nodeSize * MAX_LEVEL * 2 * items;
}

/** Bytes set aside: the trees that every commit changes could be copied whole. */
export function globalReserve(mp: BtrfsMount): number {
  const freeSpaceRoot = mp.freeSpaceRoot();
  let size = (mp.extentRoot().item?.bytes_used ?? 0) + (mp.csumRoot().item?.bytes_used ?? 0);
  let items = 3;
  if (freeSpaceRoot !== null) {
    size += freeSpaceRoot.item?.bytes_used ?? 0;
    items++;
  }
  if ((mp.sb.compat_ro_flags & CompatRo.BLOCK_GROUP_TREE) !== 0n) {
    size += mp.blockGroupRoot().item?.bytes_used ?? 0;
    items++;
  }
  const unlinkRefs = itemBytes(mp, UNLINK_ITEMS) * (freeSpaceRoot === null ? 1 : 2);
  return Math.min(MOST, Math.max(size, itemBytes(mp, items + UNLINK_ITEMS) + unlinkRefs));
}
