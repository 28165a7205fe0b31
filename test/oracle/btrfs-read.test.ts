// time limit: 900 s
/**
 * btrfs of every layout that mkfs makes, filled by Linux and read by us: names in directory order with their positions,
 * stat, content, extents with all flags, link targets, attributes, subvolumes. The judge is Linux on a mounted copy.
 */
import { linkSync, mkdirSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { openDevice } from '../../core/device/open.ts';
import { bufferedRead } from '../../core/iomap/read.ts';
import { bufferedWrite } from '../../core/iomap/write.ts';
import type { Inode } from '../../core/vfs/inode.ts';
import { assertBytes } from '../harness/assert-bytes.ts';
import { ENABLE_SIMPLE_QUOTAS, moveBlockGroups } from '../harness/btrfs-convert.ts';
import { type BtrfsVariant, makeBtrfs, missingBtrfsJudges, withBtrfs } from '../harness/btrfs-judge.ts';
import { must, run, xfsIo } from '../harness/kernel.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { announceSeed, sample } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';
import { compareTree } from '../harness/tree-compare.ts';

const test = gatedSuite('reading every btrfs layout', missingBtrfsJudges());
const seed = announceSeed('btrfs-read');

interface Layout extends BtrfsVariant {
  /** Mount options while it is filled. */
  readonly options?: string;
  /** What btrfstune does to it in the end. */
  readonly tune?: readonly string[];
}

const layout = (name: string, args: string, rest: Partial<Layout> = {}): Layout => ({
  name,
  args: args.split(' ').filter((word) => word !== ''),
  bytes: 300 * 2 ** 20,
  ...rest,
});

const LAYOUTS: readonly Layout[] = [
  layout('defaults', ''),
  layout('blake2, 64 KiB nodes', '--csum blake2 -n 65536'),
  layout('xxhash, mixed groups', '--csum xxhash -M'),
  layout('sha256, dup', '--csum sha256 -d dup -m dup'),
  layout('4 KiB nodes, explicit holes, no extended refs', '-n 4096 -O ^no-holes,^skinny-metadata -R ^free-space-tree'),
  layout('32 KiB nodes, its metadata by another uuid', '-n 32768', { tune: ['-m', '-f'] }),
  layout('compressed by zstd', '', { options: 'compress-force=zstd' }),
  layout('compressed by lzo, 4 KiB nodes', '-n 4096 -O ^no-holes', { options: 'compress-force=lzo' }),
  layout('compressed by zlib', '', { options: 'compress-force=zlib' }),
  layout('no copy-on-write, no checksums', '', { options: 'nodatacow' }),
  layout('raid0 on two', '-d raid0 -m raid1', { devices: 2 }),
  layout('raid10, raid1c3 on four', '-d raid10 -m raid1c3', { devices: 4 }),
  layout('raid5 on three', '-d raid5 -m raid5', { devices: 3 }),
  layout('raid6, raid1c4 on four', '-d raid6 -m raid1c4', { devices: 4 }),
  layout('quotas', '', { setup: [['btrfs', 'quota', 'enable', '{}']] }),
  layout('simple quotas', '', { setup: [ENABLE_SIMPLE_QUOTAS] }),
];

/** Names with one crc32c: each pair shares a directory item. */
const SAME_HASH = ['as0qoczr', 'ujya4hql', '5vgx5wz0', 'brveugwv'];

/** Directories of every size; deletions leave holes in the positions; many links of one file; names of one hash. */
function fillDirectories(at: string): void {
  for (const [name, count, length, keep] of [
    ['small', 3, 0, 1],
    ['middle', 130, 60, 3],
    ['large', 1200, 40, 1],
    ['holes', 900, 24, 13],
  ] as const) {
    mkdirSync(join(at, name));
    const path = (i: number) => join(at, name, `${'n'.repeat(length)}${i}`);
    for (let i = 0; i < count; i++) writeFileSync(path(i), '');
    for (let i = 0; i < count; i++) if (i % keep !== 0) unlinkSync(path(i));
  }
  mkdirSync(join(at, 'links'));
  writeFileSync(join(at, 'links/first'), 'many names');
  // More than fit into one item of references: the rest are extended ones.
  for (let i = 0; i < 400; i++) linkSync(join(at, 'links/first'), join(at, 'links', `${'l'.repeat(100)}${i}`));
  for (const name of SAME_HASH) writeFileSync(join(at, name), name);
  writeFileSync(join(at, 'ü'.repeat(127)), 'y');
  writeFileSync(Buffer.concat([Buffer.from(`${at}/bad`), Buffer.of(0xff, 0x80), Buffer.from('name')]), 'x');
}

function fillFiles(at: string): void {
  for (const length of [10, 300, 2000, 3900]) symlinkSync('t'.repeat(length), join(at, `link-${length}`));
  must('mkfifo', join(at, 'fifo'));
  must('mknod', join(at, 'char'), 'c', '5', '70000');
  must('mknod', join(at, 'block-device'), 'b', '259', '3');
  linkSync(join(at, 'large', `${'n'.repeat(40)}7`), join(at, 'hard'));
  for (const size of [1, 100, 2047, 2048, 3000, 4095, 4096, 5000, 70000, 200000])
    writeFileSync(join(at, `size-${size}`), Buffer.alloc(size, 'compressible text '));
  writeFileSync(join(at, 'noise'), Buffer.from(Array.from({ length: 300000 }, (_, i) => (i * i * 7919) >> 5)));
  const frag = Array.from({ length: 400 }, (_, i) => `pwrite -q -S ${i % 250} ${i * 8192} ${1024 + (i % 7) * 512}`);
  xfsIo([...frag, 'fsync'].join('\n'), '-f', join(at, 'frag'));
  xfsIo('pwrite -q 0 1m\npwrite -q 10m 5000\nfalloc -k 20m 1m\nfalloc 2m 1m\nfsync', '-f', join(at, 'mixed'));
  xfsIo('pwrite -q -S 9 2100k 64k\nfsync\npwrite -q -S 7 100k 200k\nfsync\nfpunch 8k 8k\nfsync', join(at, 'mixed'));
  xfsIo(`reflink ${join(at, 'mixed')} 0 64k 512k`, '-f', join(at, 'clone'));
  xfsIo('pwrite -q -S 3 100k 100k\nfsync', join(at, 'clone'));
  xfsIo(`reflink ${join(at, 'mixed')} 0 0 0`, '-f', join(at, 'copy'));
  xfsIo('truncate 1t\npwrite -q 1023g 4k\nfsync', '-f', join(at, 'huge'));
  xfsIo('pwrite -q 0 100\nfsync\ntruncate 300k\nfsync', '-f', join(at, 'grown'));
  run('chattr', ['+C', join(at, 'small')]);
  xfsIo('falloc 0 1m\npwrite -q 64k 64k\nfsync\npwrite -q 100k 64k\nfsync', '-f', join(at, 'small', 'nocow'));
  run('chattr', ['+aA', join(at, 'size-100')]);
  utimesSync(join(at, 'fifo'), -5.25, -1_000_000);
}

function fillAttributes(at: string): void {
  const dump: string[] = [];
  for (const [name, count, size] of [
    ['a-few', 2, 10],
    ['a-many', 300, 60],
    ['a-large', 1, 3000],
  ] as const) {
    writeFileSync(join(at, name), '');
    dump.push(`# file: ${join(at, name)}`);
    for (let i = 0; i < count; i++)
      dump.push(`user.${'k'.repeat(i % 30)}${i}=0x${Buffer.alloc(size + (i % 9), i).toString('hex')}`);
    dump.push('');
  }
  const outcome = run('setfattr', ['--restore=-'], { input: dump.join('\n') });
  if (outcome.status !== 0) throw new Error(`setfattr: ${outcome.stderr}`);
  must('setfattr', '-n', 'trusted.a', '-v', 'b', join(at, 'a-few'));
  run('setfacl', ['-m', 'u:7:rwx', join(at, 'a-few')]);
}

function fillSubvolumes(at: string): void {
  const subvolume = (...words: string[]) => must('btrfs', '-q', 'subvolume', ...words);
  subvolume('create', join(at, 'sub'));
  writeFileSync(join(at, 'sub', 'inside'), 'of the subvolume');
  xfsIo('pwrite -q 0 300k\nfsync', '-f', join(at, 'sub', 'data'));
  subvolume('create', join(at, 'sub', 'deeper'));
  writeFileSync(join(at, 'sub', 'deeper', 'file'), 'deep');
  // In a snapshot of it, the inner subvolume is an empty directory.
  subvolume('snapshot', join(at, 'sub'), join(at, 'sub', 'deeper', 'snap'));
  subvolume('snapshot', '-r', join(at, 'sub'), join(at, 'read-only'));
  xfsIo('pwrite -q -S 8 100k 50k\nfsync', join(at, 'sub', 'data'));
  subvolume('snapshot', at, join(at, 'whole'));
  subvolume('create', join(at, 'gone'));
  writeFileSync(join(at, 'gone', 'file'), '');
  subvolume('delete', join(at, 'gone'));
}

/** The directory that stands for a subvolume that is not there: Linux gives it the time of the look. */
const isMadeUp = (inode: Inode): boolean => inode.ino === 2;

for (const variant of sample(LAYOUTS, 4, seed)) {
  test(variant.name, () => {
    const images = makeBtrfs(scratch(true), variant);
    withBtrfs(
      images,
      (at) => {
        fillDirectories(at);
        fillFiles(at);
        fillAttributes(at);
        fillSubvolumes(at);
      },
      variant.options ?? '',
    );
    if (variant.tune !== undefined) must('btrfstune', ...variant.tune, images[0] as string);
    const fs = mountDevice(openDevice(images[0] as string), { readOnly: true });
    const wrong: string[] = [];
    const { blocks, bfree, bavail } = fs.statfs();
    const options = { extentFlags: 0xffff, looseTimes: isMadeUp };
    const count = withBtrfs(images, (at) => compareTree(fs.root(), Buffer.from(at), wrong, options), 'ro,noatime');
    const linux = withBtrfs(images, (at) => must('stat', '-f', '-c', '%b %f %a', at)).trim();
    if (linux !== `${blocks} ${bfree} ${bavail}`) wrong.push(`statfs: ${blocks} ${bfree} ${bavail}, Linux ${linux}`);
    assert.is(wrong.length, 0, `${wrong.length} differences:\n${wrong.slice(0, 20).join('\n')}`);
    assert.ok(count > 3500, `only ${count} paths compared`);
  });
}

test('block-group tree', () => {
  const images = makeBtrfs(scratch(true), { name: 'groups', args: [], bytes: 300 * 2 ** 20 });
  withBtrfs(images, fillDirectories);
  moveBlockGroups(images[0] as string);
  withBtrfs(images, fillFiles);
  const fs = mountDevice(openDevice(images[0] as string));
  bufferedWrite(fs.root().create('ours', 0o644), 0, new Uint8Array(5_000_000).fill(3));
  fs.unmount();
  const again = mountDevice(openDevice(images[0] as string), { readOnly: true });
  const wrong: string[] = [];
  const options = { extentFlags: 0xffff };
  const count = withBtrfs(images, (at) => compareTree(again.root(), Buffer.from(at), wrong, options), 'ro,noatime');
  assert.is(wrong.length, 0, `${wrong.length} differences:\n${wrong.slice(0, 20).join('\n')}`);
  assert.ok(count > 1500, `only ${count} paths compared`);
});

/** Linux with pages of 4 KiB does not mount these: mkfs fills them, and what it was given is the judge. */
for (const sector of [8192, 16384, 65536]) {
  test(`sectors of ${sector} bytes`, () => {
    const dir = scratch(true);
    const source = join(dir, 'source');
    mkdirSync(join(source, 'deep'), { recursive: true });
    const sizes = [0, 1, 3000, 16383, 16384, 70001, 3_000_000];
    const bytesOf = (size: number) => Buffer.from(Array.from({ length: size }, (_, i) => (i * 31 + size) >> 3));
    for (const size of sizes) writeFileSync(join(source, 'deep', `f${size}`), bytesOf(size));
    symlinkSync('deep/f1', join(source, 'link'));
    const args = ['-s', String(sector), '-n', String(Math.max(16384, sector)), '--rootdir', source];
    const images = makeBtrfs(join(dir), { name: 'sectors', args, bytes: 300 * 2 ** 20 });
    const fs = mountDevice(openDevice(images[0] as string), { readOnly: true });
    assert.is(fs.blockSize, sector);
    assert.is(fs.root().child('link')?.readlink(), 'deep/f1');
    for (const size of sizes) {
      const inode = fs.root().child('deep')?.child(`f${size}`) as Inode;
      const bytes = new Uint8Array(size);
      assert.is(bufferedRead(inode, 0, bytes), size);
      assertBytes(bytes, bytesOf(size), `file of ${size} bytes`);
    }
  });
}

test.run();
