/**
 * Taking and giving back extents of the realtime device: bitmap, summary and the superblock's count change together.
 *
 * Where a file begins is spread over the device: the n-th file takes the next of the points 0, 1/2, 1/4, 3/4, 1/8, …
 * n is kept as the seconds of the bitmap inode's atime. What continues a file is taken as near to it as can be.
 *
 * Mirrors: fs/xfs/xfs_rtalloc.c (xfs_rtallocate_extent_near, _size, _block, xfs_rtpick_extent, xfs_rtfree_extent).
 */
import { corrupt } from '../../../core/errors.ts';
import { inodeFlags, inodeFlags2, setTimes } from '../inode-core.ts';
import { logInode } from '../inode-pin.ts';
import type { XfsMount } from '../mount.ts';
import { DiFlag, DiFlag2, Dinode, readTimestamp } from '../structure/dinode.ts';
import { Superblock } from '../structure/sb.ts';
import type { Trans } from '../trans.ts';
import { extentsPerBlock, findChange, markExtents, runStart } from './bitmap.ts';
import { countRun, summaryAt, summaryLevels } from './summary.ts';

/** A run of realtime extents. */
export interface RtRun {
  readonly start: number;
  readonly count: number;
}

/** How much is asked for: `least` to `most` extents, in multiples of `prod` where that is more than 1. */
interface Need {
  readonly least: number;
  readonly most: number;
  readonly prod: number;
}

/** Free realtime extents as the superblock counts them. */
export function freeExtents(mp: XfsMount): number {
  return Superblock.get.frextents(mp.sbBuf.view, 0);
}

/**
 * Takes up to `most` extents, at or near `near` (0: anywhere); null if there are not `least` in one piece.
 * @throws FsError EUCLEAN, EIO
 */
export function takeRealtime(tp: Trans, near: number, least: number, most: number, prod: number): RtRun | null {
  const { mp } = tp;
  const rounded = { least: Math.ceil(least / prod) * prod, most: Math.floor(most / prod) * prod, prod };
  if (rounded.most < rounded.least) return null;
  const find = (need: Need) => (near === 0 ? findBySize(mp, need) : findNear(mp, near, need));
  const run = find(rounded) ?? (prod > 1 ? find({ ...rounded, prod: 1 }) : null);
  if (run === null) return null;
  const { start, count } = run;
  const first = runStart(mp, start);
  const last = findChange(mp, start + count, mp.sb.rextents, true);
  countRun(tp, first, last - first, -1);
  if (first < start) countRun(tp, first, start - first, 1);
  if (last > start + count) countRun(tp, start + count, last - start - count, 1);
  markExtents(tp, start, count, false);
  tp.sbDelta({ frextents: -count });
  // Their old bytes may still be another file's after a crash.
  if (mp.log.busyRealtime.overlap(0, start, count) !== null) tp.reuseBusy();
  return run;
}

/** Gives extents back. @throws FsError EUCLEAN if they are outside, or free already */
export function giveRealtime(tp: Trans, start: number, count: number): void {
  const { mp } = tp;
  const { rextents } = mp.sb;
  const end = start + count;
  if (!(start >= 0) || count < 1 || end > rextents || findChange(mp, start, end, false) < end) {
    throw corrupt({ structure: 'realtime bitmap', field: `extents ${start}+${count}`, rule: 'freed, and not in use' });
  }
  markExtents(tp, start, count, true);
  const first = runStart(mp, start);
  const last = findChange(mp, end, rextents, true);
  if (first < start) countRun(tp, first, start - first, -1);
  if (last > end) countRun(tp, end, last - end, -1);
  countRun(tp, first, last - first, 1);
  tp.sbDelta({ frextents: count });
  if (freeExtents(mp) === rextents) setSequence(tp, 0);
  tp.onCommit(() => mp.log.busyRealtime.add(0, start, count));
}

/** Where a new file of `count` extents shall begin. */
export function pickStart(tp: Trans, count: number): number {
  const { mp } = tp;
  const { rextents } = mp.sb;
  const sequence = readSequence(mp);
  let start = 0;
  if (sequence > 0) {
    const log = Math.floor(Math.log2(sequence));
    start = Math.floor((rextents * ((sequence - 2 ** log) * 2 + 1)) / 2 ** (log + 1));
    if (start >= rextents) start %= rextents;
    if (start + count > rextents) start = Math.max(0, rextents - count);
  }
  setSequence(tp, sequence + 1);
  return start;
}

function readSequence(mp: XfsMount): number {
  const ip = mp.iget(mp.sb.rbmino as number);
  if ((inodeFlags(ip) & DiFlag.NEWRTBM) === 0) return 0;
  const bigtime = (inodeFlags2(ip) & DiFlag2.BIGTIME) !== 0;
  return Math.max(0, readTimestamp(ip.buf.view, ip.base + Dinode.at.atime, bigtime).seconds);
}

