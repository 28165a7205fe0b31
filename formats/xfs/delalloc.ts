/**
 * Delayed allocation: a write reserves blocks in memory, writeback allocates them in long runs.
 *
 * A delayed extent holds its blocks plus `indlen` blocks that its bmap btree records may need, all taken from the
 * free counter, so that writeback cannot run out of space. Neighbouring delayed extents merge. In the data fork a
 * reservation may reach beyond what was written (speculative preallocation at EOF); in the CoW fork it is widened
 * to the CoW extent size hint, so that scattered writes land in one extent.
 *
 * Mirrors: fs/xfs/libxfs/xfs_bmap.c (xfs_bmapi_reserve_delalloc, xfs_bmap_add_extent_hole_delay,
 * xfs_bmap_del_extent_delay), fs/xfs/xfs_bmap_util.c (xfs_bmap_punch_delalloc_range).
 */
import { FsError } from '../../core/errors.ts';
import { worstIndlen } from './bmap-limits.ts';
import { DELAY, Extent, MAX_EXTENT_LENGTH } from './extent.ts';
import { alignToHint, type Span } from './extent-hint.ts';
import { type MemoryFork, viewBefore } from './fork-view.ts';
import type { XfsInode } from './inode.ts';
import { cowExtentHint } from './inode-hints.ts';
import { checkPromise } from './quota/count.ts';
import type { Reservations } from './reservations.ts';

const prev = new Extent();
const left = new Extent();
const right = new Extent();
const span: Span = { off: 0, count: 0 };

/** The list that holds the delayed extents of a fork. */
export function delayedList(ip: XfsInode, fork: MemoryFork): Reservations {
  return fork === 'cow' ? ip.cow : ip.delalloc;
}

/**
 * Reserves `count` blocks at `off` and, while space lasts, `prealloc` more or the CoW hint's alignment. `got` is the
 * first extent of the fork after `off` (`hasGot`); on return it is the new reservation, before merging.
 * @throws FsError ENOSPC
 */
export function reserveDelalloc(
  ip: XfsInode,
  fork: MemoryFork,
  off: number,
  count: number,
  prealloc: number,
  got: Extent,
  hasGot: boolean,
): void {
  const { mp } = ip;
  let extra = prealloc;
  let hint = fork === 'cow' && prealloc === 0;
  for (;;) {
    span.off = off;
    span.count = Math.min(count + extra, MAX_EXTENT_LENGTH);
    if (hasGot) span.count = Math.min(span.count, got.off - off);
    if (hint) {
      const before = viewBefore(ip, fork, off, prev) ? prev : null;
      alignToHint(span, cowExtentHint(ip), before, hasGot ? got : null, true);
    }
    const indlen = worstIndlen(mp, span.count);
    try {
      if (mp.quotas.length > 0) checkPromise(ip, span.count);
      mp.space.reserve(span.count + indlen);
    } catch (error) {
      const full = error instanceof FsError && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
      if (!full || (extra === 0 && !hint)) throw error;
      hint = false;
      extra = 0;
      continue;
    }
    got.set(span.off, DELAY, span.count, false);
    addDelayed(ip, fork, got, indlen);
    return;
  }
}

/** Inserts a delayed extent, joined with delayed neighbours; gives back the btree blocks that this saves. */
function addDelayed(ip: XfsInode, fork: MemoryFork, e: Extent, indlen: number): void {
  const list = delayedList(ip, fork);
  const joinsLeft =
    list.before(e.off, left) && left.block === DELAY && left.end === e.off && left.count + e.count <= MAX_EXTENT_LENGTH;
  const joinsRight =
    list.lookup(e.end, right) &&
    right.block === DELAY &&
    right.off === e.end &&
    e.count + right.count + (joinsLeft ? left.count : 0) <= MAX_EXTENT_LENGTH;
  ip.mappingsChanged();
  if (!joinsLeft && !joinsRight) {
    list.insert(e, indlen);
    return;
  }
  let blocks = indlen;
  if (joinsLeft) blocks += list.indlenAt(left.off);
  if (joinsRight) blocks += list.indlenAt(right.off);
  const start = joinsLeft ? left.off : e.off;
  const total = (joinsLeft ? left.count : 0) + e.count + (joinsRight ? right.count : 0);
  const kept = Math.min(worstIndlen(ip.mp, total), blocks);
  if (joinsRight) list.remove(right.off);
  const whole = left.set(start, DELAY, total, false);
  if (joinsLeft) list.replace(start, whole, kept);
  else list.insert(whole, kept);
  if (blocks > kept) ip.mp.space.unreserve(blocks - kept);
}

const got = new Extent();
const piece = new Extent();

/** Drops the delayed parts of [startFsb, endFsb) of a fork; real extents stay. Needs no transaction. */
export function punchDelalloc(ip: XfsInode, fork: MemoryFork, startFsb: number, endFsb: number): void {
  const list = delayedList(ip, fork);
  let from = startFsb;
  while (from < endFsb && list.lookup(from, got) && got.off < endFsb) {
    from = got.end;
    if (got.block !== DELAY) continue;
    piece.copyFrom(got);
    piece.trim(startFsb, endFsb - startFsb);
    deleteDelayed(ip, list, got, piece);
  }
}

/** Removes `del`, a part of the delayed extent `whole`, and gives its reservation back. */
function deleteDelayed(ip: XfsInode, list: Reservations, whole: Extent, del: Extent): void {
  const { mp } = ip;
  const had = list.indlenAt(whole.off);
  const { off, end } = whole;
  ip.mappingsChanged();
  if (del.off === off && del.end === end) {
    list.remove(off);
    mp.space.unreserve(del.count + had);
    return;
  }
  if (del.off === off || del.end === end) {
    const rest = piece.set(del.off === off ? del.end : off, DELAY, whole.count - del.count, false);
    const keep = Math.min(worstIndlen(mp, rest.count), had);
    const freed = whole.count - rest.count;
    if (rest.off === off) list.replace(off, rest, keep);
    else {
      list.remove(off);
      list.insert(rest, keep);
    }
    mp.space.unreserve(freed + had - keep);
    return;
  }
  splitDelayed(ip, list, whole, del, had);
}

/** A hole in the middle: both ends need btree blocks; what is missing comes from the deleted blocks. */
function splitDelayed(ip: XfsInode, list: Reservations, whole: Extent, del: Extent, had: number): void {
  const { mp } = ip;
  const freed = del.count;
  const headCount = del.off - whole.off;
  const tailOff = del.end;
  const tailCount = whole.end - del.end;
  let head = worstIndlen(mp, headCount);
  let tail = worstIndlen(mp, tailCount);
  const available = had + Math.min(Math.max(head + tail - had, 0), freed);
  if (head + tail > available) {
    head = Math.max(1, Math.floor((head * available) / (head + tail)));
    tail = available - head;
  }
  list.replace(whole.off, piece.set(whole.off, DELAY, headCount, false), head);
  list.insert(piece.set(tailOff, DELAY, tailCount, false), tail);
  mp.space.unreserve(freed + had - head - tail);
}
