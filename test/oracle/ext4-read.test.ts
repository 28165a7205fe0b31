// time limit: 300 s
/**
 * Images of every kind that mke2fs makes, filled by Linux and read by us: names in directory order with their positions,
 * stat, content, extents, link targets, attributes. The judge is Linux on a mounted copy.
 */
import {
  linkSync,
  mkdirSync,
  statfsSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { fsflagLetters } from '../../commands/xflags.ts';
import { openDevice } from '../../core/device/open.ts';
import type { Filesystem } from '../../core/vfs/filesystem.ts';
import type { Inode } from '../../core/vfs/inode.ts';
import { decodeName } from '../../core/vfs/names.ts';
import { EXT4_VARIANTS, makeExt4, missingExt4Judges } from '../harness/ext4-judge.ts';
import { must, run, withLoop, xfsIo } from '../harness/kernel.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { announceSeed, sample } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';
import { compareTree, UNWRITTEN } from '../harness/tree-compare.ts';

const test = gatedSuite('reading ext2, ext3 and ext4', missingExt4Judges());
const dir = scratch(true);

/** FIEMAP_EXTENT_MERGED, DATA_INLINE and NOT_ALIGNED. */
const MERGED = 0x1000;
const INLINE = 0x200;
const UNALIGNED = 0x100;

function fillDirectories(at: string): void {
  for (const [name, count, length, keep] of [
    ['few', 3, 0, 1],
    ['block', 12, 20, 2],
    ['tree', 230, 60, 1],
    ['holes', 150, 24, 13],
  ] as const) {
    mkdirSync(join(at, name));
    const path = (i: number) => join(at, name, `${'n'.repeat(length)}${i}`);
    for (let i = 0; i < count; i++) writeFileSync(path(i), '');
    for (let i = 0; i < count; i++) if (i % keep !== 0) unlinkSync(path(i));
  }
}

function fillFiles(at: string): void {
  for (const length of [1, 59, 60, 61, 150, 900]) symlinkSync('t'.repeat(length), join(at, `link-${length}`));
  for (const length of [1, 60, 61, 100, 200, 700, 5000]) writeFileSync(join(at, `small-${length}`), 'x'.repeat(length));
  must('mkfifo', join(at, 'fifo'));
  must('mknod', join(at, 'char'), 'c', '5', '70000');
  must('mknod', join(at, 'block-device'), 'b', '7', '3');
  writeFileSync(Buffer.concat([Buffer.from(`${at}/bad`), Buffer.of(0xff, 0x80), Buffer.from('name')]), 'x');
  writeFileSync(join(at, 'ü'.repeat(127)), 'y');
  linkSync(join(at, 'block/nnnnnnnnnnnnnnnnnnnn0'), join(at, 'hard'));
  utimesSync(join(at, 'fifo'), -5.25, -1_000_000);
  utimesSync(join(at, 'char'), 2 ** 31 + 5.5, 2 ** 33 + 0.25);
  const scattered = Array.from(
    { length: 400 },
    (_, i) => `pwrite -q -S ${i % 250} ${i * 8192} ${1024 + (i % 7) * 512}`,
  );
  xfsIo([...scattered, 'fsync'].join('\n'), '-f', join(at, 'scattered'));
  xfsIo('pwrite -q 0 100k\npwrite -q 10m 5000\nfalloc -k 1m 1m\nfpunch 8k 8k\nfsync', '-f', join(at, 'mixed'));
  xfsIo('falloc 0 300k\npwrite -q 64k 4k\nfsync\nfalloc 300k 1m', '-f', join(at, 'unwritten'));
  xfsIo('truncate 3g\npwrite -q 2500m 4k\npwrite -q 80m 40k\nfsync', '-f', join(at, 'huge'));
  xfsIo('pwrite -q -b 1m 0 6m\nfsync', '-f', join(at, 'long'));
  truncateSync(join(at, 'small-100'), 70000);
}

/** Flags and project, where Linux has them there. */
function setFlags(at: string): void {
  for (const flag of ['d', 'A', 'S', 'i', 'a', 'j']) {
    writeFileSync(join(at, `flag-${flag}`), 'flagged');
    run('chattr', [`+${flag}`, join(at, `flag-${flag}`)]);
  }
  run('chattr', ['+TD', join(at, 'few')]);
}

function fillAttributes(at: string): void {
  const dump: string[] = [];
  for (const [name, count, size] of [
    ['a-few', 2, 10],
    ['a-block', 5, 60],
    ['a-more', 9, 150],
  ] as const) {
    writeFileSync(join(at, name), '');
    for (let i = 0; i < count; i++) {
      const value = `0x${Buffer.alloc(size + (i % 9), i).toString('hex')}`;
      dump.push(`# file: ${join(at, name)}`, `user.${'k'.repeat(i % 30)}${i}=${value}`, '');
    }
  }
  // As many as fit.
  run('setfattr', ['--restore=-'], { input: dump.join('\n') });
}

function compareSpace(fs: Filesystem, at: string): void {
  const { blocks, bfree, bavail, files, ffree, type, blockSize } = fs.statfs();
  const { bsize, ...linux } = statfsSync(at);
  assert.equal({ blocks, bfree, bavail, files, ffree, type, bsize: blockSize }, { ...linux, bsize });
}

/** Generation, project and flags as lsattr shows them. */
function compareFlags(fs: Filesystem, at: string): void {
  const lines = must('lsattr', '-vp', at).trimEnd().split('\n');
  assert.ok(lines.length > 20, `only ${lines.length} files have flags`);
  for (const line of lines) {
    const [projid, generation, flags, path] = line.trim().split(/\s+/) as [string, string, string, string];
    const name = decodeName(Buffer.from(path.slice(at.length + 1), 'latin1'));
    const stat = (fs.root().child(name) as Inode).stat();
    const got = [stat.projid, stat.generation, fsflagLetters(stat.fsflags ?? 0)];
    assert.equal(got, [Number(projid), Number(generation), flags], name);
  }
}

for (const variant of sample(EXT4_VARIANTS, 9, announceSeed('ext4-read'))) {
  test(variant.name, () => {
    const image = makeExt4(join(dir, 'variant.img'), variant);
    withLoop(image, (at) => {
      fillDirectories(at);
      fillFiles(at);
      fillAttributes(at);
      setFlags(at);
    });
    const fs = mountDevice(openDevice(image), { readOnly: true });
    const wrong: string[] = [];
    const options = { extentFlags: UNWRITTEN | MERGED | INLINE | UNALIGNED };
    const look = (at: string): number => {
      compareSpace(fs, at);
      compareFlags(fs, at);
      return compareTree(fs.root(), Buffer.from(at), wrong, options);
    };
    const count = withLoop(image, look, 'ro,noatime');
    assert.is(wrong.length, 0, `${wrong.length} differences:\n${wrong.slice(0, 20).join('\n')}`);
    assert.ok(count > 280, `only ${count} paths compared`);
  });
}

test.run();
