/**
 * What is refused, and by which name; what is read all the same: features nobody knows, damaged and lost superblocks,
 * blocks larger than a page. Linux and debugfs judge.
 */
import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { makeExt4, missingExt4Judges } from '../harness/ext4-judge.ts';
import { fsio, missingFsio } from '../harness/fsio.ts';
import { must, run, withLoop } from '../harness/kernel.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('refused ext4', missingExt4Judges() ?? missingFsio());
const dir = scratch(true);
const MIB = 2 ** 20;

function fresh(name: string, args: string, bytes = 32 * MIB): string {
  return makeExt4(join(dir, name), { args: args.split(' '), bytes });
}

function overwrite(image: string, addr: number, bytes: Uint8Array): void {
  const fd = openSync(image, 'r+');
  writeSync(fd, bytes, 0, bytes.length, addr);
  closeSync(fd);
}

const mounts = (image: string, options: string): boolean => {
  try {
    return withLoop(image, () => true, options);
  } catch {
    return false;
  }
};

for (const [feature, name] of [
  ['FEATURE_I30', 'FEATURE_I30'],
  ['compression', 'compression'],
  ['dirdata', 'dirdata'],
] as const)
  test(`the incompatible feature ${name}`, () => {
    const image = fresh('incompat.img', '-t ext4');
    must('debugfs', '-w', '-R', `feature ${feature}`, image);
    assert.not(mounts(image, 'ro'), 'Linux refuses it');
    const { status, stderr } = fsio(['-r', '-c', 'ls /', image]);
    assert.is.not(status, 0);
    assert.match(stderr, name);
  });

test('an unknown read-only-compatible feature allows reading', () => {
  const image = fresh('ro.img', '-t ext4');
  must('debugfs', '-w', '-R', 'feature FEATURE_R30', image);
  assert.not(mounts(image, 'rw'), 'Linux does not write to it');
  assert.ok(mounts(image, 'ro'), 'Linux reads it');
  const { status, stdout, stderr } = fsio(['-c', 'ls /', image]);
  assert.is(status, 0, stderr);
  assert.match(stdout, 'lost+found');
  assert.match(stderr, 'FEATURE_R30');
});

test('a journal device is no file system', () => {
  const image = fresh('journal.img', '-O journal_dev');
  const { status, stderr } = fsio(['-r', '-c', 'ls /', image]);
  assert.is.not(status, 0);
  assert.match(stderr, 'journal');
});

test('a damaged superblock is named; a copy is believed when asked', () => {
  const image = fresh('damaged.img', '-t ext4 -b 1024');
  overwrite(image, 1024 + 0x50, Uint8Array.of(0xaa));
  assert.not(mounts(image, 'ro'), 'Linux refuses it');
  const { status, stderr } = fsio(['-r', '-c', 'ls /', image]);
  assert.is.not(status, 0);
  assert.match(stderr, /superblock at 0x400.*checksum/);
  overwrite(image, 0, new Uint8Array(4096));
  for (const [args, good] of [
    [[], false],
    [['--superblock', '8193'], true],
    [['--superblock', '24577'], true],
    [['--superblock', '8194'], false],
  ] as const) {
    const answer = fsio(['-r', ...args, '-c', 'ls /', image]);
    assert.is(answer.status === 0 && answer.stdout.includes('lost+found'), good, `${args}: ${answer.stderr}`);
  }
});

test('a truncated image says what it misses', () => {
  const image = fresh('short.img', '-t ext4');
  truncateSync(image, 20 * MIB);
  const { status, stderr } = fsio(['-r', '-c', 'ls /', image]);
  assert.is.not(status, 0);
  assert.match(stderr, 'truncated?');
});

test('every change is refused, and the image stays as it is', () => {
  const image = fresh('unchanged.img', '-t ext4');
  const before = must('sha256sum', image);
  for (const words of [
    'mkdir /d',
    'open -f /new',
    'label -s x',
    'touch /lost+found',
    'rmdir /lost+found',
    'chmod 0 /lost+found',
  ]) {
    const { status, stderr } = fsio(['--strict', '-c', words, image]);
    assert.is.not(status, 0, words);
    assert.match(stderr, 'Read-only file system', words);
  }
  assert.is(must('sha256sum', image), before);
});

test('blocks of 64 KiB, as debugfs reads them', () => {
  const tree = join(dir, 'tree');
  mkdirSync(join(tree, 'd'), { recursive: true });
  for (const size of [0, 10, 70000, 3_000_000])
    writeFileSync(join(tree, `d/f${size}`), Buffer.alloc(size, String(size)));
  for (let i = 0; i < 2000; i++) writeFileSync(join(tree, `d/${'n'.repeat(60)}${i}`), '');
  const image = fresh('large.img', `-t ext4 -b 65536 -d ${tree}`, 512 * MIB);
  const manifest = fsio(['-r', '--json', '-c', 'manifest /', image]);
  assert.is(manifest.status, 0, manifest.stderr);
  const items = manifest.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.is(items.length, 2000 + 4 + 3, 'all paths');
  for (const size of [0, 10, 70000, 3_000_000]) {
    const item = items.find(({ path }) => path === `/d/f${size}`);
    const sum = createHash('sha256')
      .update(Buffer.alloc(size, String(size)))
      .digest('hex');
    assert.equal([item.size, item.sha256], [size, sum]);
  }
  const theirs = run('debugfs', ['-R', 'blocks /d/f3000000', image]).stdout;
  assert.is(fsio(['-r', '-c', 'blocks /d/f3000000', image]).stdout, theirs);
});

test.run();
