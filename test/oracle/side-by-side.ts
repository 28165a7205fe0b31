/** The same sessions through xfs_io in the kernel and through fsio on an unmounted copy, compared in every respect. */
import { createHash } from 'node:crypto';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { comparable, firstDifference } from '../harness/compare-output.ts';
import { fsioInside } from '../harness/fsio-inside.ts';
import { copyImage, makeXfs, repairComplaints, run, withMount, xfsIo } from '../harness/kernel.ts';
import { FILES } from '../harness/random-script.ts';
import { scratch } from '../harness/scratch.ts';
import type { Variant } from '../harness/variants.ts';

/** A script: the lines of one xfs_io session, `{d}` standing for the folder of the files. */
export type Session = readonly string[];

/** The judges of one kind of file system; what they work on is `I`. */
export interface Judges<I> {
  /** A fresh file system in `dir`. */
  make(dir: string): I;
  copy(image: I, dir: string): I;
  mounted<T>(image: I, use: (dir: string) => T): T;
  /** What the checker says beyond its routine. */
  complaints(image: I): string[];
  /** Arguments of fsio that name the image, and where the files are in it. */
  readonly args: (image: I) => readonly string[];
  readonly folder: string;
  /** Before each session but the first, on the kernel's mount of either side. */
  between?(dir: string, session: number): void;
  /** Whether holes, shared extents and the number of blocks must be the same too. */
  readonly shapes: boolean;
}

/** XFS's: one image. */
export function xfsJudges(variant: Variant): Judges<string> {
  return {
    make: (dir) => makeXfs(join(dir, 'kernel.img'), variant),
    copy: (image, dir) => copyImage(image, join(dir, 'fsio.img')),
    mounted: withMount,
    complaints: repairComplaints,
    args: (image) => [image],
    folder: '',
    shapes: false,
  };
}

/**
 * Runs the sessions on a fresh image. Returns what differs first — output, bytes, sizes, a complaint of the checker, a
 * mount that Linux refuses — or null.
 */
export function sideBySide<I>(judges: Judges<I>, sessions: readonly Session[]): string | null {
  const dir = scratch(true);
  try {
    const theirs = judges.make(dir);
    const ours = judges.copy(theirs, dir);
    for (const [number, lines] of sessions.entries()) {
      const fault = compareSession(judges, theirs, ours, `${lines.join('\n')}\n`, number);
      if (fault !== null) return `session ${number + 1}: ${fault}`;
    }
    const complaints = judges.complaints(ours);
    return complaints.length === 0 ? null : `the checker after Linux mounted it: ${complaints.join('\n')}`;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/**
 * Where an unwritten extent ends within a page that has data behind it, Linux finds data at the extent's end, and a
 * hole at the same place: xfs_io calls that invalid and stops looking. Then only the files are compared.
 */
function compareSession<I>(judges: Judges<I>, theirs: I, ours: I, script: string, number: number): string | null {
  const { between, folder } = judges;
  const wanted = judges.mounted(theirs, (mount) => {
    if (number > 0) between?.(mount, number);
    const at = `${mount}${folder}`;
    const outcome = xfsIo(script.replaceAll('{d}', at));
    return { out: comparable(outcome.stdout, at), err: comparable(outcome.stderr, at) };
  });
  if (number > 0 && between !== undefined) judges.mounted(ours, (mount) => between(mount, number));
  const got = fsioInside(judges.args(ours), script.replaceAll('{d}', folder));
  const difference = wanted.err.some((line) => line.startsWith('Invalid seek result'))
    ? null
    : (firstDifference(comparable(got.stdout, folder), wanted.out) ??
      firstDifference(comparable(got.stderr, folder), wanted.err));
  if (difference !== null) return `output differs at ${difference}`;
  const complaints = judges.complaints(ours);
  if (complaints.length > 0) return `the checker: ${complaints.slice(0, 12).join('\n')}`;
  const look = (mount: string): string[] => contents(`${mount}${folder}`, judges.shapes);
  return firstDifference(judges.mounted(ours, look), judges.mounted(theirs, look));
}

/** Size and hash of each file, as Linux reads it; and what it is made of. */
function contents(dir: string, shapes: boolean): string[] {
  return FILES.flatMap((file) => {
    const path = join(dir, file);
    const size = statSync(path, { throwIfNoEntry: false })?.size;
    if (size === undefined) return `${file}: missing`;
    const bytes = readFileSync(path);
    const line = `${file}: ${size} bytes, sha256 ${createHash('sha256').update(bytes).digest('hex')}`;
    return shapes ? [line, ...shape(path, bytes).map((part) => `${file}: ${part}`)] : line;
  });
}

/** FIEMAP_EXTENT_LAST says only where the list ends. */
const LAST = 1;
const BLOCK = 4096;

/**
 * Ranges and flags of a file's extents; where on the disk they are, and how many make up a range, is the allocator's.
 * A block of zeros may be a hole: whether Linux writes zeros into a hole depends on what it remembers of the hole.
 */
function shape(path: string, bytes: Uint8Array): string[] {
  const ranges: { start: number; end: number; kind: string }[] = [];
  const add = (start: number, end: number, kind: string): void => {
    const last = ranges.at(-1);
    if (last?.kind === kind && last.end === start) last.end = end;
    else ranges.push({ start, end, kind });
  };
  for (const line of run('xfs_io', ['-r', '-c', 'fiemap -v', path]).stdout.split('\n')) {
    const match = /^ *\d+: \[(\d+)\.\.(\d+)\]: +(hole|[\d.]+) +\d+ *(?:0x([0-9a-f]+))?$/.exec(line);
    if (match === null) continue;
    const start = Number(match[1]) * 512;
    const end = (Number(match[2]) + 1) * 512;
    const flags = match[3] === 'hole' ? 0 : Number.parseInt(match[4] as string, 16) & ~LAST;
    if (match[3] === 'hole') add(start, end, 'zeros');
    else if (flags !== 0) add(start, end, `flags ${flags.toString(16)}`);
    else {
      for (let at = start; at < end; at += BLOCK) {
        const block = bytes.subarray(at, at + BLOCK);
        add(at, Math.min(end, at + BLOCK), block.every((byte) => byte === 0) ? 'zeros' : 'data');
      }
    }
  }
  return ranges.map(({ start, end, kind }) => `[${start}, ${end}) ${kind}`);
}

/** A shorter list of sessions that still differs; takes as long as it takes. */
export function reduce<I>(judges: Judges<I>, sessions: readonly Session[]): { sessions: Session[]; fault: string } {
  let best = sessions.map((lines) => [...lines]);
  let fault = sideBySide(judges, best) ?? 'the difference does not happen again';
  const attempt = (candidate: string[][]): boolean => {
    const found = sideBySide(judges, candidate);
    if (found === null) return false;
    best = candidate;
    fault = found;
    return true;
  };
  for (let i = best.length - 1; i >= 0; i--) attempt(best.filter((_, index) => index !== i));
  for (let step = 16; step >= 1; step = Math.floor(step / 2)) {
    for (let session = 0; session < best.length; session++) {
      for (let at = (best[session] as string[]).length - step; at >= 0; at -= step) {
        attempt(best.map((lines, index) => (index === session ? lines.toSpliced(at, step) : lines)));
        at = Math.min(at, (best[session] as string[]).length);
      }
    }
  }
  return { sessions: best, fault };
}
