/**
 * Reference counts of blocks in one AG. A shared extent (count 2 and more) has a record; a block with one owner has
 * none; CoW staging extents are records of their own domain. Records that touch and have the same count are one.
 *
 *     before   1 1 1|2 2 2 2|1 1        decrease the middle four from the left:
 *     after    1 1 1|1 1 2 2|1 1        a record whose count falls to 1 goes; a block that had 1 is freed
 *
 * A change cuts the records at both ends of its range, adds to each record and gap inside, and joins at the ends
 * again: inside, neighbours that differed still differ. Mirrors xfs_refcount.c in outcome.
 */
import { corrupt } from '../../../core/errors.ts';
import type { FsBlock } from '../../../core/units.ts';
import { retire } from '../btree/ag-cursor.ts';
import { appendRecords } from '../btree/append.ts';
import type { BtreeCursor } from '../btree/cursor.ts';
import { cowKey, type RefcountExtent, refcountbtCursor } from '../btree/refcount.ts';
import type { XfsMount } from '../mount.ts';
import type { Trans } from '../trans.ts';
import { freeExtent } from './free.ts';
import { fixFreelist } from './freelist.ts';
import { rmapInsert, rmapRemove } from './rmap-records.ts';

/** A count that stays: blocks with that many owners are never freed. */
const MAX_REFCOUNT = 0xffffffff;
/** Longest record, in blocks: the domain bit is not theirs. */
const MAX_LENGTH = 0x7fffffff;
const OWNER_COW = { special: 'cow' } as const;

type Cursor = BtreeCursor<RefcountExtent>;

/** One more owner for each block of the extent. @throws FsError ENOSPC, EUCLEAN */
export function refcountIncrease(tp: Trans, fsb: FsBlock, length: number): void {
  adjust(tp, fsb, length, 1);
}

/**
 * A second owner for extents of one AG (starts and lengths of the first `count`) that lie one behind the other and do
 * not touch each other: false, and no change, if a block there or beside them is shared. @throws FsError ENOSPC, EUCLEAN
 */
export function shareFreshExtents(
  tp: Trans,
  agno: number,
  start: Float64Array,
  length: Float64Array,
  count: number,
): boolean {
  const cursor = refcountbtCursor(tp.mp, agno, tp);
  const first = start[0] as number;
  const end = (start[count - 1] as number) + (length[count - 1] as number);
  let fresh = true;
  if (cursor.lookup(end, 'le')) {
    const { startblock, blockcount } = cursor.get();
    fresh = startblock + blockcount < first;
  }
  if (fresh && cursor.lookup(end, 'ge')) {
    for (let i = 0; i < count; i++)
      cursor.insert({ startblock: start[i] as number, blockcount: length[i] as number, refcount: 2, cow: false });
  } else if (fresh) {
    appendRecords(cursor, count, (view, at, i) => {
      added.startblock = start[i] as number;
      added.blockcount = length[i] as number;
      cursor.kind.encode(view, at, added);
    });
  }
  retire(cursor);
  return fresh;
}

const added: RefcountExtent = { startblock: 0, blockcount: 0, refcount: 2, cow: false };

/** One owner less; blocks that had one are freed (their reverse mapping is gone already). @throws FsError EUCLEAN */
export function refcountDecrease(tp: Trans, fsb: FsBlock, length: number): void {
  const { mp } = tp;
  if (!mp.features.reflink) {
    freeExtent(tp, fsb, length, 'skip');
    return;
  }
  const agno = mp.fsbToAgno(fsb);
  const freed = adjust(tp, fsb, length, -1);
  for (let i = 0; i < freed.length; i += 2)
    freeExtent(tp, mp.agbToFsb(agno, freed[i] as number), freed[i + 1] as number, 'skip');
}

/** The first run of shared blocks in a range of an AG, up to where sharing ends; null if no block is shared. */
export function findShared(
  mp: XfsMount,
  agno: number,
  agbno: number,
  length: number,
): { agbno: number; length: number } | null {
  if (!mp.features.reflink) return null;
  const cursor = refcountbtCursor(mp, agno);
  const end = agbno + length;
  if (!seekShared(cursor, agbno, end)) return null;
  const first = cursor.get();
  const start = Math.max(first.startblock, agbno);
  let stop = first.startblock + first.blockcount;
  while (stop < end && cursor.next()) {
    const next = cursor.get();
    if (next.cow || next.startblock !== stop) break;
    stop += next.blockcount;
  }
  return { agbno: start, length: Math.min(stop, end) - start };
}

