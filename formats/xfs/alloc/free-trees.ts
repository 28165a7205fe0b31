/**
 * The two free-space btrees of an AG changed together: an extent leaves them or enters them, neighbours are cut or
 * joined, and the AGF's longest extent is kept. The AGF's freeblks is the caller's: blocks may go to the free list.
 * Mirrors xfs_alloc_fixup_trees and xfs_free_ag_extent.
 */
import type { Buf } from '../../../core/buffer-cache.ts';
import { corrupt } from '../../../core/errors.ts';
import { retire } from '../btree/ag-cursor.ts';
import { bnobtCursor, cntbtCursor, type FreeExtent } from '../btree/free-space.ts';
import { Agf } from '../structure/ag.ts';
import type { Trans } from '../trans.ts';
import { setAgf } from './agfl.ts';

const first: FreeExtent = { startblock: 0, blockcount: 0 };
const second: FreeExtent = { startblock: 0, blockcount: 0 };
const whole: FreeExtent = { startblock: 0, blockcount: 0 };

/** Removes [start, start + length) from the free extent [freeStart, freeStart + freeLength), which holds it. */
export function takeFree(
  tp: Trans,
  agno: number,
  freeStart: number,
  freeLength: number,
  start: number,
  length: number,
): void {
  const agf = tp.mp.agf(agno);
  const bno = bnobtCursor(tp.mp, agno, tp, agf);
  const cnt = cntbtCursor(tp.mp, agno, tp, agf);
  whole.startblock = freeStart;
  whole.blockcount = freeLength;
  if (!cnt.lookup(whole, 'eq') || !bno.lookup(freeStart, 'eq') || bno.get().blockcount !== freeLength)
    throw disagree(agno, freeStart, freeLength);
  const end = start + length;
  const freeEnd = freeStart + freeLength;
  if (start === freeStart && end < freeEnd) {
    second.startblock = end;
    second.blockcount = freeEnd - end;
    // The longest extent of many an AG stays the longest: no record has to move.
    if (isInOrder(cnt, second)) {
      bno.update(second);
      cnt.update(second);
      if (freeLength >= Agf.get.longest(agf.view, 0)) updateLongest(tp, agno, cnt);
      retire(bno);
      retire(cnt);
      return;
    }
  }
  cnt.delete();
  if (start > freeStart) {
    first.startblock = freeStart;
    first.blockcount = start - freeStart;
    bno.update(first);
    cnt.insert(first);
  }
  if (end < freeEnd) {
    second.startblock = end;
    second.blockcount = freeEnd - end;
    if (start > freeStart) bno.insert(second);
    else bno.update(second);
    cnt.insert(second);
  }
  if (length === freeLength) bno.delete();
  if (freeLength >= Agf.get.longest(agf.view, 0)) updateLongest(tp, agno, cnt);
  retire(bno);
  retire(cnt);
}

/** True if the smaller extent, put in the place of the one where the cursor stands, still sorts after the one before. */
function isInOrder(cnt: ReturnType<typeof cntbtCursor>, smaller: FreeExtent): boolean {
  const slot = cnt.slots[0] as number;
  if (slot === 0) return cnt.levels === 1;
  const { view } = cnt.bufs[0] as Buf;
  cnt.kind.setKeyOfRecord(cnt, smaller);
  return cnt.kind.compareRecord(view, cnt.recordAt(slot - 1), cnt) < 0;
}

/** Enters a freed extent, joined with free neighbours. @throws FsError EUCLEAN if part of it is free already */
export function giveFree(tp: Trans, agno: number, start: number, length: number): void {
  const agf = tp.mp.agf(agno);
  const bno = bnobtCursor(tp.mp, agno, tp, agf);
  const cnt = cntbtCursor(tp.mp, agno, tp, agf);
  whole.startblock = start;
  whole.blockcount = length;
  const hasRight = bno.lookup(start, 'ge');
  let joinsRight = false;
  if (hasRight) {
    const right = bno.get();
    if (right.startblock < start + length) throw freedTwice(agno, start, length);
    joinsRight = right.startblock === start + length;
    second.startblock = right.startblock;
    second.blockcount = right.blockcount;
  }
  let joinsLeft = false;
  if (start > 0 && bno.lookup(start - 1, 'le')) {
    const left = bno.get();
    const end = left.startblock + left.blockcount;
    if (end > start) throw freedTwice(agno, start, length);
    joinsLeft = end === start;
    first.startblock = left.startblock;
    first.blockcount = left.blockcount;
  }
  if (joinsLeft) {
    whole.startblock = first.startblock;
    whole.blockcount += first.blockcount;
    removeByCount(cnt, agno, first);
  }
  if (joinsRight) {
    whole.blockcount += second.blockcount;
    removeByCount(cnt, agno, second);
  }
  if (joinsLeft) {
    // The cursor stands on the left neighbour.
    bno.update(whole);
    if (joinsRight) {
      if (!bno.lookup(second.startblock, 'eq')) throw disagree(agno, second.startblock, second.blockcount);
      bno.delete();
    }
  } else if (joinsRight) {
    if (!bno.lookup(second.startblock, 'eq')) throw disagree(agno, second.startblock, second.blockcount);
    bno.update(whole);
  } else {
    bno.insert(whole);
  }
  cnt.insert(whole);
  // What was joined is shorter than the whole: only a new longest one changes what is known.
  if (whole.blockcount > Agf.get.longest(agf.view, 0)) updateLongest(tp, agno, cnt);
  retire(bno);
  retire(cnt);
}

function removeByCount(cnt: ReturnType<typeof cntbtCursor>, agno: number, extent: FreeExtent): void {
  if (!cnt.lookup(extent, 'eq')) throw disagree(agno, extent.startblock, extent.blockcount);
  cnt.delete();
}

/** Sets the AGF's longest free extent to what `cnt` says. */
export function updateLongest(tp: Trans, agno: number, cnt: ReturnType<typeof cntbtCursor>): void {
  const agf = tp.mp.agf(agno);
  const longest = cnt.edge('last') ? cnt.get().blockcount : 0;
  if (Agf.get.longest(agf.view, 0) !== longest) setAgf(tp, agf, 'longest', longest);
}

function disagree(agno: number, start: number, length: number) {
  return corrupt({
    structure: `free space of AG ${agno}`,
    rule: `bnobt and cntbt disagree about block ${start} length ${length}`,
  });
}

/** The error about blocks that are free already. */
export function freedTwice(agno: number, start: number, length: number) {
  return corrupt({
    structure: `free space of AG ${agno}`,
    rule: `freeing block ${start} length ${length}, part of which is free`,
  });
}
