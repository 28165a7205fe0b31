/**
 * `ulimit -f` holds for files inside an image as for those of a mounted one, says Linux's xfs_io; the image itself may
 * be larger.
 */
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { makeBtrfs, missingBtrfsJudges, withBtrfs } from '../harness/btrfs-judge.ts';
import { missingFsio } from '../harness/fsio.ts';
import { copyImage, makeXfs, missingJudges, repairComplaints, run, withMount } from '../harness/kernel.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('file size limit', missingFsio() ?? missingJudges() ?? missingBtrfsJudges());
const FSIO = [process.execPath, join(process.cwd(), 'dist', 'fsio.js')];

/** Runs under a limit of 1 MiB, with its signal ignored; what it says, without times and places. */
function limited(file: string, words: readonly string[]): string {
  const script = 'trap "" XFSZ; ulimit -S -f 1024; exec "$@"';
  const { stdout, stderr, status } = run('bash', ['-c', script, 'bash', ...words, file]);
  const text = `${stdout}${stderr}`.replaceAll(file, 'FILE').replace(/^.* ops; .*\n/gm, '');
  return `${text}status ${status}`;
}

const CASES: readonly (readonly string[])[] = [
  ['-f', '-c', 'pwrite 0 4k', '-c', 'pwrite 1m 4k', '-c', 'stat -v'],
  ['-f', '-c', 'pwrite 1000k 100k', '-c', 'pwrite 2m 1'],
  ['-f', '-c', 'pwrite -b 4k 1000k 100k'],
  ['-f', '-c', 'truncate 1m', '-c', 'truncate 1048577', '-c', 'truncate 4k'],
  ['-f', '-c', 'falloc 0 1m', '-c', 'falloc 0 1025k', '-c', 'falloc -k 0 2m'],
  ['-f', '-c', 'fzero 0 1m', '-c', 'fzero 0 1025k', '-c', 'fzero -k 0 2m', '-c', 'fpunch 1m 1m'],
];

/** The lines about size; where blocks are and when is not meant here. */
const about = (text: string): string =>
  text
    .split('\n')
    .filter((line) => !/^(stat\.|fsxattr|dioattr|statx)/.test(line) || /stat\.size/.test(line))
    .join('\n');

function compare(image: string, mounted: (use: (dir: string) => void) => void): void {
  const ours = CASES.map((words, i) => about(limited(`${image}:/f${i}`, [...FSIO, ...words])));
  mounted((dir) => {
    for (const [i, words] of CASES.entries())
      assert.is(ours[i], about(limited(join(dir, `k${i}`), ['xfs_io', ...words])), words.join(' '));
    for (const [i] of CASES.entries())
      assert.is(run('cmp', [join(dir, `f${i}`), join(dir, `k${i}`)]).stdout, '', `content of case ${i}`);
  });
}

test('on XFS', () => {
  const dir = scratch(true);
  const image = copyImage(makeXfs(join(dir, 'empty.img')), join(dir, 'xfs.img'));
  compare(image, (use) => withMount(image, use));
  assert.equal(repairComplaints(image), []);
});

test('on btrfs', () => {
  const [image] = makeBtrfs(scratch(true), { name: 'default', args: [] }) as [string];
  compare(image, (use) => withBtrfs([image], use));
});

test.run();
