// time limit: 600 s
/**
 * File systems over several devices, made and filled by Linux: every file reads the same through our reader with all
 * devices, with as many missing as the profile can bear, with a device that is wrong everywhere, and with damaged
 * leaves and superblock copies. What is too much is an error, never wrong bytes.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { Device } from '../../core/device/device.ts';
import { openDevice } from '../../core/device/open.ts';
import { OverlayDevice } from '../../core/device/overlay.ts';
import { FsError } from '../../core/errors.ts';
import { type BtrfsMount, openMount } from '../../formats/btrfs/mount.ts';
import { btrfsStatfs } from '../../formats/btrfs/statfs.ts';
import { FileExtentItem, FileExtentType } from '../../formats/btrfs/structure/file-extent.ts';
import { ItemType, Key, Objectid } from '../../formats/btrfs/structure/key.ts';
import { SUPER_OFFSETS } from '../../formats/btrfs/structure/superblock.ts';
import { TreeCursor } from '../../formats/btrfs/tree/cursor.ts';
import { assertBytes } from '../harness/assert-bytes.ts';
import { type BtrfsVariant, makeBtrfs, missingBtrfsJudges, withBtrfs } from '../harness/btrfs-judge.ts';
import { must } from '../harness/kernel.ts';
import { announceSeed, Random } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('btrfs volumes', missingBtrfsJudges());
const seed = announceSeed('btrfs-volumes');
const words = (text: string): string[] => text.split(' ').filter((word) => word !== '');
const MIB = 2 ** 20;
const ZEROS = Buffer.alloc(65536);

interface Spread extends BtrfsVariant {
  /** Devices that may be missing. */
  readonly tolerated: number;
}

const SPREADS: readonly Spread[] = [
  { name: 'single over two', args: words('-m raid1 -d single'), devices: 2, tolerated: 0 },
  { name: 'dup', args: words('-m dup -d dup -n 4096'), devices: 1, tolerated: 0 },
  { name: 'mixed dup', args: words('-M -m dup -d dup -n 4096'), devices: 1, bytes: 256 * MIB, tolerated: 0 },
  { name: 'raid0', args: words('-m raid0 -d raid0'), devices: 3, tolerated: 0 },
  { name: 'raid1, 64k nodes', args: words('-m raid1 -d raid1 -n 65536'), devices: 2, tolerated: 1 },
  { name: 'mixed raid1', args: words('-M -m raid1 -d raid1 -n 4096'), devices: 2, bytes: 120 * MIB, tolerated: 1 },
  { name: 'raid1c3, xxhash', args: words('-m raid1c3 -d raid1c3 --csum xxhash'), devices: 3, tolerated: 2 },
  { name: 'raid1c4', args: words('-m raid1c4 -d raid1c4'), devices: 4, tolerated: 3 },
  { name: 'raid10 with raid1c3', args: words('-m raid1c3 -d raid10'), devices: 4, tolerated: 1 },
  { name: 'raid5', args: words('-m raid5 -d raid5'), devices: 3, tolerated: 1 },
  { name: 'raid5 of two', args: words('-m raid1 -d raid5 -n 32768'), devices: 2, tolerated: 1 },
  { name: 'raid6', args: words('-m raid6 -d raid6 -n 4096'), devices: 4, tolerated: 2 },
  { name: 'raid6 of five, 64k nodes', args: words('-m raid6 -d raid6 -n 65536'), devices: 5, tolerated: 2 },
];

/** What Linux wrote, by path. */
type Contents = ReadonlyMap<string, Buffer>;

function fill(paths: readonly string[], random: Random): Contents {
  const contents = new Map<string, Buffer>();
  withBtrfs(paths, (mount) => {
    mkdirSync(join(mount, 'd'));
    for (let i = 0; i < 120; i++) {
      const length = random.oneIn(20) ? random.below(2 * MIB) : random.below(random.oneIn(3) ? 200_000 : 6000);
      const bytes = Buffer.alloc(length);
      for (let at = 0; at < length; at += 1000)
        bytes.fill(random.below(256), at, Math.min(length, at + random.below(1000) + 1));
      contents.set(`f${i}`, bytes);
      writeFileSync(join(mount, `f${i}`), bytes);
    }
  });
  return contents;
}

/** A device that changes only in memory, and shows no neighbours. */
function alone(path: string): Device {
  return Object.assign(new OverlayDevice(openDevice(path, { readOnly: true })), { neighbours: undefined });
}

