/**
 * Checksums of data that was written but whose extent is not in the trees yet: kept from the write until the
 * extent's completion takes them for the csum tree.
 */
import { FsError } from '../../../core/errors.ts';

interface Run {
  readonly bytenr: number;
  readonly length: number;
  /** One checksum a sector, one after the other. */
  readonly csums: Uint8Array;
}

export class PendingCsums {
  private readonly sectorSize: number;
  private readonly csumSize: number;
  /** Ascending, never overlapping. */
  private runs: Run[] = [];

  constructor(sectorSize: number, csumSize: number) {
    this.sectorSize = sectorSize;
    this.csumSize = csumSize;
  }

  get empty(): boolean {
    return this.runs.length === 0;
  }

  /** Remembers the checksums of the sectors from `bytenr` on, in place of older ones. */
  add(bytenr: number, csums: Uint8Array): void {
    const length = (csums.length / this.csumSize) * this.sectorSize;
    this.cut(bytenr, length);
    this.runs.splice(this.indexFrom(bytenr), 0, { bytenr, length, csums });
  }

  /** The checksums of a range, each buffer following the one before; they are forgotten here. */
  take(bytenr: number, length: number): Uint8Array[] {
    const taken = this.cut(bytenr, length);
    let at = bytenr;
    for (const run of taken) {
      if (run.bytenr !== at) break;
      at += run.length;
    }
    if (at !== bytenr + length) throw new FsError('EIO', { detail: `logical ${at} was not written with checksums` });
    return taken.map((run) => run.csums);
  }

  /** Copies what is known of a range to `into`, setting `present` a sector to 1. */
  lookup(bytenr: number, length: number, into: Uint8Array, present: Uint8Array): void {
    for (let i = this.indexFrom(bytenr + 1) - 1; i < this.runs.length; i++) {
      const run = this.runs[i];
      if (run === undefined || run.bytenr + run.length <= bytenr) continue;
      if (run.bytenr >= bytenr + length) return;
      const start = Math.max(run.bytenr, bytenr);
      const end = Math.min(run.bytenr + run.length, bytenr + length);
      into.set(this.slice(run, start, end), ((start - bytenr) / this.sectorSize) * this.csumSize);
      present.fill(1, (start - bytenr) / this.sectorSize, (end - bytenr) / this.sectorSize);
    }
  }

  /** Removes and returns the parts of runs that lie in a range. */
  private cut(bytenr: number, length: number): Run[] {
    const end = bytenr + length;
    const taken: Run[] = [];
    let first = Math.max(0, this.indexFrom(bytenr) - 1);
    if (first < this.runs.length && ends(this.runs[first] as Run) <= bytenr) first++;
    let last = first;
    const kept: Run[] = [];
    for (; last < this.runs.length && (this.runs[last] as Run).bytenr < end; last++) {
      const run = this.runs[last] as Run;
      const from = Math.max(run.bytenr, bytenr);
      const to = Math.min(ends(run), end);
      taken.push({ bytenr: from, length: to - from, csums: this.slice(run, from, to) });
      if (run.bytenr < from) {
        kept.push({ bytenr: run.bytenr, length: from - run.bytenr, csums: this.slice(run, run.bytenr, from) });
      }
      if (ends(run) > to) kept.push({ bytenr: to, length: ends(run) - to, csums: this.slice(run, to, ends(run)) });
    }
    if (last > first) this.runs.splice(first, last - first, ...kept);
    return taken;
  }

  private slice(run: Run, from: number, to: number): Uint8Array {
    const scale = this.csumSize / this.sectorSize;
    return run.csums.subarray((from - run.bytenr) * scale, (to - run.bytenr) * scale);
  }

  /** Index of the first run that starts at or after a byte. */
  private indexFrom(bytenr: number): number {
    let low = 0;
    let high = this.runs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.runs[middle] as Run).bytenr < bytenr) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function ends(run: Run): number {
  return run.bytenr + run.length;
}