/** Moves to the first shared extent that touches [agbno, end). */
function seekShared(cursor: Cursor, agbno: number, end: number): boolean {
  if (cursor.lookup(agbno, 'le')) {
    const { startblock, blockcount } = cursor.get();
    if (startblock + blockcount > agbno) return true;
    if (!cursor.next()) return false;
  } else if (!cursor.lookup(agbno, 'ge')) return false;
  const next = cursor.get();
  return !next.cow && next.startblock < end;
}

/** Records freshly allocated blocks as CoW staging: a crash before they are used leaves them to the next mount. */
export function cowAlloc(tp: Trans, fsb: FsBlock, length: number): void {
  const { mp } = tp;
  stageCow(tp, fsb, length);
  if (!mp.features.rmapbt) return;
  const agno = mp.fsbToAgno(fsb);
  fixFreelist(tp, agno);
  rmapInsert(tp, agno, mp.fsbToAgbno(fsb), length, OWNER_COW);
}

/** cowAlloc() without the reverse map: log recovery has that as an intent of its own. @throws FsError EUCLEAN */
export function stageCow(tp: Trans, fsb: FsBlock, length: number): void {
  const { mp } = tp;
  const agno = mp.fsbToAgno(fsb);
  const agbno = mp.fsbToAgbno(fsb);
  const cursor = refcountbtCursor(mp, agno, tp);
  const end = agbno + length;
  if (cursor.lookup(cowKey(end - 1), 'le')) {
    const before = cursor.get();
    if (before.cow && before.startblock + before.blockcount > agbno)
      throw cursor.damage(cursor.bufs[0] ?? null, `block ${agbno} is staged already`);
  }
  cursor.insert({ startblock: agbno, blockcount: length, refcount: 1, cow: true });
  join(cursor, agbno, true);
  join(cursor, end, true);
  retire(cursor);
}

/** Takes blocks out of CoW staging: they got an owner, or the caller frees them. @throws FsError EUCLEAN */
export function cowFree(tp: Trans, fsb: FsBlock, length: number): void {
  const { mp } = tp;
  unstageCow(tp, fsb, length);
  if (!mp.features.rmapbt) return;
  const agno = mp.fsbToAgno(fsb);
  fixFreelist(tp, agno);
  rmapRemove(tp, agno, mp.fsbToAgbno(fsb), length, OWNER_COW);
}

/** cowFree() without the reverse map. @throws FsError EUCLEAN */
export function unstageCow(tp: Trans, fsb: FsBlock, length: number): void {
  const { mp } = tp;
  const agno = mp.fsbToAgno(fsb);
  const agbno = mp.fsbToAgbno(fsb);
  const cursor = refcountbtCursor(mp, agno, tp);
  if (!holds(cursor, agbno, agbno + length, true))
    throw corrupt({ structure: `refcountbt of AG ${agno}`, rule: `block ${agbno} length ${length} is not staged` });
  carve(cursor, agbno, agbno + length);
  retire(cursor);
}

/** Adds `change` to every count in the range; answers what falls to 0, as starts and lengths in turn. */
function adjust(tp: Trans, fsb: FsBlock, length: number, change: 1 | -1): number[] {
  const { mp } = tp;
  const agno = mp.fsbToAgno(fsb);
  const agbno = mp.fsbToAgbno(fsb);
  if (!mp.validFsb(fsb, length))
    throw corrupt({ structure: `refcountbt of AG ${agno}`, rule: `block ${agbno} length ${length} is outside` });
  const cursor = refcountbtCursor(mp, agno, tp);
  const end = agbno + length;
  const gone: number[] = [];
  if (change < 0 && holds(cursor, agbno, end, false) && cursor.get().refcount === 2) {
    // The usual case: all of it has one owner from now on, and nothing is left to join.
    carve(cursor, agbno, end);
    tp.unshare(agno, agbno, length);
    retire(cursor);
    return gone;
  }
  if (change > 0 && shareFresh(cursor, agbno, end)) {
    retire(cursor);
    return gone;
  }
  cut(cursor, agbno, false);
  cut(cursor, end, false);
  for (let pos = agbno; pos < end; ) {
    const found = cursor.lookup(pos, 'ge') ? cursor.get() : null;
    const here = found !== null && !found.cow && found.startblock < end ? found : null;
    const gapEnd = here === null ? end : here.startblock;
    if (gapEnd > pos) {
      if (change > 0) cursor.insert({ startblock: pos, blockcount: gapEnd - pos, refcount: 2, cow: false });
      else gone.push(pos, gapEnd - pos);
      pos = gapEnd;
      continue;
    }
    if (here === null) break;
    pos = here.startblock + here.blockcount;
    if (here.refcount === MAX_REFCOUNT) continue;
    if (here.refcount + change < 2) {
      tp.unshare(agno, here.startblock, here.blockcount);
      cursor.delete();
    } else cursor.update({ ...here, refcount: here.refcount + change });
  }
  join(cursor, agbno, false);
  join(cursor, end, false);
  retire(cursor);
  return gone;
}

