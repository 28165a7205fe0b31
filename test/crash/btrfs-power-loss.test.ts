// time limit: 280 s
/**
 * The power goes at any device write while files of a btrfs are written, cloned, allocated, punched and cut. Every
 * image that a cut could have left (each prefix of the writes; and with everything before a flush, subsets of what
 * follows it) opens, `btrfs check` has nothing to say, and what was made durable is there; Linux mounts a sample. With
 * several devices each of them may have come as far as it likes.
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { FileDevice } from '../../core/device/file.ts';
import { OverlayDevice } from '../../core/device/overlay.ts';
import { type RecordedEvent, RecorderDevice } from '../../core/device/recorder.ts';
import { bufferedRead } from '../../core/iomap/read.ts';
import type { Filesystem, MountOptions } from '../../core/vfs/filesystem.ts';
import { checkComplaints, makeBtrfs, missingBtrfsJudges, withBtrfs } from '../harness/btrfs-judge.ts';
import { copyImage, must, xfsIo } from '../harness/kernel.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { announceSeed, Random, rounds, sample } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';
import { type Cut, crashes, cuts } from './cuts.ts';
import { memberCrashes, memberCuts } from './member-cuts.ts';
import { type Promise_, play, randomSteps, type Step } from './scenario.ts';

const test = gatedSuite('power loss on btrfs', missingBtrfsJudges());
const seed = announceSeed('btrfs-power-loss');
const SECTOR = 4096;

interface Kind {
  readonly name: string;
  readonly args: string;
  readonly devices?: number;
  readonly bytes?: number;
  readonly options: Partial<MountOptions>;
}

const KINDS: readonly Kind[] = [
  { name: 'default', args: '', options: {} },
  { name: 'old', args: '-n 4096 -O ^no-holes,^extref,^skinny-metadata -R ^free-space-tree', options: {} },
  { name: 'compressed', args: '--csum xxhash', options: { compress: { method: 'zstd', force: true } } },
  { name: 'dup', args: '-d dup -m dup', bytes: 256 * 2 ** 20, options: {} },
  { name: 'raid1', args: '-d raid1 -m raid1', devices: 2, options: {} },
  { name: 'raid5', args: '-d raid5 -m raid1', devices: 3, options: {} },
];

/** A file system with two files in it. */
function base(dir: string, { name, args, devices, bytes = 128 * 2 ** 20 }: Kind): string[] {
  const words = args.split(' ').filter((word) => word !== '');
  const variant = { name, args: words, bytes, ...(devices && { devices }) };
  const images = makeBtrfs(dir, variant);
  withBtrfs(images, (at) => {
    xfsIo(`open -f ${at}/a\npwrite -S 0x41 0 300000\nfsync\nopen -f ${at}/e\npwrite -S 0x45 0 64k\nfsync\n`);
    must('sync');
  });
  return images.map((image, i) => copyImage(image, join(dir, `base.${i}`)));
}

interface Recorded {
  readonly events: readonly RecordedEvent[];
  readonly promises: Promise_[];
}

function record(images: readonly string[], steps: readonly Step[], options: Partial<MountOptions>): Recorded {
  const events: RecordedEvent[] = [];
  const recorders = images.map(
    (image, device) => new RecorderDevice(new OverlayDevice(new FileDevice(image)), events, device),
  );
  const [first, ...devices] = recorders as [RecorderDevice, ...RecorderDevice[]];
  const durable = new Map<string, Uint8Array>([
    ['a', new Uint8Array(300000).fill(0x41)],
    ['e', new Uint8Array(65536).fill(0x45)],
  ]);
  const promises = play(mountDevice(first, { ...options, devices }), first, steps, durable);
  return { events, promises };
}

