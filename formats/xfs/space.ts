/**
 * fallocate: blocks ahead of data, holes, zeros, and blocks of one's own. Each mode is Linux's sequence of the same
 * steps, with its rounding and its errors; collapse and insert move extents (shift.ts).
 *
 * Mirrors: fs/xfs/xfs_file.c (xfs_file_fallocate), fs/xfs/xfs_bmap_util.c (xfs_alloc_file_space,
 * xfs_free_file_space), fs/xfs/xfs_reflink.c (xfs_reflink_unshare).
 */
import { FsError } from '../../core/errors.ts';
import { unshareRange, zeroRange } from '../../core/iomap/write.ts';
import { writeback } from '../../core/iomap/writeback.ts';
import { crossesGap, islandEnd, POS_END } from '../../core/positions.ts';
import { checkGrowth } from '../../core/size-limit.ts';
import { MAX_POS } from '../../core/units.ts';
import type { FallocMode } from '../../core/vfs/inode.ts';
import { atomically } from './atomic-work.ts';
import { allocateHole, convertPart } from './bmap-alloc.ts';
import { extentAddBlocks } from './bmap-limits.ts';
import { cancelCow } from './cow.ts';
import { punchDelalloc } from './delalloc.ts';
import { DELAY, Extent, HOLE, MAX_EXTENT_LENGTH, NULL_OFFSET } from './extent.ts';
import { readMapping } from './fork-view.ts';
import type { XfsInode } from './inode.ts';
import { inodeFlags, inodeFlags2, isReflinked, setFlags2 } from './inode-core.ts';
import { extentHint } from './inode-hints.ts';
import { logInode } from './inode-pin.ts';
import { checkWritable, touchInode } from './inode-write.ts';
import { needRoom, reserveRealtime } from './make-room.ts';
import { freeEofBlocks } from './release.ts';
import { hasSharedExtents } from './shared.ts';
import { checkShift, collapseRange, insertRange } from './shift.ts';
import { DiFlag, DiFlag2, Dinode } from './structure/dinode.ts';
import { setSize, unmapRange } from './truncate.ts';

const PAGE = 4096;

/** @throws FsError EINVAL, EISDIR, ENODEV, EPERM, EFBIG, ENOSPC, EOPNOTSUPP */
export function fallocateInode(ip: XfsInode, mode: FallocMode, pos: number, length: number, keepSize: boolean): void {
  if (!(pos >= 0) || !(length > 0)) throw new FsError('EINVAL');
  checkWritable(ip, mode === 'allocate');
  if (ip.kind === 'dir') throw new FsError('EISDIR');
  if (ip.kind !== 'file') throw new FsError('ENODEV');
  if (pos + length > MAX_POS) throw new FsError('EFBIG');
  if (!keepSize && mode !== 'insert') checkGrowth(ip.size, pos + length);
  touchInode(ip);
  const grown = !keepSize && pos + length > ip.size ? pos + length : 0;
  switch (mode) {
    case 'punch':
      return freeSpace(ip, pos, length);
    case 'collapse':
      return collapse(ip, pos, length);
    case 'insert':
      return insert(ip, pos, length);
    case 'zero':
      zeroSpace(ip, pos, length);
      break;
    case 'unshare':
      unshareSpace(ip, pos, length);
      allocateSpace(ip, pos, length);
      break;
    case 'allocate':
      allocateSpace(ip, pos, length);
      break;
  }
  if (grown > 0) setSize(ip, grown);
}

/** Pages of a range to the device and out of memory, rounded outwards to whole pages. */
export function flushRange(ip: XfsInode, pos: number, length: number): void {
  const unit = Math.max(PAGE, ip.mp.blockSize);
  const start = Math.floor(pos / unit) * unit;
  const end = Math.ceil((pos + length) / unit) * unit;
  writeback(ip, start, end);
  ip.pages.invalidate(start, end);
}

const found = new Extent();

/** Unwritten blocks for every hole of the range; what is there stays. @throws FsError ENOSPC */
export function allocateSpace(ip: XfsInode, pos: number, length: number): void {
  // No device has the blocks that a gap between positions would take.
  const crossing = crossesGap(pos, length);
  allocateRange(ip, pos, crossing ? islandEnd(pos) - pos : length);
  if (crossing) throw new FsError('ENOSPC');
}

function allocateRange(ip: XfsInode, pos: number, length: number): void {
  const { mp } = ip;
  let off = Math.floor(pos / mp.blockSize);
  const end = Math.ceil((pos + length) / mp.blockSize);
  const hint = extentHint(ip);
  // Linux logs the inode even where nothing is missing and the flag is set.
  let marked = false;
  while (off < end) {
    const start = hint > 0 ? off - (off % hint) : off;
    const stop = hint > 0 ? Math.ceil(end / hint) * hint : end;
    const blocks = Math.min(stop - start, MAX_EXTENT_LENGTH);
    if (ip.realtime) reserveRealtime(mp, blocks);
    needRoom(mp, (ip.realtime ? 0 : blocks) + extentAddBlocks(mp));
    readMapping(ip, off, end - off, found);
    if (found.block === HOLE) allocateHole(ip, off, end - off, found);
    else if (found.block === DELAY) {
      convertPart(ip, off, end, found);
      found.trim(off, end - off);
    }
    if (!marked) markPreallocated(ip);
    marked = true;
    // With a hint and little space a piece may have landed before `off`: ask again.
    if (found.block !== HOLE) off = found.end;
  }
}

