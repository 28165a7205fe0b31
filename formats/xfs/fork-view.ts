/**
 * A fork as Linux sees it in memory: for the data fork the records on disk and the delayed extents between them,
 * for the CoW fork what is kept in memory. Answers the two questions of every mapping function: which extent holds
 * a block or comes next, and which one comes before.
 */
import { forkBefore, forkLookup } from './bmap-fork.ts';
import { Extent, HOLE } from './extent.ts';
import type { XfsInode } from './inode.ts';

export type MemoryFork = 'data' | 'cow';

const other = new Extent();

/** The extent of the fork that holds `off`, or the first one after it; false at the end. */
export function viewLookup(ip: XfsInode, fork: MemoryFork, off: number, out: Extent): boolean {
  if (fork === 'cow') return ip.cow.lookup(off, out);
  const real = forkLookup(ip, 'data', off, out);
  if (!ip.reserves || !ip.delalloc.lookup(off, other)) return real;
  if (!real || other.off < out.off) out.copyFrom(other);
  return true;
}

/** The last extent of the fork that starts before `off`; false when there is none. */
export function viewBefore(ip: XfsInode, fork: MemoryFork, off: number, out: Extent): boolean {
  if (fork === 'cow') return ip.cow.before(off, out);
  const real = forkBefore(ip, 'data', off, out);
  if (!ip.reserves || !ip.delalloc.before(off, other)) return real;
  if (!real || other.off > out.off) out.copyFrom(other);
  return true;
}

/**
 * What lies at [off, off + count) of the data fork: one extent cut to the range, or the hole up to the next one
 * (kernel: xfs_bmapi_read with one map).
 */
export function readMapping(ip: XfsInode, off: number, count: number, out: Extent): void {
  const found = viewLookup(ip, 'data', off, out);
  if (!found || out.off >= off + count) {
    out.set(off, HOLE, count, false);
  } else if (out.off > off) {
    out.set(off, HOLE, out.off - off, false);
  } else out.trim(off, count);
}
