/**
 * Allocating blocks: which AGs are tried, in which order, and what each allocation changes: both free-space btrees,
 * the AGF, the reverse map, the superblock's count. Mirrors xfs_alloc_vextent_start_ag and its siblings.
 */
import type { FsBlock } from '../../../core/units.ts';
import { Agf } from '../structure/ag.ts';
import type { Trans } from '../trans.ts';
import { addAgf } from './agfl.ts';
import { takeFree } from './free-trees.ts';
import { fixFreelist, roomIn } from './freelist.ts';
import type { Owner } from './owner.ts';
import { rmapInsert } from './rmap-records.ts';
import { SpaceSearch } from './space-search.ts';

/**
 * Where to look.
 *   start   near the target, then anywhere in each following AG, around the device
 *   first   likewise, but not in AGs before the target's
 *   near    in the target's AG only, near it
 *   exact   at the target and nowhere else
 *   size    in one AG (`agno`), by length alone
 */
export type AllocMode = 'start' | 'first' | 'near' | 'exact' | 'size';

export interface AllocRequest {
  /** Where the extent should lie; its AG is tried first. */
  readonly target?: FsBlock;
  /** Only this AG. */
  readonly agno?: number;
  /** Default: `start`; with `agno`, `near` if there is a target in it, else `size`. */
  readonly mode?: AllocMode;
  readonly minLength: number;
  readonly maxLength: number;
  readonly alignment?: number;
  /** Lengths k * prod + mod are preferred. */
  readonly mod?: number;
  readonly prod?: number;
  readonly owner: Owner;
  /** For file data: stays clear of blocks whose freeing is not durable. */
  readonly data: boolean;
  /** Blocks to leave free in the AG for the bmap btree (the kernel's minleft). */
  readonly leave?: number;
  /** Blocks that the operation needs in the same AG altogether. */
  readonly total?: number;
  /** Blocks besides that must be free where this one is, though it does not need them itself. */
  readonly slop?: number;
  readonly reservation?: 'none' | 'metadata';
  /** AG blocks outside this range are not used (near only). */
  readonly lowest?: number;
  readonly highest?: number;
}

export interface Allocated {
  readonly fsb: FsBlock;
  readonly length: number;
}

/** Allocates an extent, or answers null if there is no space that fits. @throws FsError EUCLEAN, EIO */
export function allocExtent(tp: Trans, request: AllocRequest): Allocated | null {
  const { mp } = tp;
  const target = request.target ?? mp.agbToFsb(request.agno ?? 0, 0);
  const targetAg = mp.fsbToAgno(target);
  const targetBlock = mp.fsbToAgbno(target);
  if (targetAg >= mp.agCount || targetBlock >= mp.agBlocks) return null;
  if (request.minLength < 1 || request.minLength > request.maxLength || request.minLength > mp.agBlocks) return null;
  const mode = request.mode ?? defaultMode(request, targetAg);
  if (mode === 'size') return allocInAg(tp, request, request.agno ?? targetAg, 'size', 0);
  if (mode === 'near' || mode === 'exact') return allocInAg(tp, request, targetAg, mode, targetBlock);
  const last = mode === 'first' ? mp.agCount - 1 - targetAg : mp.agCount - 1;
  for (let step = 0; step <= last; step++) {
    const agno = (targetAg + step) % mp.agCount;
    const near = step === 0 && targetBlock > 0;
    const found = allocInAg(tp, request, agno, near ? 'near' : 'size', targetBlock);
    if (found !== null) return found;
  }
  return null;
}

function defaultMode(request: AllocRequest, targetAg: number): AllocMode {
  if (request.agno === undefined) return 'start';
  return request.target !== undefined && targetAg === request.agno ? 'near' : 'size';
}

function allocInAg(
  tp: Trans,
  request: AllocRequest,
  agno: number,
  how: 'near' | 'exact' | 'size',
  target: number,
): Allocated | null {
  const { mp } = tp;
  const wish = {
    minLength: request.minLength,
    alignment: (request.alignment ?? 1) + (request.slop ?? 0),
    leave: request.leave ?? 0,
    total: request.total ?? 0,
    reservation: request.reservation ?? 'none',
  };
  let room = roomIn(mp, agno, wish);
  if (room === 0) return null;
  const { view } = mp.agf(agno);
  const free = Agf.get.freeblks(view, 0);
  const listed = Agf.get.flcount(view, 0);
  if (!fixFreelist(tp, agno)) return null;
  // Filling the free list may have cost the space that was there.
  if (Agf.get.freeblks(view, 0) !== free || Agf.get.flcount(view, 0) !== listed) room = roomIn(mp, agno, wish);
  if (room === 0) return null;
  const maxLength = Math.min(request.maxLength, room, mp.agBlocks);
  let search = searchAg(tp, request, agno, how, target, maxLength, true);
  if (search === null) {
    search = searchAg(tp, request, agno, how, target, maxLength, false);
    // Only blocks remain whose freeing is not durable: it must be before data goes there.
    if (search !== null && request.data) tp.reuseBusy();
  }
  if (search === null) return null;
  takeFree(tp, agno, search.freeStart, search.freeLength, search.start, search.length);
  finish(tp, request.owner, agno, search.start, search.length);
  return { fsb: mp.agbToFsb(agno, search.start), length: search.length };
}

function searchAg(
  tp: Trans,
  request: AllocRequest,
  agno: number,
  how: 'near' | 'exact' | 'size',
  target: number,
  maxLength: number,
  avoidBusy: boolean,
): SpaceSearch | null {
  const search = new SpaceSearch(tp, agno, {
    minLength: request.minLength,
    maxLength,
    alignment: request.alignment ?? 1,
    mod: request.mod ?? 0,
    prod: request.prod ?? 1,
    data: request.data,
    lowest: request.lowest ?? 0,
    highest: request.highest ?? tp.mp.agBlocks - 1,
    avoidBusy,
  });
  const found = how === 'exact' ? search.exact(target) : how === 'near' ? search.near(target) : search.bySize();
  return found ? search : null;
}

function finish(tp: Trans, owner: Owner, agno: number, agbno: number, length: number): void {
  const { mp } = tp;
  if (owner !== 'skip' && mp.features.rmapbt) rmapInsert(tp, agno, agbno, length, owner);
  addAgf(tp, mp.agf(agno), 'freeblks', -length);
  tp.sbDelta({ fdblocks: -length });
}
