/** The same sessions through xfs_io in the kernel and through fsio on an unmounted copy, compared in every respect. */
import { createHash } from 'node:crypto';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { comparable, firstDifference } from '../harness/compare-output.ts';
import { fsio } from '../harness/fsio.ts';
import { copyImage, makeXfs, repairComplaints, withMount, xfsIo } from '../harness/kernel.ts';
import { FILES } from '../harness/random-script.ts';
import { scratch } from '../harness/scratch.ts';
import type { Variant } from '../harness/variants.ts';

/** A script: the lines of one xfs_io session, `{d}` standing for the folder of the files. */
export type Session = readonly string[];

/**
 * Runs the sessions on a fresh image. Returns what differs first — output, bytes, sizes, a complaint of xfs_repair, a
 * mount that Linux refuses — or null.
 */
export function sideBySide(variant: Variant, sessions: readonly Session[]): string | null {
  const dir = scratch(true);
  try {
    const theirs = makeXfs(join(dir, 'kernel.img'), variant);
    const ours = copyImage(theirs, join(dir, 'fsio.img'));
    for (const [number, lines] of sessions.entries()) {
      const fault = compareSession(theirs, ours, `${lines.join('\n')}\n`);
      if (fault !== null) return `session ${number + 1}: ${fault}`;
    }
    const complaints = repairComplaints(ours);
    return complaints.length === 0 ? null : `xfs_repair after Linux mounted it: ${complaints.join('\n')}`;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function compareSession(theirs: string, ours: string, script: string): string | null {
  const wanted = withMount(theirs, (mount) => {
    const outcome = xfsIo(script.replaceAll('{d}', mount));
    return { out: comparable(outcome.stdout, mount), err: comparable(outcome.stderr, mount) };
  });
  const got = fsio([ours], script.replaceAll('{d}', ''));
  const difference =
    firstDifference(comparable(got.stdout), wanted.out) ?? firstDifference(comparable(got.stderr), wanted.err);
  if (difference !== null) return `output differs at ${difference}`;
  const complaints = repairComplaints(ours);
  if (complaints.length > 0) return `xfs_repair: ${complaints.slice(0, 12).join('\n')}`;
  return firstDifference(withMount(ours, contents), withMount(theirs, contents));
}

/** Size and hash of each file, as Linux reads it. */
function contents(dir: string): string[] {
  return FILES.map((file) => {
    const path = join(dir, file);
    const size = statSync(path, { throwIfNoEntry: false })?.size;
    if (size === undefined) return `${file}: missing`;
    return `${file}: ${size} bytes, sha256 ${createHash('sha256').update(readFileSync(path)).digest('hex')}`;
  });
}

/** A shorter list of sessions that still differs; takes as long as it takes. */
export function reduce(variant: Variant, sessions: readonly Session[]): { sessions: Session[]; fault: string } {
  let best = sessions.map((lines) => [...lines]);
  let fault = sideBySide(variant, best) ?? 'the difference does not happen again';
  const attempt = (candidate: string[][]): boolean => {
    const found = sideBySide(variant, candidate);
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
