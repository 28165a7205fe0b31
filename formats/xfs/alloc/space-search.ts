/**
 * Choosing a free extent in one AG. Three ways: at an exact block, near a block, or by size alone. The choices are
 * those of Linux (xfs_alloc_ag_vextent_exact, _near, _size), so that files get the layout that they would get there:
 *
 * near: 1. if the first extent of the wanted length is in cntbt's last leaf, the best of that leaf on;
 *       2. else bnobt is walked left and right from the target and cntbt from the wanted length up, one step each in
 *          turn, until a walk by block finds something; the other direction then may still beat it;
 *       3. else the longest there is, going down in cntbt.
 */
import { retire } from '../btree/ag-cursor.ts';
import type { BtreeCursor } from '../btree/cursor.ts';
import { bnobtCursor, type CntKey, cntbtCursor, type FreeExtent } from '../btree/free-space.ts';
import type { XfsMount } from '../mount.ts';
import type { Trans } from '../trans.ts';
import { busyOverlap } from './busy.ts';

/** What is wanted, in blocks of one AG. */
export interface SearchWish {
  readonly minLength: number;
  readonly maxLength: number;
  readonly alignment: number;
  /** Lengths should be k * prod + mod. */
  readonly mod: number;
  readonly prod: number;
  /** File data: stays clear of busy extents, and prefers room to grow. */
  readonly data: boolean;
  readonly lowest: number;
  readonly highest: number;
  /** Leave out extents whose freeing is not on disk yet. */
  readonly avoidBusy: boolean;
}

const NONE = -1;
/** Unbusy stretches of one free extent that are looked at. */
const MAX_STRETCHES = 64;
/** check(): the record is the best so far; the walk need not go on. */
const BETTER = 1;
const STOP = 2;

export class SpaceSearch {
  /** The free extent found, and the part of it to take. */
  freeStart = 0;
  freeLength = 0;
  start = 0;
  length = 0;
  /** Something was left out because it is busy. */
  busy = false;
  private readonly mp: XfsMount;
  private readonly agno: number;
  private readonly tp: Trans;
  private readonly wish: SearchWish;
  private target = 0;
  private distance = Number.POSITIVE_INFINITY;
  // The usable part of the record in hand.
  private usableStart = 0;
  private usableLength = 0;

  constructor(tp: Trans, agno: number, wish: SearchWish) {
    this.mp = tp.mp;
    this.tp = tp;
    this.agno = agno;
    this.wish = wish;
  }

  /** An extent that starts at `target`. */
  exact(target: number): boolean {
    const bno = bnobtCursor(this.mp, this.agno);
    if (!bno.lookup(target, 'le')) return false;
    const { startblock, blockcount } = bno.get();
    retire(bno);
    this.trim(startblock, blockcount);
    if (this.usableStart > target || this.usableStart + this.usableLength < target + this.wish.minLength) return false;
    const end = Math.min(this.usableStart + this.usableLength, target + this.wish.maxLength);
    this.freeStart = startblock;
    this.freeLength = blockcount;
    this.start = target;
    this.length = this.fitLength(end - target);
    return true;
  }

  /** The best extent of any size, without regard to place. */
  bySize(): boolean {
    const cnt = cntbtCursor(this.mp, this.agno);
    const found = this.searchSizes(cnt);
    retire(cnt);
    return found;
  }

  private searchSizes(cnt: BtreeCursor<FreeExtent, CntKey>): boolean {
    const { wish } = this;
    if (cnt.lookup({ blockcount: wish.maxLength + wish.alignment - 1, startblock: 0 }, 'ge')) {
      do {
        const { startblock, blockcount } = cnt.get();
        this.align(startblock, blockcount);
        if (this.usableLength >= wish.maxLength)
          return this.choose(startblock, blockcount, this.usableStart, wish.maxLength);
      } while (cnt.next());
      if (wish.avoidBusy) return false;
    }
    if (!cnt.edge('last')) return false;
    do {
      const { startblock, blockcount } = cnt.get();
      if (blockcount < wish.minLength || blockcount <= this.length) break;
      this.align(startblock, blockcount);
      const usable = Math.min(wish.maxLength, this.usableLength);
      if (usable > this.length && usable >= wish.minLength) {
        this.choose(startblock, blockcount, this.usableStart, usable);
        if (usable === wish.maxLength) break;
      }
    } while (cnt.prev());
    if (this.length < wish.minLength) return false;
    this.length = this.fitLength(this.length);
    return true;
  }

