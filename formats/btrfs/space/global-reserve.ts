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

/** Bytes that a pending reference adds to the extent tree and to the free-space tree, leaves half filled. */
const REF_GROWTH = 256;
/** Blocks of the root tree and others that any commit copies. */
const COMMIT_BLOCKS = 64;

/**
 * Bytes that committing what is pending now may take: each reference copies a leaf of the extent tree, but no leaf
 * twice, and makes trees grow; the free-space tree may be copied whole; every block group's item is written.
 */
export function commitNeed(mp: BtrfsMount): number {
  if (!mp.trans.running) return 0;
  const pending = mp.trans.refs.heads.size;
  const extents = Math.min(mp.extentRoot().item?.bytes_used ?? 0, pending * mp.nodeSize);
  const free = mp.freeSpaceRoot()?.item?.bytes_used ?? 0;
  return extents + free + pending * REF_GROWTH + (COMMIT_BLOCKS + mp.space.chunks.size) * mp.nodeSize;
}
