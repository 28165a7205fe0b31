/**
 * fallocate: preallocated space, holes, zeros. Each is Linux's sequence of the same steps, with its rounding and its
 * exceptions; what moves or unshares extents is not offered.
 *
 * Mirrors: fs/btrfs/file.c (btrfs_fallocate, btrfs_punch_hole, btrfs_zero_range).
 */
import { FsError } from '../../core/errors.ts';
import { writeback } from '../../core/iomap/writeback.ts';
import { crossesGap } from '../../core/positions.ts';
import { checkGrowth } from '../../core/size-limit.ts';
import { MAX_POS, roundDown, roundUp } from '../../core/units.ts';
import type { FallocMode } from '../../core/vfs/inode.ts';
import { growTo, type Prealloc, preallocate, rangeAt, replaceByHole } from './holes.ts';
import type { BtrfsInode } from './inode.ts';
import { checkWritable, touchInode } from './inode-write.ts';
import { expand, zeroInBlock } from './truncate.ts';
import { settle, withRoom } from './write-state.ts';

/** @throws FsError EINVAL, EISDIR, ENODEV, EPERM, EFBIG, ENOSPC, EOPNOTSUPP */
export function fallocateInode(ip: BtrfsInode, mode: FallocMode, pos: number, length: number, keepSize: boolean): void {
  if (!(pos >= 0) || !(length > 0)) throw new FsError('EINVAL');
  checkWritable(ip, mode === 'allocate');
  if (ip.kind === 'dir') throw new FsError('EISDIR');
  if (ip.kind !== 'file') throw new FsError('ENODEV');
  if (pos + length > MAX_POS) throw new FsError('EFBIG');
  if (!keepSize && mode !== 'insert') checkGrowth(ip.size, pos + length);
  if (mode === 'collapse' || mode === 'insert' || mode === 'unshare') throw new FsError('EOPNOTSUPP');
  if (mode === 'punch') return punch(ip, pos, length);
  // No device has the space that a gap between positions would take.
  if (crossesGap(pos, length)) throw new FsError('ENOSPC');
  touchInode(ip);
  prepareEnd(ip, pos, length);
  flushRange(ip, pos, pos + length);
  if (mode === 'zero') zero(ip, pos, length, keepSize);
  else allocate(ip, pos, length, keepSize);
}

/** Dirty blocks of a range to the device, with what Linux writes along: the rest of the run that they are in. */
export function flushRange(ip: BtrfsInode, start: number, end: number): void {
  const { sectorSize } = ip.mp;
  const from = roundDown(start, sectorSize);
  const to = roundUp(end, sectorSize);
  if (!ip.pages.hasDirty(from, to)) return;
  const limit = roundUp(ip.size, sectorSize);
  const runEnd = to < limit && ip.pages.isDirty(to - 1) && ip.pages.isDirty(to) ? ip.pages.dirtyRunEnd(to, limit) : to;
  writeback(ip, from, runEnd);
  settle(ip);
}

/** What lies between the end of the file and the range becomes a hole, or the rest of its last block zeros. */
function prepareEnd(ip: BtrfsInode, pos: number, length: number): void {
  const start = roundDown(pos, ip.mp.sectorSize);
  const { size } = ip;
  if (start > size) expand(ip, size, start);
  else if (pos + length > size) zeroInBlock(ip, size, roundUp(size, ip.mp.sectorSize));
}

/** Preallocated space for every hole of the range. */
function allocate(ip: BtrfsInode, pos: number, length: number, keepSize: boolean): void {
  const { sectorSize } = ip.mp;
  const end = roundUp(pos + length, sectorSize);
  const holes: { start: number; end: number }[] = [];
  let needed = 0;
  for (let at = roundDown(pos, sectorSize); at < end; ) {
    const state = rangeAt(ip, at, end);
    const stop = Math.min(state.end, end);
    if (state.kind === 'hole' || (at >= ip.size && state.kind !== 'prealloc')) {
      const last = holes.at(-1);
      if (last !== undefined && last.end === at) last.end = stop;
      else holes.push({ start: at, end: stop });
      needed += stop - at;
    }
    at = stop;
  }
  // All of it or nothing: what is there for a part must not be taken by a call that fails.
  if (needed > 0) ensureSpace(ip, needed);
  let hint: number | undefined;
  const size = keepSize ? 0 : pos + length;
  for (const hole of holes) hint = preallocate(ip, { ...hole, size }, hint);
  if (!keepSize) growTo(ip, pos + length);
}

/** @throws FsError ENOSPC if so many bytes are not to be had, EDQUOT */
function ensureSpace(ip: BtrfsInode, bytes: number): void {
  const { groups, trans } = ip.mp;
  withRoom(ip.mp, () => trans.quotas.limits.reserve(ip.root.id, bytes));
  withRoom(ip.mp, () => groups.reserveData(bytes));
  groups.releaseData(bytes);
}

/** Blocks that become preallocated: they read as zeros without being written. */
function zero(ip: BtrfsInode, pos: number, length: number, keepSize: boolean): void {
  const end = pos + length;
  const range = blocksToZero(ip, pos, end);
  if (range !== null && range.start < range.end) {
    ensureSpace(ip, range.end - range.start);
    ip.pages.invalidate(range.start, range.end);
    settle(ip);
    const prealloc: Prealloc = { start: range.start, end: range.end, size: keepSize ? 0 : end };
    preallocate(ip, prealloc, range.hint);
  }
  if (!keepSize) growTo(ip, end);
}

