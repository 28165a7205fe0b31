/**
 * Which blocks of an extent have more than one owner.
 * Mirrors: fs/xfs/xfs_reflink.c (xfs_reflink_trim_around_shared, xfs_reflink_inode_has_shared_extents).
 */
import { findShared } from './alloc/refcount.ts';
import { forkLookup } from './bmap-fork.ts';
import { Extent } from './extent.ts';
import type { XfsInode } from './inode.ts';
import { isReflinked } from './inode-core.ts';

/**
 * Cuts `e` where sharing begins or ends. @returns whether what is left of it is shared
 * @throws FsError EUCLEAN
 */
export function trimAroundShared(ip: XfsInode, e: Extent): boolean {
  if (!e.written || !isReflinked(ip)) return false;
  const { mp } = ip;
  const agbno = mp.fsbToAgbno(e.block);
  const shared = findShared(mp, mp.fsbToAgno(e.block), agbno, e.count);
  if (shared === null) return false;
  if (shared.agbno === agbno) {
    e.count = shared.length;
    return true;
  }
  e.count = shared.agbno - agbno;
  return false;
}

const walk = new Extent();

/** Any block of the file is shared. */
export function hasSharedExtents(ip: XfsInode): boolean {
  const { mp } = ip;
  let off = 0;
  while (forkLookup(ip, 'data', off, walk)) {
    if (walk.written) {
      const agno = mp.fsbToAgno(walk.block);
      if (findShared(mp, agno, mp.fsbToAgbno(walk.block), walk.count) !== null) return true;
    }
    off = walk.end;
  }
  return false;
}