function setSequence(tp: Trans, sequence: number): void {
  const ip = tp.mp.iget(tp.mp.sb.rbmino as number);
  logInode(tp, ip);
  const bigtime = (inodeFlags2(ip) & DiFlag2.BIGTIME) !== 0;
  const { nanoseconds } = readTimestamp(ip.buf.view, ip.base + Dinode.at.atime, bigtime);
  Dinode.set.flags(ip.buf.view, ip.base, inodeFlags(ip) | DiFlag.NEWRTBM);
  setTimes(ip, { seconds: sequence, nanoseconds }, 'atime');
}

/** `count` extents from `start` on, less what lies beyond the device. */
function clamp(mp: XfsMount, start: number, count: number, prod: number): number {
  const inside = Math.min(mp.sb.rextents, start + count) - start;
  return inside - (inside % prod);
}

/** What is free at `start` itself. */
function findExact(mp: XfsMount, start: number, { least, most, prod }: Need): RtRun | null {
  const wanted = clamp(mp, start, most, prod);
  if (wanted < least) return null;
  const free = findChange(mp, start, start + wanted, true) - start;
  const count = free - (free % prod);
  return count < least || count === 0 ? null : { start, count };
}

/** The best free run that begins in one block of the bitmap: the first of `most` extents, else the longest. */
function findInBlock(mp: XfsMount, block: number, { least, most, prod }: Need): RtRun | { readonly next: number } {
  const per = extentsPerBlock(mp);
  const end = Math.min(mp.sb.rextents, (block + 1) * per);
  let best = -1;
  let length = 0;
  let next = block * per;
  for (let at = next; at < end; at = findChange(mp, next, end, false)) {
    const wanted = clamp(mp, at, most, prod);
    if (wanted < least) break;
    next = findChange(mp, at, at + wanted, true);
    if (next === at + wanted) return { start: at, count: wanted };
    if (next - at >= least && next - at > length) {
      best = at;
      length = next - at;
    }
    if (next >= end - 1) break;
  }
  length -= length % prod;
  return best < 0 || length < least || least >= most ? { next } : { start: best, count: length };
}

/** The bitmap's blocks around the one of `near`, the nearest first: 0, 1, -1, 2, -2, … */
function findNear(mp: XfsMount, near: number, need: Need): RtRun | null {
  const from = Math.min(near, mp.sb.rextents - 1);
  const exact = findExact(mp, from, need);
  if (exact !== null) return exact;
  const { rbmblocks } = mp.sb;
  const home = Math.floor(from / extentsPerBlock(mp));
  for (let distance = 0; distance < rbmblocks; distance++) {
    for (const block of distance === 0 ? [home] : [home + distance, home - distance]) {
      if (block < 0 || block >= rbmblocks) continue;
      const log = longestLog(mp, block, need);
      if (log < 0) continue;
      const most = Math.min(need.most, 2 ** (log + 1) - 1);
      const found = findInBlock(mp, block, { ...need, most });
      if ('count' in found) return found;
    }
  }
  return null;
}

/** The log of the longest free run that begins in the block and may do; -1 if there is none. */
function longestLog(mp: XfsMount, block: number, { least }: Need): number {
  const lowest = Math.floor(Math.log2(least));
  for (let log = summaryLevels(mp) - 1; log >= lowest; log--) if (summaryAt(mp, log, block) > 0) return log;
  return -1;
}

/** Anywhere: where the whole fits if there is such a place, else the longest there is. */
function findBySize(mp: XfsMount, need: Need): RtRun | null {
  for (let log = Math.floor(Math.log2(need.most)); log < summaryLevels(mp); log++) {
    const found = findAtLevel(mp, log, { ...need, least: need.most });
    if (found !== null) return found;
  }
  const most = need.most - 1;
  if (most < need.least) return null;
  const lowest = Math.floor(Math.log2(need.least));
  for (let log = Math.floor(Math.log2(most)); log >= lowest; log--) {
    const found = findAtLevel(mp, log, {
      least: Math.max(need.least, 2 ** log),
      most: Math.min(most, 2 ** (log + 1) - 1),
      prod: need.prod,
    });
    if (found !== null) return found;
  }
  return null;
}

function findAtLevel(mp: XfsMount, log: number, need: Need): RtRun | null {
  for (let block = 0; block < mp.sb.rbmblocks; block++) {
    if (summaryAt(mp, log, block) === 0) continue;
    const found = findInBlock(mp, block, need);
    if ('count' in found) return found;
    block = Math.max(block, Math.floor(found.next / extentsPerBlock(mp)) - 1);
  }
  return null;
}

/** True if the whole realtime extents of `blocks` blocks are free. @throws FsError ENODEV if the device was not given */
export function hasRealtime(mp: XfsMount, blocks: number): boolean {
  mp.realtimeDevice();
  return freeExtents(mp) >= Math.floor(blocks / mp.rtExtSize);
}
