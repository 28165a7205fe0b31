/** Free space for freesp: every free extent, those of the free lists as single blocks, and their histogram. */
import { agflSize } from '../alloc/agfl.ts';
import { bnobtCursor, cntbtCursor } from '../btree/free-space.ts';
import type { XfsMount } from '../mount.ts';
import { Agf, Agfl } from '../structure/ag.ts';

/** Shows `visit` the free extents of an AG (blocks): the free list's first, then by block, or by size. @throws FsError EUCLEAN, EIO */
export function freeExtents(
  mp: XfsMount,
  agno: number,
  bySize: boolean,
  visit: (agbno: number, length: number) => void,
): void {
  const agf = mp.agf(agno).view;
  const agfl = mp.agfl(agno).view;
  const size = agflSize(mp);
  const start = mp.features.v5 ? Agfl.size : 0;
  let slot = Agf.get.flfirst(agf, 0) % size;
  for (let left = Math.min(Agf.get.flcount(agf, 0), size); left > 0; left--) {
    visit(agfl.getUint32(start + slot * 4), 1);
    slot = (slot + 1) % size;
  }
  const cursor = bySize ? cntbtCursor(mp, agno) : bnobtCursor(mp, agno);
  for (let more = cursor.edge('first'); more; more = cursor.next()) {
    const { startblock, blockcount } = cursor.get();
    visit(startblock, blockcount);
  }
}

/** A class of extent lengths, `from` to `to` blocks, and what falls into it. */
export interface FreeClass {
  /** The shortest that it counts, blocks. */
  readonly from: number;
  /** The longest. */
  to: number;
  extents: number;
  /** Blocks in all of them. */
  blocks: number;
}

/** How the classes are cut: each `multiply` times the one before, `step` blocks each, or by given lower bounds. */
export type FreeClasses =
  | { readonly multiply: number }
  | { readonly step: number }
  | { readonly bounds: readonly number[] };

/** Classes for lengths from 1 to an AG's size, as freesp makes them. */
export function freeClasses(mp: XfsMount, how: FreeClasses = { multiply: 2 }): FreeClass[] {
  const bounds: number[] = [];
  if ('bounds' in how) bounds.push(...new Set([1, ...how.bounds.map((bound) => Math.max(1, bound))]));
  else if ('step' in how) for (let from = 1; from < mp.agBlocks; from += Math.max(1, how.step)) bounds.push(from);
  else for (let from = 1; from < mp.agBlocks; from *= Math.max(2, how.multiply)) bounds.push(from);
  bounds.sort((a, b) => a - b);
  return bounds.map((from, i) => ({ from, to: (bounds[i + 1] ?? mp.agBlocks + 1) - 1, extents: 0, blocks: 0 }));
}

/** Counts an extent in its class. */
export function countFree(classes: readonly FreeClass[], length: number): void {
  let low = 0;
  let high = classes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((classes[middle] as FreeClass).from <= length) low = middle + 1;
    else high = middle;
  }
  const found = classes[low - 1];
  if (found === undefined) return;
  found.extents++;
  found.blocks += length;
}