interface ZeroBlocks {
  start: number;
  end: number;
  hint?: number;
}

/** Zeroes in place what is zeroed so; answers which blocks are to be preallocated, null for none. */
function blocksToZero(ip: BtrfsInode, pos: number, end: number): ZeroBlocks | null {
  const { sectorSize } = ip.mp;
  let hint: number | undefined;
  const first = rangeAt(ip, roundDown(pos, sectorSize), roundUp(end, sectorSize));
  if (first.kind === 'prealloc') {
    if (first.end >= end) return null;
    pos = first.end;
    hint = first.next;
  }
  const from = roundDown(pos, sectorSize);
  const found = (start: number, stop: number): ZeroBlocks =>
    hint === undefined ? { start, end: stop } : { start, end: stop, hint };
  if (from === roundDown(end - 1, sectorSize)) {
    const only = rangeAt(ip, from, from + sectorSize);
    if (only.kind === 'prealloc') return null;
    if (end - pos < sectorSize && only.kind === 'written') {
      zeroInBlock(ip, pos, end);
      return null;
    }
    return found(from, from + sectorSize);
  }
  const range = found(roundUp(pos, sectorSize), roundDown(end, sectorSize));
  if (pos % sectorSize !== 0) {
    const edge = rangeAt(ip, from, from + sectorSize).kind;
    if (edge === 'hole') range.start = from;
    else if (edge === 'written') zeroInBlock(ip, pos, roundUp(pos, sectorSize));
  }
  if (end % sectorSize !== 0) {
    const last = roundDown(end, sectorSize);
    const edge = rangeAt(ip, last, last + sectorSize).kind;
    if (edge === 'hole') range.end = roundUp(end, sectorSize);
    else if (edge === 'written') zeroInBlock(ip, last, end);
  }
  return range;
}

/** Places that are remembered so. */
const MOST_LOOKUPS = 64;

/** Has nobody looked at the place, nor changed anything of the file's map, since it is mounted? */
function isUnseen(ip: BtrfsInode, pos: number): boolean {
  return ip.sequence === 0 && pos < ip.writing.expandedFrom && !ip.pages.hasPage(pos);
}

/** How far Linux knows after having been asked for `length` bytes at `pos`: as far as when it was asked there first. */
function lookedAt(ip: BtrfsInode, pos: number, length: number): number {
  const { lookups } = ip.writing;
  const known = lookups.find(({ start, end }) => start <= pos && pos < end);
  if (known !== undefined) return known.end;
  const end = pos + length;
  const before = lookups.find((range) => range.end === pos);
  if (before !== undefined) before.end = end;
  else if (lookups.length < MOST_LOOKUPS) lookups.push({ start: pos, end });
  return end;
}

/** Moves the start of a range out of the hole that it begins in. @returns false if it begins in none */
function skipHole(ip: BtrfsInode, range: { pos: number; length: number }): boolean {
  const { sectorSize } = ip.mp;
  const start = roundDown(range.pos, sectorSize);
  // Linux knows the whole hole if it made it, or has seen it; where it has not, it looks no further than it is asked.
  const unseen = isUnseen(ip, start);
  const state = rangeAt(ip, start, unseen ? lookedAt(ip, start, roundUp(range.length, sectorSize)) : MAX_POS);
  if (state.kind !== 'hole') return false;
  range.length = Math.max(0, range.pos + range.length - state.end);
  range.pos = state.end;
  return true;
}

function punch(ip: BtrfsInode, pos: number, length: number): void {
  flushRange(ip, pos, pos + length);
  const range = { pos, length };
  if (skipHole(ip, range) && range.length === 0) return;
  touchInode(ip);
  punchRange(ip, range, pos);
}

/** Zeroes the parts of blocks at the edges, and takes out the whole blocks between. */
function punchRange(ip: BtrfsInode, range: { pos: number; length: number }, asked: number): void {
  const { sectorSize } = ip.mp;
  const fileEnd = roundUp(ip.size, sectorSize);
  const { pos } = range;
  const end = pos + range.length;
  if (roundDown(pos, sectorSize) === roundDown(end - 1, sectorSize) && range.length < sectorSize) {
    if (pos < fileEnd) zeroInBlock(ip, pos, end);
    return;
  }
  if (pos < fileEnd) zeroInBlock(ip, pos, roundUp(pos, sectorSize));
  let start = roundUp(pos, sectorSize);
  const stop = roundDown(end, sectorSize);
  if (pos === asked) {
    const rest = { pos: start, length: end - start };
    if (skipHole(ip, rest) && rest.length === 0) return;
    start = rest.pos;
  }
  if (end > stop) {
    const tail = { pos: stop, length: end - stop };
    if (!skipHole(ip, tail) && end < fileEnd) zeroInBlock(ip, stop, end);
  }
  if (stop <= start) return;
  ip.pages.invalidate(start, stop);
  settle(ip);
  replaceByHole(ip, start, stop);
}