  /** The extent of the best length that is nearest to `target`. */
  near(target: number): boolean {
    const { wish } = this;
    this.target = Math.min(Math.max(target, wish.lowest), wish.highest);
    const cnt = cntbtCursor(this.mp, this.agno);
    const enough = cnt.lookup({ blockcount: wish.maxLength, startblock: 0 }, 'ge');
    if (enough || (cnt.edge('last') && cnt.get().blockcount >= wish.minLength)) {
      if (isLastLeaf(cnt)) this.searchLastLeaf(cnt, !enough || wish.alignment > 1);
      if (this.length === 0) this.searchPlace(cnt);
    }
    retire(cnt);
    return this.length > 0;
  }

  private searchLastLeaf(cnt: BtreeCursor<FreeExtent, CntKey>, fromStart: boolean): void {
    if (fromStart) {
      cnt.slots[0] = 0;
      while (cnt.get().blockcount < this.wish.minLength) if (!cnt.next()) return;
    }
    do {
      if (this.check(cnt.get(), false) & STOP) return;
    } while (cnt.next());
  }

  private searchPlace(cnt: BtreeCursor<FreeExtent, CntKey>): void {
    const { mp, agno, target, wish } = this;
    const left = bnobtCursor(mp, agno);
    const right = bnobtCursor(mp, agno);
    let goLeft = left.lookup(target, 'le');
    let goRight = right.lookup(target, 'ge');
    let size = wish.maxLength;
    let bySize = true;
    while (goLeft || goRight || bySize) {
      if (goLeft) {
        const result = this.check(left.get(), true);
        if (result & BETTER) {
          if (goRight) this.walk(right, true);
          return;
        }
        goLeft = (result & STOP) === 0 && left.prev();
      }
      if (goRight) {
        const result = this.check(right.get(), true);
        if (result & BETTER) {
          if (goLeft) this.walk(left, false);
          return;
        }
        goRight = (result & STOP) === 0 && right.next();
      }
      const next = bySize ? this.stepBySize(cnt, size) : NONE;
      if (next === NONE) {
        bySize = false;
        break;
      }
      size = next;
    }
    if (this.length === 0 && !this.busy && cnt.edge('last')) {
      do {
        if (this.check(cnt.get(), false) !== 0) return;
      } while (cnt.prev());
    }
  }

  /** Walks by block until something better comes up or nothing can any more. */
  private walk(cursor: BtreeCursor<FreeExtent, number>, forward: boolean): void {
    do {
      if (this.check(cursor.get(), true) !== 0) return;
    } while (forward ? cursor.next() : cursor.prev());
  }

  /** Looks at the extents of one length (at least `size`) around the target; answers the next length to try. */
  private stepBySize(cnt: BtreeCursor<FreeExtent, CntKey>, size: number): number {
    if (!cnt.lookup({ blockcount: size, startblock: this.target }, 'ge')) return NONE;
    const record = cnt.get();
    const { startblock, blockcount } = record;
    if (this.check(record, false) & STOP) return NONE;
    if (startblock > this.target && cnt.prev()) {
      const before = cnt.get();
      if (before.blockcount === blockcount && this.check(before, false) & STOP) return NONE;
    }
    const doubled = size * 2;
    return this.length === 0 || blockcount >= doubled ? blockcount + 1 : doubled;
  }

  /** Judges a free extent against the best so far. */
  private check(record: FreeExtent, byBlock: boolean): number {
    const { wish } = this;
    const { startblock, blockcount } = record;
    if (blockcount < wish.minLength) return byBlock ? 0 : STOP;
    this.align(startblock, blockcount);
    const start = this.usableStart;
    if (start < wish.lowest || start > wish.highest) return byBlock ? STOP : 0;
    if (this.usableLength < wish.minLength) return 0;
    const length = this.fitLength(Math.min(this.usableLength, wish.maxLength));
    if (length < this.length) return 0;
    const chosen = this.place(start, this.usableLength, length);
    if (chosen === NONE) return 0;
    const distance = Math.abs(chosen - this.target);
    if (distance > this.distance) return byBlock ? STOP : 0;
    this.distance = distance;
    this.choose(startblock, blockcount, chosen, length);
    return distance === 0 && length === wish.maxLength ? BETTER | STOP : BETTER;
  }

