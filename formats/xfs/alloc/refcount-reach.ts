/**
 * How much of an extent one transaction may count up or down. A long extent may touch as many records as it has
 * blocks; Linux goes on in a further transaction when a log reservation is used up (xfs_refcount_still_have_space).
 * Here the caller cuts the extent before it starts, so that mapping and counts change together.
 */
import { refcountbtCursor } from '../btree/refcount.ts';
import type { XfsMount } from '../mount.ts';

/** Records that one step may change. */
const RECORDS = 256;

/** True for what refcountReach() may have cut: after it a transaction should end. */
export function mayHaveBeenCut(length: number): boolean {
  return length >= RECORDS - 1;
}

/** Blocks of the extent, counted from this side, that no more than RECORDS records touch; at least one. */
export function refcountReach(mp: XfsMount, fsb: number, length: number, side: 'start' | 'end'): number {
  if (length <= RECORDS || !mp.features.reflink) return length;
  const start = mp.fsbToAgbno(fsb);
  const end = start + length;
  const cursor = refcountbtCursor(mp, mp.fsbToAgno(fsb));
  try {
    if (side === 'end') {
      if (!cursor.lookup(end - 1, 'le')) return length;
      for (let i = 0; i < RECORDS; i++) {
        const { startblock, blockcount } = cursor.get();
        if (startblock + blockcount <= start) return length;
        if (!cursor.prev()) return length;
      }
      const { startblock, blockcount } = cursor.get();
      return Math.min(length, Math.max(1, end - (startblock + blockcount)));
    }
    if (!cursor.lookup(start, 'le') && !cursor.lookup(start, 'ge')) return length;
    for (let i = 0; i < RECORDS; i++) {
      const { startblock, cow } = cursor.get();
      if (startblock >= end || cow || !cursor.next()) return length;
    }
    const { startblock, cow } = cursor.get();
    return cow ? length : Math.min(length, Math.max(1, startblock - start));
  } finally {
    cursor.close();
  }
}