/** Blocks beyond EOF were asked for: closing the file keeps them. */
function markPreallocated(ip: XfsInode): void {
  ip.mp.transact('preallocated', (tp) => {
    logInode(tp, ip);
    Dinode.set.flags(ip.buf.view, ip.base, inodeFlags(ip) | DiFlag.PREALLOC);
  });
}

/** Frees the whole blocks of the range and zeroes the rest of it. */
export function freeSpace(ip: XfsInode, pos: number, length: number): void {
  const { blockSize } = ip.mp;
  flushRange(ip, pos, length);
  // Of a realtime file only whole realtime extents can be freed.
  const unit = spaceUnit(ip);
  const first = Math.ceil(pos / unit) * (unit / blockSize);
  const end = Math.floor((pos + length) / unit) * (unit / blockSize);
  if (end > first) {
    punchDelalloc(ip, 'data', first, end);
    atomically(ip.mp, (rest) => unmapRange(ip, first, end, rest));
  }
  if (pos >= ip.size) return;
  const rest = Math.min(length, ip.size - pos);
  zeroRange(ip, pos, rest);
  if (pos + rest >= ip.size && (pos + rest) % PAGE !== 0) {
    writeback(ip, Math.floor((pos + rest) / PAGE) * PAGE, POS_END);
  }
}

/** A hole, then unwritten blocks: zeros that cost no writing, even if space runs out half-way. */
function zeroSpace(ip: XfsInode, pos: number, length: number): void {
  const { blockSize } = ip.mp;
  freeSpace(ip, pos, length);
  const start = Math.floor(pos / blockSize) * blockSize;
  allocateSpace(ip, start, Math.ceil((pos + length) / blockSize) * blockSize - start);
}

/** Copies what the file shares in the range; forgets the reflink flag if nothing is shared any more. */
function unshareSpace(ip: XfsInode, pos: number, length: number): void {
  if (!isReflinked(ip)) return;
  unshareRange(ip, pos, length);
  writeback(ip, pos, pos + length);
  // What waits in the CoW fork is not thrown away from under pages that were dirty lately: Linux leaves the flag, too.
  if (ip.pages.marked || hasSharedExtents(ip)) return;
  cancelCow(ip, 0, NULL_OFFSET);
  ip.mp.transact('clear reflink', (tp) => {
    logInode(tp, ip);
    setFlags2(ip, inodeFlags2(ip) & ~DiFlag2.REFLINK);
  });
}

/** Bytes of a piece of space that the file can have or not. */
function spaceUnit(ip: XfsInode): number {
  return ip.mp.blockSize * (ip.realtime ? ip.mp.rtExtSize : 1);
}

function checkAligned(ip: XfsInode, pos: number, length: number): void {
  const unit = spaceUnit(ip);
  if (pos % unit !== 0 || length % unit !== 0) {
    throw new FsError('EINVAL', { detail: `not a multiple of ${unit} bytes` });
  }
}

function collapse(ip: XfsInode, pos: number, length: number): void {
  const size = ip.size - length;
  checkAligned(ip, pos, length);
  if (pos + length >= ip.size) throw new FsError('EINVAL', { detail: 'the range reaches the end of the file' });
  if (crossesGap(pos, length) || crossesGap(size, length)) throw new FsError('EFBIG');
  checkShift(ip, (pos + length) / ip.mp.blockSize, -length / ip.mp.blockSize);
  freeSpace(ip, pos, length);
  prepareShift(ip, pos);
  atomically(ip.mp, (rest) => {
    collapseRange(ip, pos / ip.mp.blockSize, length / ip.mp.blockSize, rest);
  });
  setSize(ip, size);
}

function insert(ip: XfsInode, pos: number, length: number): void {
  const { size } = ip;
  checkAligned(ip, pos, length);
  if (size + length > MAX_POS) throw new FsError('EFBIG');
  if (pos >= size) throw new FsError('EINVAL', { detail: 'the range starts beyond the end of the file' });
  if (crossesGap(pos, length) || crossesGap(size, length)) throw new FsError('EFBIG');
  checkShift(ip, pos / ip.mp.blockSize, length / ip.mp.blockSize);
  setSize(ip, size + length);
  prepareShift(ip, pos);
  atomically(ip.mp, (rest) => {
    insertRange(ip, pos / ip.mp.blockSize, length / ip.mp.blockSize, rest);
  });
}

/** Nothing of the file from `pos` on may be in memory only while its extents move. */
function prepareShift(ip: XfsInode, pos: number): void {
  const { blockSize } = ip.mp;
  freeEofBlocks(ip);
  const start = Math.max(0, Math.floor(pos / blockSize) * blockSize - blockSize);
  flushRange(ip, start, Math.max(ip.size - start, 0) + blockSize);
  cancelCow(ip, start / blockSize, NULL_OFFSET);
}