/** What is wrong with the image that a cut left, or null. */
function judge(images: readonly string[], promise: Promise_, byLinux: boolean): string | null {
  const faults: string[] = [];
  const look = (contents: (name: string) => Uint8Array | null): void => {
    for (const [name, life] of promise.files) {
      const fault = life.fault(contents(name));
      if (fault !== null) faults.push(`${name}: ${fault}`);
    }
  };
  try {
    const opened = images.map((image) => new FileDevice(image));
    const [first, ...devices] = opened as [FileDevice, ...FileDevice[]];
    look((name) => ourContents(mountDevice(first, { readOnly: true, devices }), name));
    for (const device of opened) device.close();
    faults.push(...checkComplaints(images, true).map((line) => `btrfs check: ${line}`));
    if (byLinux) withBtrfs(images, (at) => look((name) => linuxContents(join(at, name))));
  } catch (error) {
    faults.push((error as Error).message);
  }
  return faults.length === 0 ? null : faults.slice(0, 12).join('\n');
}

function ourContents(fs: Filesystem, name: string): Uint8Array | null {
  const inode = fs.root().child(name);
  if (inode === null) return null;
  const bytes = new Uint8Array(inode.size);
  bufferedRead(inode, 0, bytes);
  return bytes;
}

function linuxContents(path: string): Uint8Array | null {
  return statSync(path, { throwIfNoEntry: false }) === undefined ? null : readFileSync(path);
}

function crash(kind: Kind, steps: readonly Step[], random: Random, prefixes: number, subsets: number): void {
  const dir = scratch(true);
  const images = base(dir, kind);
  const { events, promises } = record(images, steps, kind.options);
  const story = `seed ${seed}, ${kind.name}, ${events.length} events:\n${steps.map((step) => JSON.stringify(step)).join('\n')}`;
  let count = 0;
  const look = (crashed: readonly string[], cut: Cut): 'changed' | 'untouched' => {
    // A write is under way: what is promised is what was promised when it began, or whatever came to be by then.
    const promise = promises.findLast((one) => one.from <= cut.end) as Promise_;
    const byLinux = count++ % 8 === 0;
    const fault = judge(crashed, promise, byLinux);
    assert.is(fault, null, `${story}\ncut ${cut.label} of ${events.length} (${promise.step}):\n${fault}`);
    return byLinux ? 'changed' : 'untouched';
  };
  if (images.length > 1)
    // Loop devices for each check take their time.
    memberCrashes(dir, images, events, memberCuts(events, images.length, random, Math.ceil(prefixes / 3)), look);
  else
    crashes(dir, images[0] as string, events, cuts(events, random, prefixes, subsets), (one, cut) => look([one], cut));
}

const FIXED: Readonly<Record<string, readonly Step[]>> = {
  'a new file': [
    { do: 'write', file: 'new', pos: 0, length: 200_000, byte: 1 },
    { do: 'fsync', file: 'new' },
    { do: 'write', file: 'new', pos: 100_000, length: 200_000, byte: 2 },
  ],
  'clone, preallocate, write, cut': [
    { do: 'reflink', file: 'b', from: 'a' },
    { do: 'space', file: 'c', mode: 'allocate', pos: 0, length: 200_000 },
    { do: 'fsync', file: 'b' },
    { do: 'write', file: 'b', pos: 4097, length: 100, byte: 3 },
    { do: 'write', file: 'c', pos: 50_000, length: 50_000, byte: 4 },
    { do: 'fsync', file: 'b' },
    { do: 'write', file: 'a', pos: 140_000, length: 20_000, byte: 5 },
    { do: 'space', file: 'e', mode: 'punch', pos: 10_000, length: 30_000 },
    { do: 'truncate', file: 'a', size: 10 },
    { do: 'sync' },
    { do: 'truncate', file: 'b', size: 0 },
  ],
};

for (const kind of sample(KINDS, 3, seed)) {
  for (const [name, steps] of Object.entries(FIXED)) {
    test(`${kind.name}: ${name}`, () => crash(kind, steps, new Random(seed), rounds(14), rounds(7)));
  }
  test(`${kind.name}: a random script`, () => {
    const random = new Random(seed);
    crash(kind, randomSteps(random, SECTOR, 30, true, true), random, rounds(20), rounds(10));
  });
}

test.run();
