/**
 * The AG free list: a ring of single blocks set aside so that the free-space and rmap btrees can grow while they
 * are being changed. Blocks on it count as free; a block that goes to a btree counts as a btree block, which the
 * superblock counts as free as well: only the AGF's split of the sum changes here.
 *
 *     AGFL:  [header on v5] | slot slot slot …      active: flfirst … fllast, wrapping, flcount of them
 */
import type { Buf } from '../../../core/buffer-cache.ts';
import { corrupt, FsError } from '../../../core/errors.ts';
import type { XfsMount } from '../mount.ts';
import { Agf, Agfl } from '../structure/ag.ts';
import type { Trans } from '../trans.ts';
import { markBusy } from './busy.ts';

/** Slots of a free list. */
export function agflSize(mp: XfsMount): number {
  return Math.floor((mp.sectorSize - (mp.features.v5 ? Agfl.size : 0)) / 4);
}

function slotAt(mp: XfsMount, slot: number): number {
  return (mp.features.v5 ? Agfl.size : 0) + slot * 4;
}

type AgfCounter =
  | 'flfirst'
  | 'fllast'
  | 'flcount'
  | 'freeblks'
  | 'longest'
  | 'btreeblks'
  | 'rmap_blocks'
  | 'refcount_blocks';

/** Sets a field of the AGF. */
export function setAgf(tp: Trans, agf: Buf, field: AgfCounter, value: number): void {
  tp.modify(agf, Agf.at[field], 4);
  Agf.set[field](agf.view, 0, value);
}

/** Adds to a counter of the AGF. @throws FsError EUCLEAN if it would leave 0 … the AG's size */
export function addAgf(tp: Trans, agf: Buf, field: AgfCounter, change: number): void {
  const value = Agf.get[field](agf.view, 0) + change;
  if (value < 0 || value > Agf.get.length(agf.view, 0))
    throw corrupt({
      structure: 'agf',
      addr: agf.addr,
      offset: Agf.at[field],
      field,
      value: String(value),
      rule: 'outside the AG',
    });
  setAgf(tp, agf, field, value);
}

/** Takes the first block of the free list; `forBtree` if a free-space or rmap btree gets it. @throws FsError ENOSPC, EUCLEAN */
export function getFreelistBlock(tp: Trans, agno: number, forBtree: boolean): number {
  const { mp } = tp;
  const agf = mp.agf(agno);
  const count = Agf.get.flcount(agf.view, 0);
  if (count === 0) throw new FsError('ENOSPC', { detail: `free list of AG ${agno} is empty` });
  const agfl = mp.agfl(agno);
  const first = Agf.get.flfirst(agf.view, 0);
  const block = agfl.view.getUint32(slotAt(mp, first));
  if (!mp.validAgbno(agno, block))
    throw corrupt({
      structure: `agfl ${agno}`,
      addr: agfl.addr,
      offset: slotAt(mp, first),
      field: `bno[${first}]`,
      value: String(block),
      rule: 'outside the AG',
    });
  setAgf(tp, agf, 'flfirst', first + 1 === agflSize(mp) ? 0 : first + 1);
  setAgf(tp, agf, 'flcount', count - 1);
  if (forBtree) addAgf(tp, agf, 'btreeblks', 1);
  return block;
}

/** Appends a block to the free list; `fromBtree` if it comes from a free-space or rmap btree. */
export function putFreelistBlock(tp: Trans, agno: number, block: number, fromBtree: boolean): void {
  const { mp } = tp;
  const agf = mp.agf(agno);
  const size = agflSize(mp);
  const count = Agf.get.flcount(agf.view, 0);
  if (count >= size) throw corrupt({ structure: `agfl ${agno}`, rule: 'the free list is full' });
  const last = Agf.get.fllast(agf.view, 0) + 1;
  const slot = last === size ? 0 : last;
  const agfl = mp.agfl(agno);
  setAgf(tp, agf, 'fllast', slot);
  setAgf(tp, agf, 'flcount', count + 1);
  if (fromBtree) addAgf(tp, agf, 'btreeblks', -1);
  tp.modify(agfl, slotAt(mp, slot), 4);
  agfl.view.setUint32(slotAt(mp, slot), block);
}

/**
 * Empties a free list whose count disagrees with its range, as old kernels left it: what it held leaks until a
 * repair, which beats using blocks that somebody owns.
 */
export function resetFreelist(tp: Trans, agno: number): void {
  const { mp } = tp;
  const agf = mp.agf(agno);
  const size = agflSize(mp);
  const first = Agf.get.flfirst(agf.view, 0);
  const last = Agf.get.fllast(agf.view, 0);
  const count = Agf.get.flcount(agf.view, 0);
  const active = count === 0 ? 0 : last >= first ? last - first + 1 : size - first + last + 1;
  if (first < size && last < size && active === count) return;
  setAgf(tp, agf, 'flfirst', 0);
  setAgf(tp, agf, 'fllast', size - 1);
  setAgf(tp, agf, 'flcount', 0);
}

/** A block for bnobt or cntbt. */
export function allocFreeTreeBlock(tp: Trans, agno: number): number {
  const block = getFreelistBlock(tp, agno, true);
  tp.mp.space.freeTreeBlock(tp, 1);
  return block;
}

export function freeFreeTreeBlock(tp: Trans, agno: number, block: number): void {
  putFreelistBlock(tp, agno, block, true);
  tp.mp.space.freeTreeBlock(tp, -1);
  markBusy(tp, agno, block, 1);
}

/** A block for rmapbt. */
export function allocRmapBlock(tp: Trans, agno: number): number {
  const block = getFreelistBlock(tp, agno, true);
  addAgf(tp, tp.mp.agf(agno), 'rmap_blocks', 1);
  return block;
}

export function freeRmapBlock(tp: Trans, agno: number, block: number): void {
  addAgf(tp, tp.mp.agf(agno), 'rmap_blocks', -1);
  putFreelistBlock(tp, agno, block, true);
  markBusy(tp, agno, block, 1);
}