  private choose(freeStart: number, freeLength: number, start: number, length: number): true {
    this.freeStart = freeStart;
    this.freeLength = freeLength;
    this.start = start;
    this.length = length;
    return true;
  }

  /** Where in a usable free extent `length` blocks should lie, given the target. */
  private place(free: number, freeLength: number, length: number): number {
    const { target } = this;
    const { alignment, data } = this.wish;
    const freeEnd = free + freeLength;
    const end = target + length;
    if (free >= target || (data && freeEnd < end)) return under(roundUp(free, alignment), freeEnd);
    if (freeEnd >= end) return alignment > 1 ? this.placeAligned(free, freeEnd, length) : target;
    const latest = freeEnd - length;
    if (alignment <= 1) return latest;
    const aligned = roundUp(latest, alignment);
    if (aligned > latest && aligned - alignment >= free) return aligned - alignment;
    return under(aligned, freeEnd);
  }

  /** The aligned block after the target or the one before it: whichever gives more, then whichever is nearer. */
  private placeAligned(free: number, freeEnd: number, length: number): number {
    const { target } = this;
    const { alignment } = this.wish;
    const after = roundUp(target, alignment);
    const before = after - alignment;
    if (after >= freeEnd) return before >= free ? before : NONE;
    if (before < free) return after;
    const lengthAfter = Math.min(length, freeEnd - after);
    const lengthBefore = Math.min(length, freeEnd - before);
    if (lengthAfter !== lengthBefore) return lengthAfter < lengthBefore ? before : after;
    return Math.abs(after - target) > Math.abs(before - target) ? before : after;
  }

  /** Sets the usable part of a free extent: not busy, inside the range, aligned. */
  private align(start: number, length: number): void {
    const { wish } = this;
    this.trim(start, length);
    const end = this.usableStart + this.usableLength;
    if (this.usableStart < wish.lowest && end > wish.lowest) {
      this.usableStart = wish.lowest;
      this.usableLength = end - wish.lowest;
    }
    if (wish.alignment <= 1 || this.usableLength < wish.minLength) return;
    this.usableStart = roundUp(this.usableStart, wish.alignment);
    this.usableLength = Math.max(0, end - this.usableStart);
  }

  /** Leaves out what is busy: the part before or after it stays, as Linux chooses it. */
  private trim(start: number, length: number): void {
    this.usableStart = start;
    this.usableLength = length;
    if (!this.wish.avoidBusy) return;
    const { minLength, maxLength } = this.wish;
    let from = start;
    const end = start + length;
    // The first stretch that is long enough; else the longest.
    this.usableLength = 0;
    // Scattered busy blocks must not make one search look at all of them.
    for (let stretches = MAX_STRETCHES; stretches > 0 && from < end; stretches--) {
      const busy = busyOverlap(this.tp, this.agno, from, end - from);
      const stop = busy === null ? end : busy.agbno;
      if (stop - from > this.usableLength) {
        this.usableStart = from;
        this.usableLength = stop - from;
        if (this.usableLength >= Math.max(minLength, maxLength)) return;
      }
      if (busy === null) return;
      this.busy = true;
      from = busy.agbno + busy.length;
    }
  }

  /** Shortens a length to k * prod + mod if that still is enough. */
  private fitLength(length: number): number {
    const { mod, prod, minLength, maxLength } = this.wish;
    if (prod <= 1 || length < mod || length === maxLength || (mod === 0 && length < prod)) return length;
    const rest = length % prod;
    if (rest === mod) return length;
    const fitted = rest > mod ? length - (rest - mod) : length - prod + (mod - rest);
    return fitted < minLength ? length : fitted;
  }
}

function isLastLeaf(cursor: BtreeCursor<FreeExtent, CntKey>): boolean {
  const leaf = cursor.bufs[0];
  return leaf !== null && leaf !== undefined && cursor.rightSibling(leaf) === NONE;
}

function roundUp(value: number, step: number): number {
  const rest = value % step;
  return rest === 0 ? value : value + step - rest;
}

function under(value: number, end: number): number {
  return value < end ? value : NONE;
}
