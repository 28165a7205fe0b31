/**
 * Blocks for file data: where to ask for them, how many, and the mapping that they get.
 *
 * Three ways lead here. Writeback turns a delayed extent into real blocks, from its start and as long as one free
 * extent allows (convertDelalloc). A direct write or fallocate fills a hole (allocateHole). A direct write over
 * shared blocks stages new ones in the CoW fork (allocateCow). New blocks are always unwritten: a crash before the
 * data is there shows zeros, never what lay on the disk before. A CoW staging extent has a record in the refcount
 * btree until it is remapped, so that Linux frees it after a crash.
 *
 * Mirrors: fs/xfs/libxfs/xfs_bmap.c (xfs_bmap_btalloc, xfs_bmap_adjacent, xfs_bmapi_convert_delalloc).
 */
import { corrupt, FsError } from '../../core/errors.ts';
import { type AllocRequest, allocExtent } from './alloc/alloc.ts';
import { freelistNeed, longestFree } from './alloc/freelist.ts';
import { cowAlloc } from './alloc/refcount.ts';
import { mapExtent } from './bmap-edit.ts';
import { forkBtreeLevels } from './bmap-fork.ts';
import { extentAddBlocks, worstIndlen } from './bmap-limits.ts';
import { adjacent, type Request } from './bmap-place.ts';
import { DELAY, Extent, MAX_EXTENT_LENGTH } from './extent.ts';
import { alignToHint, type Span } from './extent-hint.ts';
import { type MemoryFork, viewBefore, viewLookup } from './fork-view.ts';
import type { XfsInode } from './inode.ts';
import { cowExtentHint, extentHint } from './inode-hints.ts';
import { logInode } from './inode-pin.ts';
import { reserveRealtime, reserveRoom } from './make-room.ts';
import type { XfsMount } from './mount.ts';
import { allocateRealtime } from './rt/bmap-alloc.ts';
import type { Trans } from './trans.ts';

const before = new Extent();
const beyond = new Extent();
const after = new Extent();
const span: Span = { off: 0, count: 0 };
const fresh = new Extent();

/**
 * Allocates blocks for a request and narrows it to what was got. @returns the first block
 * @throws FsError ENOSPC
 */
function allocate(tp: Trans, req: Request): number {
  const { ip, fork } = req;
  const { mp } = ip;
  if (ip.realtime) return allocateRealtime(tp, req);
  const hint = fork === 'cow' ? cowExtentHint(ip) : extentHint(ip);
  span.off = req.off;
  span.count = req.count;
  if (hint > 0) alignToHint(span, hint, req.before, req.after, false);
  const prod = hint > 0 ? hint : mp.blockSize < 4096 ? 4096 / mp.blockSize : 1;
  const mod = (prod - (span.off % prod)) % prod;
  const home = mp.agbToFsb(mp.inoToAgno(ip.ino), mp.inoToAgbno(ip.ino));
  const target = adjacent(req, span, home, (a, b) => sameGroup(mp, a, b));
  const found = takeBlocks(tp, ip, target, span.count, prod, mod, stripeAtEof(req));
  if (found === null) throw new FsError('ENOSPC');
  if (!mp.validFsb(found.fsb, found.length)) {
    throw corrupt({ structure: `free space of inode ${ip.ino}`, value: String(found.fsb), rule: 'not a block' });
  }
  // A piece too short for the hint's rounding moves to where the caller asked.
  let off = span.off;
  if (found.length <= req.count) off = req.off;
  else if (off + found.length < req.off + req.count) off = req.off + req.count - found.length;
  req.off = off;
  req.count = found.length;
  return found.fsb;
}

/** True if a block exists and lies in the group of another. */
function sameGroup(mp: XfsMount, a: number, b: number): boolean {
  return (
    a >= 0 && mp.fsbToAgno(a) === mp.fsbToAgno(b) && mp.fsbToAgno(a) < mp.agCount && mp.fsbToAgbno(a) < mp.agBlocks
  );
}

/** The stripe unit, where new blocks become the last of a file on a striped image; else null. */
function stripeAtEof({ ip, fork, after: next, off, count }: Request): { stripe: number; first: boolean } | null {
  const stripe = ip.mp.sb.unit;
  if (stripe === 0 || count < stripe) return null;
  const delayed = next !== null && next.block === DELAY && next.off <= off;
  const last = next === null || (delayed && !viewLookup(ip, fork, next.end, beyond));
  return last ? { stripe, first: off === 0 } : null;
}

