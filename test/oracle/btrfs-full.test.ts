// time limit: 400 s
/**
 * Full file systems: ENOSPC comes before anything is damaged, what was accepted is there, files can be deleted, and
 * their space is used again. Fragmented free space goes through bitmaps and back.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { openDevice } from '../../core/device/open.ts';
import { FsError } from '../../core/errors.ts';
import { openFile } from '../../core/vfs/file.ts';
import type { Filesystem } from '../../core/vfs/filesystem.ts';
import { assertBytes } from '../harness/assert-bytes.ts';
import {
  type BtrfsVariant,
  checkComplaints,
  makeBtrfs,
  missingBtrfsJudges,
  withBtrfs,
} from '../harness/btrfs-judge.ts';
import { run } from '../harness/kernel.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { announceSeed, Random } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('btrfs full', missingBtrfsJudges());
const seed = announceSeed('btrfs-full');
const words = (text: string): string[] => text.split(' ').filter((word) => word !== '');
const MIB = 2 ** 20;

const VARIANTS: readonly BtrfsVariant[] = [
  { name: 'default', args: [], bytes: 160 * MIB },
  { name: 'single metadata, 4k nodes', args: words('-m single -n 4096'), bytes: 130 * MIB },
  { name: 'mixed', args: words('-M -n 4096'), bytes: 64 * MIB },
  { name: 'no free-space tree', args: words('-R ^free-space-tree'), bytes: 160 * MIB },
  { name: 'raid1', args: words('-m raid1 -d raid1'), devices: 2, bytes: 160 * MIB },
  { name: 'raid5', args: words('-m raid5 -d raid5'), devices: 3, bytes: 160 * MIB },
];

type Contents = Map<string, Buffer>;

function open(paths: readonly string[]): Filesystem {
  return mountDevice(openDevice(paths[0] as string), { devices: paths.slice(1).map((path) => openDevice(path)) });
}

/** True if `act` worked, false if there was no space for it. */
function fits(act: () => void): boolean {
  try {
    act();
    return true;
  } catch (error) {
    if (error instanceof FsError && error.code === 'ENOSPC') return false;
    throw error;
  }
}

/** Writes a new file and makes it durable; what of it was accepted is its content. */
function put(fs: Filesystem, contents: Contents, name: string, bytes: Buffer): boolean {
  const done = fits(() => {
    const file = openFile(fs, fs.root(), name, { write: true, create: true });
    contents.set(name, Buffer.alloc(0));
    const written = file.write(0, bytes);
    contents.set(name, bytes.subarray(0, written));
    file.fsync(false);
    file.close();
    if (written < bytes.length) throw new FsError('ENOSPC');
  });
  return done;
}

function fill(fs: Filesystem, contents: Contents, prefix: string, size: number, random: Random, most = 1e9): number {
  let count = 0;
  while (count < most && put(fs, contents, `${prefix}${count}`, Buffer.alloc(size, `${random.below(1e9)}`))) count++;
  return count;
}

function remove(fs: Filesystem, contents: Contents, name: string): void {
  fs.root().unlink(name);
  contents.delete(name);
}

function judge(paths: readonly string[], contents: Contents): void {
  assert.equal(checkComplaints(paths, true), []);
  withBtrfs(paths, (mount) => {
    assert.equal(readdirSync(mount).sort(), [...contents.keys()].sort());
    for (const [name, bytes] of contents) assertBytes(readFileSync(join(mount, name)), bytes, name);
    const scrub = run('btrfs', ['scrub', 'start', '-B', mount]);
    assert.match(scrub.stdout, /no errors found/, scrub.stdout + scrub.stderr);
  });
}

for (const variant of VARIANTS) {
  test(`${variant.name}: filled to the brim, emptied, filled again`, () => {
    const paths = makeBtrfs(scratch(true), variant);
    const random = new Random(seed);
    const contents: Contents = new Map();
    let fs = open(paths);
    fill(fs, contents, 'large', 4 * MIB, random);
    fill(fs, contents, 'middle', 64 * 1024, random);
    const small = fill(fs, contents, 'small', 1500, random, 3000);
    fs.sync();
    fs.unmount();
    judge(paths, contents);
    fs = open(paths);
    for (const name of [...contents.keys()]) if (random.oneIn(2)) remove(fs, contents, name);
    fs.sync();
    const again = fill(fs, contents, 'again', MIB, random);
    assert.ok(again > 5, `${again} MiB after deleting half (${small} small files before)`);
    fs.unmount();
    judge(paths, contents);
    fs = open(paths);
    for (const name of [...contents.keys()]) remove(fs, contents, name);
    fs.unmount();
    judge(paths, contents);
  });
}

test('a fragmented group goes to bitmaps and back', () => {
  const paths = makeBtrfs(scratch(true), { name: 'default', args: [], bytes: 3000 * MIB });
  const contents: Contents = new Map();
  const random = new Random(seed);
  let fs = open(paths);
  for (let i = 0; i < 6000; i++) {
    const file = openFile(fs, fs.root(), `f${i}`, { write: true, create: true });
    const bytes = Buffer.alloc(4096, `${i}`);
    file.write(0, bytes);
    file.close();
    contents.set(`f${i}`, bytes);
  }
  fs.sync();
  for (let i = 0; i < 6000; i += 2) remove(fs, contents, `f${i}`);
  fs.unmount();
  judge(paths, contents);
  const bitmaps = (): number => {
    const tree = run('btrfs', ['inspect-internal', 'dump-tree', '-t', '10', paths[0] as string]).stdout;
    return tree.split(' FREE_SPACE_BITMAP ').length - 1;
  };
  assert.ok(bitmaps() > 30, `${bitmaps()} bitmaps`);
  fs = open(paths);
  for (const name of [...contents.keys()]) if (!random.oneIn(30)) remove(fs, contents, name);
  fs.unmount();
  judge(paths, contents);
  // Linux never takes bitmaps back from a group that is so small as mkfs's first one.
  assert.ok(bitmaps() <= 1, `${bitmaps()} bitmaps`);
});

test.run();