/** A second owner for blocks that all have one and do not touch shared ones behind; false, and no change, if not so. */
function shareFresh(cursor: Cursor, start: number, end: number): boolean {
  let first = start;
  const hasLeft = cursor.lookup(end - 1, 'le');
  if (hasLeft) {
    const { startblock, blockcount, refcount } = cursor.get();
    if (startblock + blockcount > start) return false;
    if (startblock + blockcount === start && refcount === 2 && end - startblock <= MAX_LENGTH) first = startblock;
  }
  if (hasLeft ? cursor.next() : cursor.lookup(end, 'ge')) {
    const { startblock, cow } = cursor.get();
    if (startblock === end && !cow) return false;
  }
  // Back from the right neighbour, or from behind the last record.
  if (first < start) cursor.prev();
  const record = { startblock: first, blockcount: end - first, refcount: 2, cow: false };
  if (first < start) cursor.update(record);
  else cursor.insert(record);
  return true;
}

/** Moves to the record that holds all of [start, end), if one does. */
function holds(cursor: Cursor, start: number, end: number, cow: boolean): boolean {
  if (!cursor.lookup(cow ? cowKey(start) : start, 'le')) return false;
  const { startblock, blockcount, cow: domain } = cursor.get();
  return domain === cow && startblock + blockcount >= end;
}

/** Takes [start, end) out of the record here, which holds it: what stays of that touches no other record newly. */
function carve(cursor: Cursor, start: number, end: number): void {
  const { startblock, blockcount, refcount, cow } = cursor.get();
  const stop = startblock + blockcount;
  const rest = { startblock: end, blockcount: stop - end, refcount, cow };
  if (startblock < start) {
    cursor.update({ startblock, blockcount: start - startblock, refcount, cow });
    if (end < stop) cursor.insert(rest);
  } else if (end < stop) cursor.update(rest);
  else cursor.delete();
}

/** Cuts the record that spans `agbno`, if one does, so that one ends and one starts there. */
function cut(cursor: Cursor, agbno: number, cow: boolean): void {
  if (agbno < 1 || !cursor.lookup(cow ? cowKey(agbno - 1) : agbno - 1, 'le')) return;
  const whole = cursor.get();
  const end = whole.startblock + whole.blockcount;
  if (whole.cow !== cow || end <= agbno) return;
  const { refcount } = whole;
  cursor.update({ startblock: whole.startblock, blockcount: agbno - whole.startblock, refcount, cow });
  cursor.insert({ startblock: agbno, blockcount: end - agbno, refcount, cow });
}

/** Joins the records that meet at `agbno` if they have the same count. */
function join(cursor: Cursor, agbno: number, cow: boolean): void {
  if (!cursor.lookup(cow ? cowKey(agbno) : agbno, 'eq')) return;
  const right = cursor.get();
  const { blockcount, refcount } = right;
  if (!cursor.lookup(cow ? cowKey(agbno - 1) : agbno - 1, 'le')) return;
  const left = cursor.get();
  const { startblock } = left;
  const total = left.blockcount + blockcount;
  if (left.cow !== cow || startblock + left.blockcount !== agbno || left.refcount !== refcount || total > MAX_LENGTH)
    return;
  cursor.update({ startblock, blockcount: total, refcount, cow });
  if (cursor.lookup(cow ? cowKey(agbno) : agbno, 'eq')) cursor.delete();
}
