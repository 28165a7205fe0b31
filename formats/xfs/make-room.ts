/**
 * What Linux does before it says that there is no space: blocks that files hold only in the hope of more writes (behind
 * their end, CoW staging) are given back, for a write also what delayed allocation reserved beyond its needs. Then the
 * question is asked once more. Never called inside a transaction.
 *
 * Mirrors: fs/xfs/xfs_file.c (xfs_file_buffered_write), fs/xfs/xfs_trans.c (xfs_trans_alloc),
 * fs/xfs/xfs_icache.c (xfs_blockgc_free_space), fs/xfs/xfs_inode.c (xfs_create).
 */
import { FsError } from '../../core/errors.ts';
import { writeback, writebackFiles } from '../../core/iomap/writeback.ts';
import { cancelCow } from './cow.ts';
import { NULL_OFFSET } from './extent.ts';
import type { XfsMount } from './mount.ts';
import { freeEofBlocks } from './release.ts';
import { hasRealtime } from './rt/space.ts';

/** True if `blocks` can be allocated, if need be after idle blocks were given back. */
export function hasRoom(mp: XfsMount, blocks: number, fromPool = false): boolean {
  if (mp.space.allows(blocks, fromPool)) return true;
  freeIdleBlocks(mp);
  return mp.space.allows(blocks, fromPool);
}

/** @throws FsError ENOSPC if `blocks` cannot be allocated even then */
export function needRoom(mp: XfsMount, blocks: number, fromPool = false): void {
  if (!hasRoom(mp, blocks, fromPool)) throw new FsError('ENOSPC');
}

/** As needRoom(), for a new inode: where space ended, all files are written back too, which frees what they reserved. */
export function needRoomToCreate(mp: XfsMount, blocks: number): void {
  if (hasRoom(mp, blocks)) return;
  writebackFiles([...mp.inodes.changed()]);
  needRoom(mp, blocks);
}

/** Promises `blocks`, if need be after idle blocks were given back. @throws FsError ENOSPC */
export function reserveRoom(mp: XfsMount, blocks: number): void {
  if (!mp.space.allows(blocks)) freeIdleBlocks(mp);
  mp.space.reserve(blocks);
}

/** Whole realtime extents of `blocks` must be free, if need be after idle ones were given back. @throws FsError ENOSPC, ENODEV */
export function reserveRealtime(mp: XfsMount, blocks: number): void {
  if (hasRealtime(mp, blocks)) return;
  freeIdleBlocks(mp);
  if (!hasRealtime(mp, blocks)) throw new FsError('ENOSPC');
}

/** A step of a write failed: where space ended, all files are written back, so that it may be tried again. @throws `error` otherwise */
export function giveRoom(mp: XfsMount, error: unknown): void {
  if (!(error instanceof FsError) || (error.code !== 'ENOSPC' && error.code !== 'EDQUOT')) throw error;
  const files = [...mp.inodes.changed()];
  writebackFiles(files);
  for (const ip of files) writeback(ip);
  freeIdleBlocks(mp);
}

/** Blocks behind the end of files, and CoW staging, of all files with nothing unwritten. */
function freeIdleBlocks(mp: XfsMount): void {
  for (const ip of mp.inodes.changed()) {
    if (ip.kind !== 'file' || ip.pages.dirtyBlocks > 0) continue;
    freeEofBlocks(ip);
    if (ip.cow.size > 0) cancelCow(ip, 0, NULL_OFFSET);
  }
}
