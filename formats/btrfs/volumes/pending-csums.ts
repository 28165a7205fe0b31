/**
 * Checksums of data that was written but whose extent is not in the trees yet: kept from the write until the
 * extent's completion takes them for the csum tree. Runs are kept by the MiB that they are in, so that each is found
 * among few, however many wait.
 */
import { FsError } from '../../../core/errors.ts';

const BUCKET = 1 << 20;

interface Run {
  readonly bytenr: number;
  readonly end: number;
  /** One checksum a sector, one after the other. */
  readonly csums: Uint8Array;
}

export class PendingCsums {
  private readonly sectorSize: number;
  private readonly csumSize: number;
  /** By MiB: runs inside it, ascending, never overlapping. */
  private readonly buckets = new Map<number, Run[]>();

  constructor(sectorSize: number, csumSize: number) {
    this.sectorSize = sectorSize;
    this.csumSize = csumSize;
  }

  get empty(): boolean {
    return this.buckets.size === 0;
  }

  /** Remembers the checksums of the sectors from `bytenr` on, in place of older ones. */
  add(bytenr: number, csums: Uint8Array): void {
    const end = bytenr + (csums.length / this.csumSize) * this.sectorSize;
    const whole: Run = { bytenr, end, csums };
    for (let at = bytenr; at < end; ) {
      const number = Math.floor(at / BUCKET);
      const stop = Math.min(end, (number + 1) * BUCKET);
      this.cut(number, at, stop);
      const runs = this.buckets.get(number) ?? [];
      if (runs.length === 0) this.buckets.set(number, runs);
      runs.splice(indexFrom(runs, at), 0, { bytenr: at, end: stop, csums: this.slice(whole, at, stop) });
      at = stop;
    }
  }

  /**
   * The checksums of a range, each buffer following the one before; they are forgotten here.
   * @throws FsError EIO if some of it was not written
   */
  take(bytenr: number, length: number): Uint8Array[] {
    const end = bytenr + length;
    const taken: Uint8Array[] = [];
    for (let at = bytenr; at < end; ) {
      const number = Math.floor(at / BUCKET);
      for (const run of this.cut(number, at, Math.min(end, (number + 1) * BUCKET))) {
        if (run.bytenr !== at) throw unknown(at);
        taken.push(run.csums);
        at = run.end;
      }
      if (at < end && Math.floor(at / BUCKET) === number) throw unknown(at);
    }
    return taken;
  }

  /** Copies what is known of a range to `into`, setting `present` a sector to 1. */
  lookup(bytenr: number, length: number, into: Uint8Array, present: Uint8Array): void {
    const end = bytenr + length;
    for (let number = Math.floor(bytenr / BUCKET); number * BUCKET < end; number++) {
      for (const run of this.buckets.get(number) ?? []) {
        const from = Math.max(run.bytenr, bytenr);
        const to = Math.min(run.end, end);
        if (from >= to) continue;
        into.set(this.slice(run, from, to), ((from - bytenr) / this.sectorSize) * this.csumSize);
        present.fill(1, (from - bytenr) / this.sectorSize, (to - bytenr) / this.sectorSize);
      }
    }
  }

  /** Removes and returns the parts of a bucket's runs that lie between two bytes. */
  private cut(number: number, from: number, to: number): Run[] {
    const runs = this.buckets.get(number);
    if (runs === undefined) return [];
    let first = indexFrom(runs, from);
    if (first > 0 && (runs[first - 1] as Run).end > from) first--;
    let last = first;
    const kept: Run[] = [];
    const taken: Run[] = [];
    for (; last < runs.length && (runs[last] as Run).bytenr < to; last++) {
      const run = runs[last] as Run;
      if (run.bytenr < from) kept.push(this.part(run, run.bytenr, from));
      taken.push(this.part(run, Math.max(run.bytenr, from), Math.min(run.end, to)));
      if (run.end > to) kept.push(this.part(run, to, run.end));
    }
    if (last > first) runs.splice(first, last - first, ...kept);
    if (runs.length === 0) this.buckets.delete(number);
    return taken;
  }

  private part(run: Run, from: number, to: number): Run {
    return from === run.bytenr && to === run.end ? run : { bytenr: from, end: to, csums: this.slice(run, from, to) };
  }

  private slice(run: Run, from: number, to: number): Uint8Array {
    const scale = this.csumSize / this.sectorSize;
    return run.csums.subarray((from - run.bytenr) * scale, (to - run.bytenr) * scale);
  }
}

/** Index of the first run that starts at or after a byte. */
function indexFrom(runs: readonly Run[], bytenr: number): number {
  let low = 0;
  let high = runs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((runs[middle] as Run).bytenr < bytenr) low = middle + 1;
    else high = middle;
  }
  return low;
}

function unknown(bytenr: number): FsError {
  return new FsError('EIO', { detail: `logical ${bytenr} was not written with checksums` });
}
