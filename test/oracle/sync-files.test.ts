/**
 * What is durable at once of a file on XFS that was opened with -s, or has the flag for it, and what can wait: after a
 * shutdown that flushes nothing, Linux and fsio leave the same file.
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { fsio, missingFsio } from '../harness/fsio.ts';
import { copyImage, makeXfs, missingJudges, must, repairComplaints, run, withMount } from '../harness/kernel.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('files with O_SYNC', missingFsio() ?? missingJudges());
const dir = scratch(true);
const image = join(dir, 'before.img');

/** File and command; SOURCE is a further file. */
const CASES: readonly (readonly [file: string, command: string])[] = [
  ['empty', 'pwrite -q 0 4k'],
  ['empty', 'falloc 0 64k'],
  ['empty', 'reflink SOURCE'],
  ['empty', 'copy_range SOURCE'],
  ['full', 'fpunch 0 64k'],
  ['full', 'fzero 0 64k'],
  ['full', 'fcollapse 0 64k'],
  ['full', 'finsert 0 64k'],
  ['full', 'truncate 100'],
  ['full', 'dedupe SOURCE 0 0 1m'],
  ['flagged', 'pwrite -q 0 4k'],
  ['flagged', 'falloc 0 64k'],
  ['flagged', 'reflink SOURCE'],
];

test.before(() => {
  makeXfs(image);
  withMount(image, (mounted) => {
    for (const name of ['source', 'full']) must('xfs_io', '-f', '-c', 'pwrite -q -S 0x58 0 1m', join(mounted, name));
    must('xfs_io', '-f', '-c', 'close', join(mounted, 'empty'));
    must('xfs_io', '-f', '-c', 'chattr +s', join(mounted, 'flagged'));
  });
});

/** What Linux finds after recovery. */
function left(path: string, file: string): string {
  return withMount(path, (mounted) => {
    const { size, blocks } = statSync(join(mounted, file));
    const bytes = readFileSync(join(mounted, file));
    return `${size} bytes, ${blocks} blocks, ${bytes.filter((byte) => byte !== 0).length} of them not 0`;
  });
}

for (const flags of [['-s'], []])
  for (const [file, command] of CASES)
    test(`${flags.join('')} ${command} on ${file}`, () => {
      const linux = copyImage(image, join(dir, 'linux.img'));
      const words = ['-x', ...flags, '-c'];
      withMount(linux, (mounted) => {
        run('xfs_io', [
          ...words,
          command.replace('SOURCE', join(mounted, 'source')),
          '-c',
          'shutdown',
          join(mounted, file),
        ]);
      });
      const ours = copyImage(image, join(dir, 'ours.img'));
      fsio([...words, command.replace('SOURCE', '/source'), '-c', 'shutdown', `${ours}:/${file}`]);
      assert.is(left(ours, file), left(linux, file));
      assert.equal(repairComplaints(ours), []);
    });

test.run();