/**
 * At the end of a file: right behind what is there, or else at the start of a stripe unit (kernel:
 * xfs_bmap_btalloc_at_eof). Null if neither is to be had.
 */
function takeAtEof(tp: Trans, request: AllocRequest, best: number, stripe: number, first: boolean) {
  const { minLength: least, maxLength: count } = request;
  if (first) {
    const minLength = best > stripe && best <= count + stripe ? best - stripe : least;
    return allocExtent(tp, { ...request, minLength, alignment: stripe });
  }
  const minLength = best > stripe && best <= count ? best - stripe : least;
  const slop = Math.max(0, minLength + stripe - least - 1);
  return (
    allocExtent(tp, { ...request, mode: 'exact', slop }) ??
    allocExtent(tp, { ...request, minLength, alignment: stripe })
  );
}

/** One free extent for up to `count` blocks, the whole if any group has it, else the longest that there is. */
function takeBlocks(
  tp: Trans,
  ip: XfsInode,
  target: number,
  count: number,
  prod: number,
  mod: number,
  atEof: { readonly stripe: number; readonly first: boolean } | null,
) {
  const { mp } = ip;
  const leave = forkBtreeLevels(ip) + 1;
  const start = mp.fsbToAgno(target);
  let best = 0;
  for (let i = 0; i < mp.agCount && best < count; i++) {
    const agno = (start + i) % mp.agCount;
    best = Math.max(best, longestFree(mp, agno, freelistNeed(mp, agno), mp.space.heldBack(agno, 'none')));
  }
  const least = Math.max(1, Math.min(best, count));
  const request = { target, minLength: least, maxLength: count, owner: 'skip' as const, data: true, leave, prod, mod };
  return (
    (atEof === null ? null : takeAtEof(tp, request, best, atEof.stripe, atEof.first)) ??
    allocExtent(tp, request) ??
    (least > 1 ? allocExtent(tp, { ...request, minLength: 1 }) : null) ??
    allocExtent(tp, { target: 0, minLength: 1, maxLength: count, owner: 'skip', data: true, mode: 'first' })
  );
}

/**
 * Allocates the delayed extent that holds `offFsb`, from its start and in as many pieces as it takes to reach that
 * block; `out` becomes the real extent that holds it, merged with its neighbours. A real extent is only reported.
 * @returns false when nothing is mapped there. @throws FsError ENOSPC, EFBIG, EUCLEAN
 */
export function convertDelalloc(ip: XfsInode, fork: MemoryFork, offFsb: number, out: Extent): boolean {
  for (;;) {
    if (!viewLookup(ip, fork, offFsb, out) || out.off > offFsb) return false;
    if (out.block !== DELAY) return true;
    convertOne(ip, fork, out, out.off, out.end);
    if (out.end > offFsb) return true;
  }
}

/**
 * Allocates what lies in [off, end) of the delayed extent that holds `off`, or its first part where no free extent is
 * long enough; the rest stays delayed. `out` becomes the real extent that holds `off`. @throws FsError as above
 */
export function convertPart(ip: XfsInode, off: number, end: number, out: Extent): void {
  viewLookup(ip, 'data', off, out);
  const head = off - out.off;
  const apart = head > 0 ? worstIndlen(ip.mp, head) : 0;
  ip.mp.space.reserve(apart);
  try {
    convertOne(ip, 'data', out, off, Math.min(end, out.end), apart);
  } catch (error) {
    ip.mp.space.unreserve(apart);
    throw error;
  }
}

/** Allocates for [from, to) of a delayed extent; `headIndlen` blocks are reserved for what stays delayed before it. */
function convertOne(ip: XfsInode, fork: MemoryFork, delayed: Extent, from: number, to: number, headIndlen = 0): void {
  const { mp } = ip;
  const { off, end } = delayed;
  const list = fork === 'cow' ? ip.cow : ip.delalloc;
  const had = list.indlenAt(off);
  const got = mp.transact('delalloc', (tp) => {
    tp.beyondLimits = true;
    const hasBefore = viewBefore(ip, fork, off, before);
    const req: Request = { ip, fork, before: hasBefore ? before : null, after: delayed, off: from, count: to - from };
    const block = allocate(tp, req);
    fresh.set(from, block, req.count, true);
    if (fork === 'data') mapExtent(tp, ip, 'data', fresh);
    else cowAlloc(tp, block, req.count);
    return req.count;
  });
  // Only now the memory follows: a cancelled transaction leaves the reservation as it was.
  let kept = 0;
  const rest = end - from - got;
  list.remove(off);
  if (from > off) list.insert(delayed.set(off, DELAY, from - off, false), headIndlen);
  if (rest > 0) {
    kept = Math.min(worstIndlen(mp, rest), had);
    list.insert(delayed.set(from + got, DELAY, rest, false), kept);
  }
  mp.space.unreserve(got + had - kept);
  if (fork === 'cow') addCowExtent(ip, fresh);
  ip.mappingsChanged();
  viewLookup(ip, fork, from, delayed);
}

