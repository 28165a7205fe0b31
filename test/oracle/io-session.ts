/**
 * A session of many lines through xfs_io on a mounted copy and fsio on an unmounted one: the answers of each line, the
 * exit status, and in the end every file's bytes, owner, mode, extents, and which of its times changed.
 */
import { join } from 'node:path';
import { comparable, firstDifference } from '../harness/compare-output.ts';
import { fsioInside } from '../harness/fsio-inside.ts';
import { copyImage, must, type Outcome, run } from '../harness/kernel.ts';
import type { Random } from '../harness/random.ts';
import type { Format } from './io-compare.ts';
import { randomLine } from './random-words.ts';

/** What the two programs are told. */
export interface Session {
  readonly lines: readonly string[];
  readonly flags: readonly string[];
  readonly files: readonly string[];
  /** The lines come as a script from standard input. */
  readonly script: boolean;
  /** fsio gets the same paths as xfs_io: the mount point stands for the image (--at). */
  readonly places: boolean;
}

const FILES = ['/small', '/holey', '/keep', '/empty', '/tail', '/frag', '/src', '/clone', '/part', '/dir', '/dir/file'];
const FLAGS = [
  '',
  '',
  '',
  '',
  '-r',
  '-d',
  '-a',
  '-s',
  '-f',
  '-n',
  '-x',
  '-x',
  '-t',
  '-rd',
  '-ds',
  '-p foo',
  '-i',
  '-L',
];

export function randomSession(random: Random, length: number): Session {
  const all = Array.from({ length }, () => randomLine(random));
  const flags = random
    .pick(FLAGS)
    .split(' ')
    .filter((flag) => flag !== '');
  // Under -r fsio changes nothing at all, where xfs_io still creates, empties and labels.
  const script = random.oneIn(2);
  // A key is read from standard input, as the script is.
  const kept = script ? all.filter((line) => !line.startsWith('add_enckey')) : all;
  const lines = flags.some((flag) => flag.includes('r')) ? kept.filter((line) => !/^(open|label)/.test(line)) : kept;
  const files = random.oneIn(5) ? [random.pick(FILES), random.pick(FILES)] : [random.pick(FILES)];
  return { lines, flags, files, script, places: random.oneIn(4) };
}

/** What a signal ends has its output lost with it, if that was not yet written. */
const SIGNALLED = 128;

/** Usage lines are our own words; times, free space and the device's number are the host's affair. */
const OWN =
  /^(?!invalid |no such )\w+ \[?.* -- |^(Queries|Bulk-queries|inode will be|If a given|Pass in| {3}-[a-z] | {4}root )|^stat\.(dev_m|[acmb]time)|^counts\.|^statfs\.f_(bfree|bavail|files|ffree)|^utime:|^stime:|^crc32c: tests passed/;

/** The answers of each line: whatever a marker ends. */
function answers(text: string, place: string, format: Format): string[] {
  const lines = comparable(text.replaceAll(place, '')).filter((line) => line !== '' && !OWN.test(line));
  // The root of an image is "/", that of a mount the mount point.
  const plain = lines.map((line) => line.replace(/ \/$/, '').replace(/^(\s*\d+[:,]) ?7[:,]\d+\b/, '$1'));
  if (format.type === 'xfs') return plain;
  // Into which extents btrfs puts what it writes depends on when it wrote.
  return plain.filter((line) => !/^\s+\d+: \[\d+\.\.\d+\]:/.test(line));
}

const placed = (line: string, at: string) => line.replace(/ \/(?!etc\/)/g, ` ${at}/`);

function inputOf({ lines: all, script }: Session, at: string): { args: string[]; input: string } {
  const lines = all.flatMap((line, i) => [placed(line, at), `help marker${i}`, `marker${i}`]);
  return script
    ? { args: [], input: `${lines.join('\n')}\n` }
    : { args: lines.flatMap((line) => ['-c', line]), input: '' };
}

/** Names, kinds, owners, sizes and bytes of all files; where they lie; which of their times are new (not the
 * access times: reading leaves an image alone). */
function contents(at: string, since: number, format: Format): string[] {
  const shell = (line: string): string[] => must('sh', '-c', `cd ${at}; ${line}`).trim().split('\n');
  const found = shell(`find . -path ./dir -o -printf '%p %y %m %U %G %s/%T@/%C@\\n' | grep -v '^\\. ' | sort`);
  const names = found.map((line) => {
    const words = line.split('/');
    const times = words.splice(-2).map((time, i) => (Number(time) >= since ? 'mc'[i] : '-'));
    return `${words.join('/')} ${times.join('')}`;
  });
  const sums = shell('find . -type f -size -20M | sort | xargs sha256sum');
  const maps = shell("find . -type f | sort | while read f; do xfs_io -r -c 'fiemap -v' $f; done");
  return [...names, ...sums, ...(format.type === 'xfs' ? maps : [])];
}

/** What differs first, or null; with `look` also in what is left of the files. */
export function compareSession(format: Format, session: Session, dir: string, look: boolean): string | null {
  const theirs = copyImage(format.base(), join(dir, 'kernel.img'));
  const ours = copyImage(format.base(), join(dir, 'fsio.img'));
  const started = Date.now() / 1000 - 1;
  const kernel = format.mounted(theirs, (at) => {
    const { args, input } = inputOf(session, at);
    const files = session.files.map((file) => `${at}${file}`);
    const outcome = run('xfs_io', [...session.flags, ...args, ...files], { input, seconds: 20 });
    return { ...outcome, place: at };
  });
  if (kernel.status >= SIGNALLED) return null;
  const place = session.places ? kernel.place : `${ours}:`;
  const { args, input } = inputOf(session, session.places ? place : '');
  const places = session.places ? ['--at', `${place}=${ours}`] : [];
  const files = session.files.map((file) => `${place}${file}`);
  const got = fsioInside([...places, ...session.flags, ...args, ...files], input);
  const parts = (outcome: Outcome, place: string) => [
    ...answers(outcome.stdout, place, format),
    ...answers(outcome.stderr, place, format),
    `status ${outcome.status}`,
  ];
  const difference = firstDifference(parts(got, place), parts(kernel, kernel.place));
  if (difference !== null) return difference;
  if (!look || session.flags.some((flag) => flag.includes('r'))) return null;
  const complaints = format.complaints(ours);
  if (complaints.length > 0) return complaints.join('\n');
  const all = (at: string) => contents(at, started, format);
  const left = firstDifference(format.mounted(ours, all, 'ro'), format.mounted(theirs, all, 'ro'));
  return left === null ? null : `left in the end: ${left}`;
}
