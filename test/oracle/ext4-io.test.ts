/**
 * What xfs_io says of files on a mounted ext3 or ext4, word for word: mappings as Linux tells them before and after it has
 * looked at them, inline files, attributes, directories.
 */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { makeExt4, missingExt4Judges } from '../harness/ext4-judge.ts';
import { fsio, missingFsio } from '../harness/fsio.ts';
import { must, run, withLoop, xfsIo } from '../harness/kernel.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('xfs_io on ext3 and ext4', missingExt4Judges() ?? missingFsio());
const dir = scratch(true);

const MAPS = [
  ['fiemap'],
  ['fiemap -v', 'fiemap -v'],
  ['fiemap 700k', 'fiemap'],
  ['fiemap 100000 2m', 'fiemap 0 1m', 'fiemap -v'],
  ['pread -q 300k 4k', 'fiemap -v'],
  ['fiemap -n 3', 'fiemap -v 4097 1'],
  ['seek -a -r 0', 'seek -h 5', 'seek -d 100000'],
  ['fiemap -a -v', 'fiemap -v 60'],
];
const FACTS = [['stat', 'stat -v', 'stat -r', 'statx -r', 'lsattr', 'lsattr -v', 'lsproj', 'getversion']];

/** What cannot be the same: timings, the numbers of devices, when it was last read, that it is a mount. */
function comparable(text: string, name: string): string[] {
  const lines = text.split('\n').filter((line) => !/\/sec|dev_m|atime|stat\.attributes =/.test(line));
  return lines.map((line) => line.replace(name, 'FILE'));
}

function compare(image: string, paths: readonly string[], sessions: readonly (readonly string[])[]): void {
  for (const path of paths)
    for (const commands of sessions) {
      const words = commands.flatMap((command) => ['-c', command]);
      // A fresh mount each time: what Linux has looked at makes a difference.
      const theirs = withLoop(
        image,
        (at) => {
          const { stdout, stderr } = run('xfs_io', ['-r', ...words, `${at}${path}`]);
          return comparable(stdout + stderr, `${at}${path}`);
        },
        'ro',
      );
      const { stdout, stderr } = fsio(['-r', ...words, `${image}:${path}`]);
      assert.equal(comparable(stdout + stderr, `${image}:${path}`), theirs, `${path}: ${commands.join(', ')}`);
    }
}

test('mappings of extents: in one leaf, in several, longer than an extent can be', () => {
  const image = makeExt4(join(dir, 'extents.img'), { args: ['-t', 'ext4', '-b', '4096'], bytes: 2 ** 30 });
  withLoop(image, (at) => {
    xfsIo('falloc 0 400m', '-f', join(at, 'long'));
    const scattered = Array.from({ length: 700 }, (_, i) => `pwrite -q ${i * 8192} ${i % 3 === 0 ? 8192 : 4096}`);
    xfsIo(['falloc 0 6m', ...scattered, 'fsync'].join('\n'), '-f', join(at, 'scattered'));
  });
  compare(image, ['/long', '/scattered'], MAPS);
});

test('mappings of block numbers', () => {
  const image = makeExt4(join(dir, 'numbers.img'), { args: ['-t', 'ext3', '-b', '1024'], bytes: 64 * 2 ** 20 });
  withLoop(image, (at) => {
    xfsIo('pwrite -q 0 3m\npwrite -q 5g 3k\npwrite -q 80m 700k\nfsync', '-f', join(at, 'file'));
    must('setfattr', '-n', 'user.long', '-v', 'v'.repeat(500), join(at, 'file'));
  });
  compare(image, ['/file'], MAPS);
});

test('inline files and directories, and what has attributes', () => {
  const args = ['-t', 'ext4', '-b', '1024', '-O', 'inline_data', '-I', '512'];
  const image = makeExt4(join(dir, 'inline.img'), { args, bytes: 64 * 2 ** 20 });
  withLoop(image, (at) => {
    writeFileSync(join(at, 'short'), 'hi');
    writeFileSync(join(at, 'longer'), 'h'.repeat(150));
    writeFileSync(join(at, 'empty'), '');
    mkdirSync(join(at, 'dir'));
    writeFileSync(join(at, 'dir/x'), '');
    symlinkSync('target', join(at, 'dir/link'));
    writeFileSync(join(at, 'blocks'), 'b'.repeat(30000));
    for (const name of ['longer', 'short', 'blocks']) must('setfattr', '-n', 'user.a', '-v', 'b', join(at, name));
    must('setfattr', '-n', 'user.long', '-v', 'v'.repeat(380), join(at, 'blocks'));
    must('chattr', '+dA', join(at, 'short'));
  });
  const sessions = [['fiemap -v', 'fiemap -a', 'fiemap 60', 'fiemap -v 0 1', 'seek -a -r 0', 'seek -d 100'], ...FACTS];
  compare(image, ['/short', '/longer', '/empty', '/dir', '/blocks', '/lost+found', '/'], sessions);
});

test.run();