function open(devices: readonly Device[]): BtrfsMount {
  const [first, ...others] = devices as [Device, ...Device[]];
  const now = () => ({ seconds: 0, nanoseconds: 0 });
  const owner = { uid: 0, gid: 0, umask: 0 };
  return openMount(first, { readOnly: true, norecovery: true, devices: others, now, owner, random: Math.random });
}

/** Compares every file's extents with what Linux wrote. */
function compareAll(mp: BtrfsMount, contents: Contents): void {
  const cursor = new TreeCursor(mp.root(Objectid.FS_TREE));
  let seen = 0;
  let name = '';
  let file = Buffer.alloc(0);
  const finish = (): void => {
    const wanted = contents.get(name);
    if (wanted === undefined) return;
    assertBytes(file.subarray(0, wanted.length), wanted, name);
    seen++;
    name = '';
  };
  for (let more = cursor.first(); more; more = cursor.next()) {
    const { key, view, at, size } = cursor;
    if (key.type === ItemType.INODE_ITEM) finish();
    if (key.type === ItemType.INODE_REF) {
      name = Buffer.from(view.buffer, view.byteOffset + at + 10, size - 10).toString();
      file = Buffer.alloc((contents.get(name)?.length ?? 0) + 65536);
    }
    if (key.type !== ItemType.EXTENT_DATA) continue;
    if (FileExtentItem.get.type(view, at) === FileExtentType.INLINE) {
      const start = FileExtentItem.at.disk_bytenr;
      Buffer.from(view.buffer, view.byteOffset + at + start, size - start).copy(file);
      continue;
    }
    const bytenr = FileExtentItem.get.disk_bytenr(view, at);
    const from = FileExtentItem.get.offset(view, at);
    const length = FileExtentItem.get.num_bytes(view, at);
    if (bytenr !== 0) mp.space.data.read(bytenr + from, file.subarray(key.offset, key.offset + length));
  }
  finish();
  cursor.close();
  assert.is(seen, contents.size, 'files found');
}

/** Every device with its tolerated number of others gone, in all combinations of up to two. */
function* losses(count: number, tolerated: number): Generator<number[]> {
  for (let a = 0; a < count && tolerated > 0; a++) {
    yield [a];
    for (let b = a + 1; b < count && tolerated > 1; b++) yield [a, b];
  }
}

/** Makes every sector of a device that chunks use wrong, superblocks excepted. */
function spoil(device: Device, mp: BtrfsMount, devid: number): void {
  const cell = Buffer.alloc(65536);
  for (const chunk of mp.space.chunks) {
    for (const { member, addr } of chunk.stripes) {
      if (member.devid !== devid) continue;
      for (let at = addr; at < addr + chunk.stripeBytes; at += cell.length) {
        if (SUPER_OFFSETS.some((offset) => offset >= at && offset < at + cell.length)) continue;
        device.read(at, cell);
        if (cell.equals(ZEROS)) continue;
        for (let i = 0; i < cell.length; i += 4096) cell[i + 100] = (cell[i + 100] as number) ^ 0x10;
        device.write(at, cell);
      }
    }
  }
}

