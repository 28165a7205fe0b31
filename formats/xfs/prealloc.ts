/**
 * How far a write that extends a file reserves beyond it: the longer the run of blocks that already ends there, the
 * more, less when the file system is nearly full. release() gives it back when the file is closed.
 *
 * Mirrors: fs/xfs/xfs_iomap.c (xfs_iomap_prealloc_size), without quota throttling.
 */
import { Extent, MAX_EXTENT_LENGTH } from './extent.ts';
import { type MemoryFork, viewBefore } from './fork-view.ts';
import type { XfsInode } from './inode.ts';
import type { XfsMount } from './mount.ts';

/** Least speculative preallocation: 64 KiB, or one block (kernel: XFS_WRITEIO_LOG_LARGE). */
const ALLOC_SIZE_LOG = 16;

/** Log2 of the unit that preallocation ends at, in bytes. */
export function allocSizeLog(mp: XfsMount): number {
  return Math.max(ALLOC_SIZE_LOG, mp.blockLog);
}

const last = new Extent();
const earlier = new Extent();

/** Blocks to reserve beyond a write at byte `pos`, which lies behind the last extent of the data fork. */
export function preallocSize(ip: XfsInode, fork: MemoryFork, pos: number): number {
  const { mp } = ip;
  const least = 2 ** (allocSizeLog(mp) - mp.blockLog);
  if (ip.size < least * mp.blockSize) return 0;
  const dalign = mp.sb.unit;
  const off = Math.floor(pos / mp.blockSize);
  if (ip.size < dalign * mp.blockSize || !viewBefore(ip, fork, off, last) || last.end < off) return least;
  let blocks = runLength(ip, fork) * 2;
  if (blocks > MAX_EXTENT_LENGTH) blocks = Math.ceil(pos / mp.blockSize);
  blocks = Math.min(blocks, MAX_EXTENT_LENGTH + 1);
  const free = mp.space.available;
  blocks = Math.floor(blocks / 2 ** lowSpaceShift(mp, free));
  if (blocks > 0) blocks = 2 ** Math.floor(Math.log2(blocks));
  blocks = Math.min(blocks, MAX_EXTENT_LENGTH);
  while (blocks > 0 && blocks >= free) blocks = Math.floor(blocks / 16);
  return Math.max(blocks, least);
}

/** Length of the last extent and of those before it that continue it on the device. */
function runLength(ip: XfsInode, fork: MemoryFork): number {
  let length = last.count;
  while (viewBefore(ip, fork, last.off, earlier)) {
    if (length > MAX_EXTENT_LENGTH / 2 || !earlier.real) break;
    if (earlier.end !== last.off || earlier.block + earlier.count !== last.block) break;
    length += earlier.count;
    last.copyFrom(earlier);
  }
  return length;
}

/** Below 5 % free space each percent less halves the preallocation once more. */
function lowSpaceShift(mp: XfsMount, free: number): number {
  const percent = Math.floor(mp.dataBlocks / 100);
  if (free >= percent * 5) return 0;
  let shift = 2;
  for (let i = 4; i >= 1; i--) if (free < percent * i) shift++;
  return shift;
}

/** Stripe unit in blocks that allocations at the end of a large file are rounded to; 0 for none. */
export function eofAlignment(ip: XfsInode): number {
  const align = ip.mp.sb.unit;
  return align > 0 && !ip.realtime && ip.size >= align * ip.mp.blockSize ? align : 0;
}
