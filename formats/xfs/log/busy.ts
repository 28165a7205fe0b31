/**
 * Blocks that committed transactions freed but whose freeing is not on disk yet. Were they given to another file and
 * written, a crash would leave the old owner, which the disk still knows, with the new owner's bytes.
 * Mirrors xfs_extent_busy.c, with sorted disjoint ranges per group.
 */

interface Range {
  start: number;
  length: number;
}

/** Busy ranges by allocation group, in blocks. */
export class BusyExtents {
  private groups = new Map<number, Range[]>();

  /** Nothing is busy: the usual case, and quick to ask. */
  get empty(): boolean {
    return this.groups.size === 0;
  }

  add(agno: number, agbno: number, length: number): void {
    let ranges = this.groups.get(agno);
    if (ranges === undefined) {
      ranges = [];
      this.groups.set(agno, ranges);
    }
    let first = firstEndingAtOrAfter(ranges, agbno);
    let start = agbno;
    let end = agbno + length;
    const from = first;
    while (first < ranges.length && (ranges[first] as Range).start <= end) {
      const range = ranges[first] as Range;
      start = Math.min(start, range.start);
      end = Math.max(end, range.start + range.length);
      first++;
    }
    ranges.splice(from, first - from, { start, length: end - start });
  }

  /** The first busy part of a range, or null if all of it may be used. */
  overlap(agno: number, agbno: number, length: number): { agbno: number; length: number } | null {
    const ranges = this.groups.get(agno);
    if (ranges === undefined) return null;
    const range = ranges[firstEndingAtOrAfter(ranges, agbno + 1)];
    if (range === undefined || range.start >= agbno + length) return null;
    const start = Math.max(range.start, agbno);
    return { agbno: start, length: Math.min(range.start + range.length, agbno + length) - start };
  }

  /** The freeings are on disk. */
  clear(): void {
    if (this.groups.size > 0) this.groups = new Map();
  }
}

/** Index of the first range whose end is at or beyond `block`. */
function firstEndingAtOrAfter(ranges: readonly Range[], block: number): number {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const range = ranges[middle] as Range;
    if (range.start + range.length < block) low = middle + 1;
    else high = middle;
  }
  return low;
}
