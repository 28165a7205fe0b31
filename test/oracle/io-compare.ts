/**
 * One list of commands through xfs_io on a mounted copy and through fsio on an unmounted copy of an image that Linux
 * made: the same lines on standard output and standard error, the same exit status.
 */
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { comparable, firstDifference } from '../harness/compare-output.ts';
import { fsio } from '../harness/fsio.ts';
import { copyImage, makeXfs, must, repairComplaints, run, withMount, xfsIo } from '../harness/kernel.ts';
import { scratch } from '../harness/scratch.ts';
import { hasReflink, type Variant } from '../harness/variants.ts';

/** What Linux puts into the image first; `{d}` is the mount point. */
const SETUP = `
open -f {d}/small
pwrite -S 0x41 0 5000
open -f {d}/holey
pwrite -S 0x41 0 64k
pwrite -S 0x42 128k 64k
falloc 256k 64k
open -f {d}/keep
pwrite -S 0x43 0 6000
falloc -k 64k 256k
open -f {d}/far
pwrite -S 0x44 5g 3000
open -f {d}/empty
open -f {d}/tail
truncate 100000
open -f {d}/frag
${Array.from({ length: 60 }, (_, i) => `pwrite -q -S 0x45 ${(59 - i) * 131072} 65536\nfsync`).join('\n')}
`;
const SETUP_REFLINK = `
open -f {d}/src
pwrite -S 0x46 0 512k
fsync
open -f {d}/clone
reflink {d}/src
open -f {d}/part
reflink {d}/src 64k 192k 128k
pwrite -S 0x47 256k 5000
fsync
`;

/** A file, xfs_io's options, and commands; ` /` in a command begins a path of the image. */
export interface Case {
  readonly path: string;
  readonly commands: readonly string[];
  readonly flags?: readonly string[];
  readonly reflink?: boolean;
  /** Further files, opened after the first. */
  readonly more?: readonly string[];
}

/** An image of this kind with the files of SETUP, made once. */
export function preparedImage(variant: Variant): () => string {
  const base = join(scratch(true), 'base.img');
  let made = false;
  return () => {
    if (made) return base;
    makeXfs(base, variant);
    withMount(base, (mount) => {
      const script = hasReflink(variant) ? SETUP + SETUP_REFLINK : SETUP;
      xfsIo(script.replaceAll('{d}', mount));
      must('sync');
    });
    made = true;
    return base;
  };
}

/** Standard output and error of the commands on a file, from xfs_io and from fsio. */
function both(base: string, one: Case): { kernel: string[][]; ours: string[][]; image: string } {
  const dir = scratch(true);
  const theirs = copyImage(base, join(dir, 'kernel.img'));
  const image = copyImage(base, join(dir, 'fsio.img'));
  const options = (place: string) =>
    one.commands.flatMap((command) => ['-c', command.replace(/ \/(?=\w|$| )(?!etc\/|nonexistent)/g, ` ${place}/`)]);
  const kernel = withMount(theirs, (mount) => {
    const targets = [one.path, ...(one.more ?? [])].map((path) => `${mount}${path}`);
    const outcome = run('xfs_io', [...(one.flags ?? []), ...options(mount), ...targets]);
    return [comparable(outcome.stdout, mount), comparable(outcome.stderr, mount), [`status ${outcome.status}`]];
  });
  const targets = [one.path, ...(one.more ?? [])].map((path) => `${image}:${path}`);
  const outcome = fsio([...(one.flags ?? []), ...options(''), ...targets]);
  const prefix = `${image}:`;
  const ours = [comparable(outcome.stdout, prefix), comparable(outcome.stderr, prefix), [`status ${outcome.status}`]];
  return { kernel, ours, image };
}

const wobbly =
  /^stat\.(atime|ctime|mtime|btime)|^stat\.blocks|^counts\.|^f_?bavail|^f_?bfree|^f_?ffree|^f_?files|^f_?fsid/;

/** Usage lines are our own words; the device that a mount lies on is the host's affair. */
const ownWords = /^\w+ \[?.* -- |^stat\.dev_m|^(Bus error|Segmentation fault)$/;

/** @throws Error where fsio differs from xfs_io */
export function compare(base: string, one: Case): void {
  const { kernel, ours, image } = both(base, one);
  const changes = !one.flags?.includes('-r');
  const steady = (lines: readonly string[] = []) =>
    lines
      .filter((line) => !ownWords.test(line) && !(changes && wobbly.test(line)))
      // The root of an image is "/", that of a mount the mount point.
      .map((line) => line.replace(/ \/$/, ''));
  const label = `${one.flags?.join(' ') ?? ''} ${one.commands.map((command) => `-c '${command}'`).join(' ')} ${one.path}`;
  for (const [index, stream] of ['stdout', 'stderr', 'exit'].entries()) {
    const difference = firstDifference(steady(ours[index]), steady(kernel[index]));
    assert.is(difference, null, `${label}: ${stream} differs at ${difference}`);
  }
  if (changes) assert.equal(repairComplaints(image), [], label);
}
