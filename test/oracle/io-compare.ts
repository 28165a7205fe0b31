/**
 * One list of commands through xfs_io on a mounted copy and through fsio on an unmounted copy of an image that Linux
 * made: the same lines on standard output and standard error, the same exit status. The file system is XFS or btrfs.
 */
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { type BtrfsVariant, checkComplaints, makeBtrfs, withBtrfs } from '../harness/btrfs-judge.ts';
import { comparable, firstDifference } from '../harness/compare-output.ts';
import { fsio } from '../harness/fsio.ts';
import { fsioInside } from '../harness/fsio-inside.ts';
import { copyImage, makeXfs, must, repairComplaints, run, withMount, xfsIo } from '../harness/kernel.ts';
import { scratch } from '../harness/scratch.ts';
import { hasReflink, type Variant } from '../harness/variants.ts';

/** Written and unwritten extents in turn: more than an inode holds. */
const PIECES = `falloc 0 4m
${Array.from({ length: 32 }, (_, i) => `pwrite -q -S 0x48 ${i * 131072} 65536`).join('\n')}`;

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
open -f {d}/pieces
${PIECES}
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
open -f {d}/shared
${PIECES}
reflink {d}/src 0 1m 300k
fsync
`;
/** A directory; made last, so that the others lie where they always did. */
const SETUP_NAMES = 'cd {d}; mkdir dir; echo inside > dir/file; chmod 644 dir/file';

/** A file, xfs_io's options, and commands; ` /` in a command begins a path of the image. */
export interface Case {
  readonly path: string;
  readonly commands: readonly string[];
  readonly flags?: readonly string[];
  readonly reflink?: boolean;
  /** What Linux does in the mounted image before the copies are taken: lines for the shell. */
  readonly setup?: string;
  /** Further files, opened after the first. */
  readonly more?: readonly string[];
  /** The commands come as a script from standard input. */
  readonly script?: true;
  /** By the program as it is installed, not within this process. */
  readonly program?: true;
  /** It makes sense on this file system alone. */
  readonly only?: Format['type'];
}

/** A file system in an image, with the files of SETUP. */
export interface Format {
  readonly type: 'xfs' | 'btrfs';
  /** The image, made when first asked for. */
  base(): string;
  mounted<T>(image: string, use: (dir: string) => T, options?: string): T;
  complaints(image: string): string[];
  readonly reflink: boolean;
}

/** XFS of this kind. */
export function preparedXfs(variant: Variant): Format {
  const reflink = hasReflink(variant);
  const base = prepared((dir) => makeXfs(join(dir, 'base.img'), variant), withMount, reflink);
  return { type: 'xfs', base, mounted: withMount, complaints: repairComplaints, reflink };
}

/** btrfs of this kind, on one device. */
export function preparedBtrfs(variant: BtrfsVariant): Format {
  const mounted = <T>(image: string, use: (dir: string) => T, options?: string) => withBtrfs([image], use, options);
  const base = prepared((dir) => makeBtrfs(dir, variant)[0] as string, mounted, true);
  return { type: 'btrfs', base, mounted, complaints: (image) => checkComplaints([image]), reflink: true };
}

function prepared(make: (dir: string) => string, mounted: Format['mounted'], reflink: boolean): () => string {
  let image: string | null = null;
  return () => {
    if (image !== null) return image;
    image = make(scratch(true));
    mounted(image, (mount) => {
      const script = reflink ? SETUP + SETUP_REFLINK : SETUP;
      xfsIo(script.replaceAll('{d}', mount));
      must('sh', '-ec', SETUP_NAMES.replaceAll('{d}', mount));
      must('sync');
    });
    return image;
  };
}

/** Standard output, standard error and status of both. */
interface Sides {
  readonly kernel: string[][];
  readonly ours: string[][];
  readonly image: string;
}

let folder: string | undefined;

/** Standard output and error of the commands on a file, from xfs_io and from fsio. */
function both(format: Format, one: Case): Sides {
  folder ??= scratch(true);
  const dir = folder;
  const base = one.setup === undefined ? format.base() : copyImage(format.base(), join(dir, 'base.img'));
  if (one.setup !== undefined) format.mounted(base, (at) => must('sh', '-ec', `cd ${at}; ${one.setup}; sync`));
  const theirs = copyImage(base, join(dir, 'kernel.img'));
  const image = copyImage(base, join(dir, 'fsio.img'));
  const lines = (place: string) =>
    one.commands.map((command) => command.replace(/ \/(?=\w|$| )(?!etc\/|nonexistent)/g, ` ${place}/`));
  const words = (place: string) => (one.script ? [] : lines(place).flatMap((command) => ['-c', command]));
  const input = (place: string) => (one.script ? `${lines(place).join('\n')}\n` : '');
  const paths = [one.path, ...(one.more ?? [])];
  const kernel = format.mounted(theirs, (mount) => {
    const targets = paths.map((path) => `${mount}${path}`);
    const outcome = run('xfs_io', [...(one.flags ?? []), ...words(mount), ...targets], { input: input(mount) });
    return [comparable(outcome.stdout, mount), comparable(outcome.stderr, mount), [`status ${outcome.status}`]];
  });
  const targets = paths.map((path) => `${image}:${path}`);
  const outcome = (one.program ? fsio : fsioInside)([...(one.flags ?? []), ...words(''), ...targets], input(''));
  const prefix = `${image}:`;
  const ours = [comparable(outcome.stdout, prefix), comparable(outcome.stderr, prefix), [`status ${outcome.status}`]];
  return { kernel, ours, image };
}

const wobbly =
  /^stat\.(atime|ctime|mtime|btime)|^stat\.blocks|^counts\.|^f_?bavail|^f_?bfree|^f_?ffree|^f_?files|^f_?fsid/;

/** Usage lines are our own words; the device that a mount lies on is the host's affair. */
const ownWords = /^\w+ \[?.* -- |^stat\.dev_m|^(Bus error|Segmentation fault)$/;

/** Where fsio differs from xfs_io, or what the file system's own checker complains of: one text each. */
export function differences(format: Format, one: Case): string[] {
  const { kernel, ours, image } = both(format, one);
  const changes = !one.flags?.includes('-r');
  const steady = (lines: readonly string[] = []) =>
    lines
      .filter((line) => !ownWords.test(line) && !(changes && wobbly.test(line)))
      // The root of an image is "/", that of a mount the mount point.
      .map((line) => line.replace(/ \/$/, ''));
  const found: string[] = [];
  for (const [index, stream] of ['stdout', 'stderr', 'exit'].entries()) {
    const difference = firstDifference(steady(ours[index]), steady(kernel[index]));
    if (difference !== null) found.push(`${stream} differs at ${difference}`);
  }
  return changes ? [...found, ...format.complaints(image)] : found;
}

/** @throws Error where fsio differs from xfs_io */
export function compare(format: Format, one: Case): void {
  const label = `${one.flags?.join(' ') ?? ''} ${one.commands.map((command) => `-c '${command}'`).join(' ')} ${one.path}`;
  assert.equal(differences(format, one), [], label);
}