for (const spread of SPREADS) {
  const devices = spread.devices ?? 1;
  const image: { paths: string[]; contents: Contents } = { paths: [], contents: new Map() };

  test(`${spread.name}: all devices, named or found`, () => {
    image.paths = makeBtrfs(scratch(true), spread);
    image.contents = fill(image.paths, new Random(seed));
    const mp = open(image.paths.map(alone));
    assert.equal(mp.notes, []);
    compareAll(mp, image.contents);
    const found = open([openDevice(image.paths.at(-1) as string, { readOnly: true })]);
    compareAll(found, image.contents);
    found.members.close();
  });

  test(`${spread.name}: free space as Linux counts it`, () => {
    const judge = withBtrfs(image.paths, (mount) => must('stat', '-f', '-c', '%b %f %a', mount).trim(), 'ro');
    const { blocks, bfree, bavail } = btrfsStatfs(open(image.paths.map(alone)), Objectid.FS_TREE);
    assert.is(`${blocks} ${bfree} ${bavail}`, judge);
  });

  if (devices > 1) {
    test(`${spread.name}: missing devices`, () => {
      for (const lost of losses(devices, spread.tolerated)) {
        const rest = image.paths.filter((_, i) => !lost.includes(i));
        const mp = open(rest.map(alone));
        assert.is(mp.notes.length, lost.length);
        compareAll(mp, image.contents);
      }
    });

    test(`${spread.name}: too many missing devices are named`, () => {
      const rest = image.paths.slice(spread.tolerated + 1).map(alone);
      if (rest.length === 0) return;
      assert.throws(
        () => open(rest),
        (error: unknown) => error instanceof FsError && /device (1|2)/.test(error.message),
      );
    });
  }

  if (devices === 1 || spread.tolerated > 0) {
    test(`${spread.name}: a device that is wrong everywhere`, () => {
      let healed = 0;
      for (let bad = 0; bad < devices; bad++) {
        const all = image.paths.map(alone);
        if (devices === 1) {
          spoilSecondCopies(all[0] as Device, open(all));
        } else spoil(all[bad] as Device, open(all), bad + 1);
        const mp = open(all);
        compareAll(mp, image.contents);
        healed += mp.space.data.healed.length;
      }
      assert.ok(healed > 0, 'something was healed');
    });
  }

  if (spread.name.startsWith('raid6')) {
    test(`${spread.name}: two devices that are wrong everywhere`, () => {
      for (const bad of losses(devices, 2)) {
        const all = image.paths.map(alone);
        for (const index of bad) spoil(all[index] as Device, open(all), index + 1);
        compareAll(open(all), image.contents);
      }
    });
  }

  test(`${spread.name}: one superblock copy is enough`, () => {
    const all = image.paths.map(alone);
    const first = all[0] as Device;
    first.write(SUPER_OFFSETS[0] as number, Buffer.alloc(512, 0xa5));
    const mp = open(all);
    assert.ok(
      mp.notes.some((note) => /superblock/.test(note)),
      mp.notes.join(),
    );
    compareAll(mp, image.contents);
  });

  test(`${spread.name}: data that is wrong in all copies is an error that says where`, () => {
    const all = image.paths.map(alone);
    const mp = open(all);
    const bytenr = someDataExtent(mp);
    spoilRow(all, mp, bytenr);
    const into = Buffer.alloc(4096);
    assert.throws(
      () => open(all).space.data.read(bytenr, into),
      (error: unknown) =>
        error instanceof FsError && error.code === 'EIO' && error.message.includes(`logical ${bytenr}`),
    );
  });
}

/** Makes the first copy of everything in dup chunks wrong. */
function spoilSecondCopies(device: Device, mp: BtrfsMount): void {
  const cell = Buffer.alloc(65536);
  for (const chunk of mp.space.chunks) {
    const [first, second] = chunk.stripes;
    if (first === undefined || second === undefined) continue;
    for (let at = first.addr; at < first.addr + chunk.stripeBytes; at += cell.length) {
      if (SUPER_OFFSETS.some((offset) => offset >= at && offset < at + cell.length)) continue;
      device.read(at, cell);
      if (cell.equals(ZEROS)) continue;
      for (let i = 0; i < cell.length; i += 4096) cell[i + 100] = (cell[i + 100] as number) ^ 0x10;
      device.write(at, cell);
    }
  }
}

/** The first checksummed sector of the image. */
function someDataExtent(mp: BtrfsMount): number {
  const cursor = new TreeCursor(mp.csumRoot());
  cursor.search(new Key(Objectid.EXTENT_CSUM, ItemType.EXTENT_CSUM, 0));
  return cursor.key.offset;
}

/** Flips a bit in every column of the row that holds this logical address, each at another place of the byte. */
function spoilRow(devices: readonly Device[], mp: BtrfsMount, bytenr: number): void {
  const chunk = mp.space.chunks.get(bytenr, 4096);
  const offset = bytenr - chunk.logical;
  const striped = chunk.parity || chunk.dataStripes > 1;
  const row = Math.floor(offset / 65536 / chunk.dataStripes);
  const inColumn = striped ? row * 65536 + (offset % 65536) : offset;
  for (const [i, { member, addr }] of chunk.stripes.entries()) {
    const device = devices[member.devid - 1] as Device;
    const byte = Buffer.alloc(1);
    device.read(addr + inColumn, byte);
    device.write(addr + inColumn, Buffer.from([(byte[0] as number) ^ (1 << i)]));
  }
}

test.run();
