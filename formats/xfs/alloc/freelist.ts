/**
 * Is there room in this AG, and is its free list long enough to survive the change? Asked before each allocation
 * and each freeing. The list needs what the worst split of each tree it feeds would take, twice. Mirrors
 * xfs_alloc_fix_freelist, xfs_alloc_space_available, xfs_alloc_min_freelist.
 */
import type { XfsMount } from '../mount.ts';
import { Agf } from '../structure/ag.ts';
import type { Trans } from '../trans.ts';
import { addAgf, agflSize, getFreelistBlock, putFreelistBlock, resetFreelist } from './agfl.ts';
import type { Reservation } from './counters.ts';
import { giveFree, takeFree } from './free-trees.ts';
import { rmapInsert, rmapRemove } from './rmap-records.ts';
import { SpaceSearch } from './space-search.ts';

/** What an allocation asks of an AG. */
export interface RoomWish {
  readonly minLength: number;
  readonly alignment: number;
  /** Blocks that must stay free for the bmap btree. */
  readonly leave: number;
  /** Blocks that the whole operation needs. */
  readonly total: number;
  readonly reservation: Reservation;
}

const OWNER_AG = { special: 'ag' } as const;

/** Blocks that the free list of an AG must hold. */
export function freelistNeed(mp: XfsMount, agno: number): number {
  const { view } = mp.agf(agno);
  const { allocMaxLevels, rmapMaxLevels } = mp.space;
  let need = Math.min(Agf.get.bno_level(view, 0) + 1, allocMaxLevels) * 2 - 2;
  need += Math.min(Agf.get.cnt_level(view, 0) + 1, allocMaxLevels) * 2 - 2;
  if (mp.features.rmapbt) need += Math.min(Agf.get.rmap_level(view, 0) + 1, rmapMaxLevels) * 2 - 2;
  return need;
}

/** The longest extent that the AG could give to one who needs `need` blocks in the free list and leaves `held`. */
export function longestFree(mp: XfsMount, agno: number, need: number, held: number): number {
  const { view } = mp.agf(agno);
  const free = Agf.get.freeblks(view, 0);
  const longest = Agf.get.longest(view, 0);
  const listed = Agf.get.flcount(view, 0);
  let taken = Math.max(0, need - listed);
  taken += Math.max(0, held - (free - longest));
  if (longest > taken) return Math.min(mp.space.agUsable, longest - taken);
  return listed > 0 || longest > 0 ? 1 : 0;
}

/** The most blocks that `wish` may get from the AG, 0 if it must go elsewhere. */
export function roomIn(mp: XfsMount, agno: number, wish: RoomWish): number {
  const need = freelistNeed(mp, agno);
  const held = mp.space.heldBack(agno, wish.reservation);
  const length = wish.minLength + wish.alignment - 1;
  if (longestFree(mp, agno, need, held) < length) return 0;
  const { view } = mp.agf(agno);
  const listed = Math.min(Agf.get.flcount(view, 0), need);
  const room = Agf.get.freeblks(view, 0) + listed - held - need - wish.leave;
  return room < Math.max(wish.total, length) ? 0 : room;
}

/**
 * Brings the free list to the length it needs. False if the AG is too full for that: the caller must not allocate
 * here, but may free (a full AG's trees are too small to split).
 */
export function fixFreelist(tp: Trans, agno: number): boolean {
  const { mp } = tp;
  resetFreelist(tp, agno);
  const agf = mp.agf(agno);
  // Each freed block can change what is needed; no list is longer than its ring.
  for (let rounds = agflSize(mp); rounds > 0 && Agf.get.flcount(agf.view, 0) > freelistNeed(mp, agno); rounds--) {
    const block = getFreelistBlock(tp, agno, false);
    if (mp.features.rmapbt) rmapRemove(tp, agno, block, 1, OWNER_AG);
    giveFree(tp, agno, block, 1);
    addAgf(tp, agf, 'freeblks', 1);
  }
  for (let rounds = agflSize(mp); rounds > 0; rounds--) {
    const missing = freelistNeed(mp, agno) - Agf.get.flcount(agf.view, 0);
    if (missing <= 0) return true;
    if (!extendFreelist(tp, agno, missing)) return false;
  }
  return true;
}

function extendFreelist(tp: Trans, agno: number, missing: number): boolean {
  const { mp } = tp;
  // Freed blocks that a crash would show owned stay out of it while there are others, as everywhere.
  const search = searchFreelist(tp, agno, missing, true) ?? searchFreelist(tp, agno, missing, false);
  if (search === null) return false;
  takeFree(tp, agno, search.freeStart, search.freeLength, search.start, search.length);
  if (mp.features.rmapbt) rmapInsert(tp, agno, search.start, search.length, OWNER_AG);
  addAgf(tp, mp.agf(agno), 'freeblks', -search.length);
  for (let i = 0; i < search.length; i++) putFreelistBlock(tp, agno, search.start + i, false);
  return true;
}

function searchFreelist(tp: Trans, agno: number, missing: number, avoidBusy: boolean): SpaceSearch | null {
  const search = new SpaceSearch(tp, agno, {
    minLength: 1,
    maxLength: missing,
    alignment: 1,
    mod: 0,
    prod: 1,
    data: false,
    lowest: 0,
    highest: tp.mp.agBlocks,
    avoidBusy,
  });
  return search.bySize() ? search : null;
}
