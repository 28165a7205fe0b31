/**
 * Giving back what a file holds only in the hope of more writes: blocks beyond its end when it is closed, CoW
 * staging when it leaves memory.
 *
 * Mirrors: fs/xfs/xfs_file.c (xfs_file_release), fs/xfs/xfs_bmap_util.c (xfs_can_free_eofblocks,
 * xfs_free_eofblocks), fs/xfs/xfs_inode.c (xfs_inactive).
 */
import { writeback } from '../../core/iomap/writeback.ts';
import { forkLookup } from './bmap-fork.ts';
import { cancelCow } from './cow.ts';
import { punchDelalloc } from './delalloc.ts';
import { Extent, NULL_OFFSET } from './extent.ts';
import type { XfsInode } from './inode.ts';
import { inodeFlags } from './inode-core.ts';
import { linkCount } from './stat.ts';
import { DiFlag } from './structure/dinode.ts';
import { freeFrom } from './truncate.ts';

const found = new Extent();

/**
 * An open file was closed. The first close of one that could write gives back what was preallocated; who opens a file
 * to write again and again keeps it, until the inode leaves memory.
 */
export function releaseInode(ip: XfsInode, writable: boolean): void {
  if (!hasBlocks(ip)) return;
  flushTruncated(ip);
  if (!writable || linkCount(ip) === 0 || (inodeFlags(ip) & DiFlag.APPEND) !== 0) return;
  if (ip.eofReleased) ip.keepsEof = canFreeEofBlocks(ip);
  else if (canFreeEofBlocks(ip)) {
    ip.eofReleased = true;
    freeEofBlocks(ip);
  }
}

function hasBlocks(ip: XfsInode): boolean {
  if (ip.kind !== 'file' || ip.mp.readOnly) return false;
  return ip.dataFork.format === 'extents' || ip.dataFork.format === 'btree';
}

/** Old bytes were cut off: what replaces them should not wait for long, or a crash leaves an empty file. */
function flushTruncated(ip: XfsInode): void {
  if (!ip.truncated) return;
  ip.truncated = false;
  ip.eofReleased = false;
  if (ip.delalloc.size > 0 || ip.cow.size > 0) writeback(ip);
}

/** The inode leaves memory: nothing of it may stay that only memory knows. Dirty pages were written before. */
export function inactivateInode(ip: XfsInode): void {
  if (hasBlocks(ip)) freeEofBlocks(ip);
  cancelCow(ip, 0, NULL_OFFSET);
  punchDelalloc(ip, 'data', 0, NULL_OFFSET);
}

/** Frees preallocation beyond the end of the file, unless the user asked for it (fallocate, append-only). */
export function freeEofBlocks(ip: XfsInode): void {
  const state = ip.mp.inodes.peekState(ip.ino);
  if (state !== null) state.keepsEof = false;
  if (!canFreeEofBlocks(ip)) return;
  const end = Math.ceil(ip.size / ip.mp.blockSize);
  if ((inodeFlags(ip) & (DiFlag.PREALLOC | DiFlag.APPEND)) !== 0) {
    punchDelalloc(ip, 'data', end, NULL_OFFSET);
    return;
  }
  freeFrom(ip, end);
}

function canFreeEofBlocks(ip: XfsInode): boolean {
  const delayed = ip.delalloc.size > 0 || ip.cow.size > 0;
  if ((inodeFlags(ip) & DiFlag.PREALLOC) !== 0 && !delayed) return false;
  let end = Math.ceil(ip.size / ip.mp.blockSize);
  if (ip.realtime) end = Math.ceil(end / ip.mp.rtExtSize) * ip.mp.rtExtSize;
  return delayed || forkLookup(ip, 'data', end, found);
}
