// time limit: 60 s
/**
 * The program alone, without the packages that npm puts beside it: what it can do by itself it does, and what it cannot
 * is refused by the name of the package, before a byte is written.
 */
import { createHash } from 'node:crypto';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { checkComplaints, makeBtrfs, missingBtrfsJudges } from '../harness/btrfs-judge.ts';
import { missingFsio } from '../harness/fsio.ts';
import { makeXfs, missingJudges, type Outcome, repairComplaints, run } from '../harness/kernel.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite(
  'without kept libraries',
  missingJudges() ?? missingBtrfsJudges() ?? missingFsio() ?? (process.env.FSIO_PROGRAM ? 'another program' : null),
);
const dir = scratch(true);
const alone = join(dir, 'alone');

function fsio(...args: string[]): Outcome {
  cpSync(join(process.cwd(), 'dist'), alone, { recursive: true });
  return run(process.execPath, [join(alone, 'fsio.js'), ...args]);
}

test('XFS is written, however much there is to checksum', () => {
  const image = makeXfs(join(dir, 'xfs.img'));
  const names = Array.from({ length: 300 }, (_, i) => ['-c', `open -f /f${i}`, '-c', 'pwrite -q 0 4k', '-c', 'close']);
  const outcome = fsio('-f', ...names.flat(), `${image}:/first`);
  assert.is(outcome.stderr, '');
  assert.is(outcome.status, 0);
  assert.equal(repairComplaints(image), []);
});

test('btrfs with crc32c is written, zstd apart', () => {
  const [image = ''] = makeBtrfs(join(dir), { name: 'default', args: [] });
  const outcome = fsio('-f', '--compress', 'zstd', '-c', 'pwrite -q 0 8m', '-c', 'pread 8000k 4k', `${image}:/first`);
  assert.is(outcome.stderr, '');
  assert.match(outcome.stdout, /^read 4096\/4096 bytes/);
  assert.equal(checkComplaints([image], true), []);
});

test('btrfs with a checksum that it has not is refused by name, and left alone', () => {
  const [image = ''] = makeBtrfs(dir, { name: 'xxhash', args: ['--csum', 'xxhash'] });
  const digest = () => createHash('sha256').update(readFileSync(image)).digest('hex');
  const before = digest();
  const outcome = fsio('-f', '-c', 'pwrite 0 4k', `${image}:/first`);
  assert.is(outcome.status, 1);
  assert.match(outcome.stderr, /shared library: the npm package @node-rs\/xxhash is not installed/);
  assert.is(digest(), before);
});

test.run();
