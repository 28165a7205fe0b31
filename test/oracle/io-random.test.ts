// time limit: 200 s
/**
 * Sessions of random lines through xfs_io on a mounted copy and fsio on an unmounted one: the answers of each line, the
 * exit status, and in the end every file's bytes, owner and mode. FSIO_LONG makes a campaign of it.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { missingBtrfsJudges } from '../harness/btrfs-judge.ts';
import { comparable, firstDifference } from '../harness/compare-output.ts';
import { missingFsio } from '../harness/fsio.ts';
import { fsioInside } from '../harness/fsio-inside.ts';
import { copyImage, missingJudges, must, type Outcome, run } from '../harness/kernel.ts';
import { announceSeed, Random, rounds } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';
import { VARIANTS } from '../harness/variants.ts';
import { type Format, preparedBtrfs, preparedXfs } from './io-compare.ts';
import { randomLine } from './random-words.ts';

const test = gatedSuite('random words', missingJudges() ?? missingBtrfsJudges() ?? missingFsio());
const seed = announceSeed('io-random');
const SESSIONS = rounds(16);
const LINES = 14;
const FILES = ['/small', '/holey', '/keep', '/empty', '/tail', '/frag', '/src', '/clone', '/part', '/dir', '/dir/file'];
const FLAGS = ['', '', '', '', '-r', '-d', '-a', '-s', '-f', '-n', '-x', '-t', '-rd'];
/** What a signal ends has its output lost with it, if that was not yet written. */
const SIGNALLED = 128;

/** Usage lines are our own words; times, free space and the device's number are the host's affair. */
const OWN =
  /^\w+ \[?.* -- |^(Queries|Bulk-queries|inode will be|If a given|Pass in| {3}-[a-z] | {4}root )|^stat\.(dev_m|[acmb]time|blocks)|^counts\.|^fsxattr\.nextents/;

/** The answers of each line: whatever a marker ends. */
function answers(text: string, place: string, format: Format): string[] {
  const lines = comparable(text.replaceAll(place, '')).filter((line) => line !== '' && !OWN.test(line));
  // The root of an image is "/", that of a mount the mount point.
  const plain = lines.map((line) => line.replace(/ \/$/, ''));
  if (format.type === 'xfs') return plain;
  // Into which extents btrfs puts what it writes depends on when it wrote.
  return plain.filter((line) => !/^\s+\d+: \[\d+\.\.\d+\]:/.test(line));
}

function sessionOf(random: Random) {
  const all = Array.from({ length: LINES }, () => randomLine(random));
  const flags = random
    .pick(FLAGS)
    .split(' ')
    .filter((flag) => flag !== '');
  // Under -r fsio changes nothing at all, where xfs_io still creates, empties and labels.
  const lines = flags.some((flag) => flag.includes('r')) ? all.filter((line) => !/^(open|label)/.test(line)) : all;
  const marked = lines.flatMap((line, i) => [line, `help marker${i}`, `marker${i}`]);
  return { lines, marked, flags, file: random.pick(FILES), script: random.oneIn(2) };
}

type Session = ReturnType<typeof sessionOf>;

const placed = (line: string, at: string) => line.replace(/ \/(?!etc\/)/g, ` ${at}/`);

function inputOf({ marked, script }: Session, at: string): { args: string[]; input: string } {
  const lines = marked.map((line) => placed(line, at));
  return script
    ? { args: [], input: `${lines.join('\n')}\n` }
    : { args: lines.flatMap((line) => ['-c', line]), input: '' };
}

/** Names, kinds, owners, sizes and bytes of all files. */
function contents(at: string): string[] {
  const list = `find . -path ./dir -o -printf '%p %y %m %U %G %s\\n' | grep -v '^\\. ' | sort`;
  return must('sh', '-c', `cd ${at}; ${list}; find . -type f -size -20M | sort | xargs sha256sum`).split('\n');
}

function compare(format: Format, session: Session, dir: string, look: boolean): string | null {
  const theirs = copyImage(format.base(), join(dir, 'kernel.img'));
  const ours = copyImage(format.base(), join(dir, 'fsio.img'));
  const kernel = format.mounted(theirs, (at) => {
    const { args, input } = inputOf(session, at);
    const outcome = run('xfs_io', [...session.flags, ...args, `${at}${session.file}`], { input, seconds: 20 });
    return { ...outcome, place: at };
  });
  if (kernel.status >= SIGNALLED) return null;
  const { args, input } = inputOf(session, '');
  const got = fsioInside([...session.flags, ...args, `${ours}:${session.file}`], input);
  const parts = (outcome: Outcome, place: string) => [
    ...answers(outcome.stdout, place, format),
    ...answers(outcome.stderr, place, format),
    `status ${outcome.status}`,
  ];
  const difference = firstDifference(parts(got, `${ours}:`), parts(kernel, kernel.place));
  if (difference !== null) return difference;
  if (!look || session.flags.some((flag) => flag.includes('r'))) return null;
  const complaints = format.complaints(ours);
  if (complaints.length > 0) return complaints.join('\n');
  return firstDifference(format.mounted(ours, contents), format.mounted(theirs, contents));
}

const FORMATS = [preparedXfs(VARIANTS[0] as (typeof VARIANTS)[number]), preparedBtrfs({ name: 'default', args: [] })];
for (const format of FORMATS)
  test(`${SESSIONS} sessions on ${format.type}`, () => {
    format.mounted(format.base(), (at) =>
      must('sh', '-ec', `cd ${at}; ln -s small link; ln -s none dangling; ln -s loop loop; sync`),
    );
    const dir = scratch(true);
    const failed: string[] = [];
    for (let round = 0; round < SESSIONS; round++) {
      const session = sessionOf(new Random(seed + round * 7919));
      const difference = compare(format, session, dir, round % 4 === 0);
      if (difference === null) continue;
      const how = `round ${round}: ${session.flags.join(' ')} ${session.file} ${session.script ? 'script' : '-c'}`;
      failed.push(`${how}\n${session.lines.join('\n')}\n${difference}`);
    }
    assert.is(failed.length, 0, failed.join('\n\n'));
    rmSync(dir, { recursive: true, force: true });
  });

test.run();