/** Adds a staging extent to the CoW fork, joined with its neighbours. */
export function addCowExtent(ip: XfsInode, e: Extent): void {
  const { cow } = ip;
  const whole = after.copyFrom(e);
  if (cow.before(e.off, before) && before.joins(whole)) {
    cow.remove(before.off);
    whole.set(before.off, before.block, before.count + whole.count, e.unwritten);
  }
  if (cow.lookup(e.end, before) && before.off === e.end && whole.joins(before)) {
    cow.remove(before.off);
    whole.count += before.count;
  }
  cow.insert(whole, 0);
}

/**
 * Fills the hole at `off` with unwritten blocks, up to `count` or the next extent, in one piece; `out` is what is
 * then mapped at `off`, cut to [off, off + count). The extent size hint may make the piece start before `off`; when
 * free space is so short that it ends there too, `out` is a hole and the caller asks again.
 * @throws FsError ENOSPC, EFBIG
 */
export function allocateHole(ip: XfsInode, off: number, count: number, out: Extent): void {
  const { mp } = ip;
  const hint = extentHint(ip);
  const need = hint > 0 ? Math.ceil((count + (off % hint)) / hint) * hint : count;
  const blocks = Math.min(need, MAX_EXTENT_LENGTH);
  const held = (ip.realtime ? 0 : blocks) + extentAddBlocks(mp);
  if (ip.realtime) reserveRealtime(mp, blocks);
  reserveRoom(mp, held);
  try {
    mp.transact('allocate', (tp) => fillHole(tp, ip, off, count));
  } finally {
    mp.space.unreserve(held);
  }
  if (!viewLookup(ip, 'data', off, out) || out.off > off) out.set(off, -1, count, false);
  else out.trim(off, count);
}

/** The transaction's part of allocateHole(). */
export function fillHole(tp: Trans, ip: XfsInode, off: number, count: number): void {
  const hasAfter = viewLookup(ip, 'data', off, after);
  const hasBefore = viewBefore(ip, 'data', off, before);
  let length = Math.min(count, MAX_EXTENT_LENGTH);
  if (hasAfter) length = Math.min(length, after.off - off);
  const req: Request = {
    ip,
    fork: 'data',
    before: hasBefore ? before : null,
    after: hasAfter ? after : null,
    off,
    count: length,
  };
  const block = allocate(tp, req);
  mapExtent(tp, ip, 'data', fresh.set(req.off, block, req.count, true));
}

/**
 * Stages new unwritten blocks in the CoW fork's hole at `off`, widened to the CoW hint; `out` is the staging extent.
 * @throws FsError ENOSPC
 */
export function allocateCow(ip: XfsInode, off: number, count: number, out: Extent): void {
  const { mp } = ip;
  const hint = cowExtentHint(ip);
  const held = Math.ceil((count + (off % hint)) / hint) * hint + extentAddBlocks(mp);
  reserveRoom(mp, held);
  try {
    mp.transact('cow', (tp) => {
      logInode(tp, ip);
      const hasAfter = viewLookup(ip, 'cow', off, after);
      const hasBefore = viewBefore(ip, 'cow', off, before);
      let length = Math.min(count, MAX_EXTENT_LENGTH);
      if (hasAfter) length = Math.min(length, after.off - off);
      const prev = hasBefore ? before : null;
      const next = hasAfter ? after : null;
      const req: Request = { ip, fork: 'cow', before: prev, after: next, off, count: length };
      const block = allocate(tp, req);
      cowAlloc(tp, block, req.count);
      fresh.set(req.off, block, req.count, true);
    });
  } finally {
    mp.space.unreserve(held);
  }
  addCowExtent(ip, fresh);
  ip.mappingsChanged();
  if (!ip.cow.lookup(off, out) || out.off > off) throw new FsError('ENOSPC');
}
