/** Superblocks: which copy is used, what is refused and how it is named, older roots, feature bits. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { MemoryDevice } from '../../../core/device/memory.ts';
import { FsError } from '../../../core/errors.ts';
import { checksumKind, seal } from '../../../formats/btrfs/checksum.ts';
import { type BtrfsMount, openMount } from '../../../formats/btrfs/mount.ts';
import { Incompat, judgeFeatures } from '../../../formats/btrfs/structure/features.ts';
import { Objectid } from '../../../formats/btrfs/structure/key.ts';
import { SUPER_OFFSETS, SUPER_SIZE, SuperBlock } from '../../../formats/btrfs/structure/superblock.ts';
import { hasBtrfsMagic, readSuperblock } from '../../../formats/btrfs/superblock.ts';
import { TreeCursor } from '../../../formats/btrfs/tree/cursor.ts';
import { imageDevice } from '../../harness/images.ts';

const supers = suite('btrfs superblock');
const crc = checksumKind(0) as NonNullable<ReturnType<typeof checksumKind>>;

const OPTIONS = {
  readOnly: false,
  norecovery: false,
  devices: [],
  now: () => ({ seconds: 0, nanoseconds: 0 }),
  owner: { uid: 0, gid: 0, umask: 0 },
  random: () => 0,
};

function patch(
  device: MemoryDevice,
  mirror: number,
  change: (view: DataView, bytes: Uint8Array) => void,
  fits = true,
): void {
  const bytes = new Uint8Array(SUPER_SIZE);
  device.read(SUPER_OFFSETS[mirror] as number, bytes);
  change(new DataView(bytes.buffer), bytes);
  if (fits) seal(crc, bytes);
  device.write(SUPER_OFFSETS[mirror] as number, bytes);
}

function flipBit(device: MemoryDevice, addr: number): void {
  const byte = new Uint8Array(1);
  device.read(addr, byte);
  byte[0] = (byte[0] as number) ^ 4;
  device.write(addr, byte);
}

function failure(run: () => unknown): FsError {
  try {
    run();
  } catch (error) {
    if (error instanceof FsError) return error;
    throw error;
  }
  return assert.unreachable('no error') as never;
}

supers('the primary is used when all copies are good', () => {
  const found = readSuperblock(imageDevice('btrfs-default'));
  assert.is(found.mirror, 0);
  assert.equal(found.notes, []);
});

supers('a bit flipped in the primary: named, and the copy used', () => {
  const device = imageDevice('btrfs-default');
  flipBit(device, 0x10000 + 300);
  const found = readSuperblock(device);
  assert.is(found.mirror, 1);
  assert.match(
    found.notes[0] as string,
    /^superblock at 0x10000\+0, csum: wrong \(crc32c\); using the copy at 0x4000000/,
  );
  const mp = openMount(device, OPTIONS);
  assert.match(mp.notes.join(), /superblock at 0x10000/);
});

supers('even one whose magic is gone', () => {
  const device = imageDevice('btrfs-default');
  device.write(0x10000, new Uint8Array(SUPER_SIZE));
  assert.ok(hasBtrfsMagic(device));
  assert.is(readSuperblock(device).mirror, 1);
  assert.ok(openMount(device, OPTIONS).root(Objectid.FS_TREE).node().nritems > 0);
});

supers('the device is who its good copy says, and the next commit makes all copies good', () => {
  const device = imageDevice('btrfs-default');
  const before = readSuperblock(device).values.dev_item;
  flipBit(device, 0x10000 + SuperBlock.at.dev_item + 70);
  const mp = openMount(device, OPTIONS);
  mp.change('nothing much', 1, () => {
    const cursor = new TreeCursor(mp.root(Objectid.FS_TREE));
    cursor.first();
    cursor.edit();
    cursor.close();
  });
  mp.trans.commit();
  const after = readSuperblock(device);
  assert.equal(after.notes, []);
  assert.is(Buffer.compare(after.values.dev_item.uuid, before.uuid), 0);
  assert.ok(after.values.generation > mp.sb.generation - 1);
});

supers('no good copy: the primary is named', () => {
  const device = imageDevice('btrfs-default');
  flipBit(device, 0x10000 + 300);
  flipBit(device, 0x4000000 + 300);
  const error = failure(() => readSuperblock(device));
  assert.is(error.code, 'EUCLEAN');
  assert.match(error.message, /superblock at 0x10000\+0, csum: wrong/);
});

supers('the newest good copy wins', () => {
  const device = imageDevice('btrfs-default');
  patch(device, 1, (view) => SuperBlock.set.generation(view, 0, 1000));
  assert.is(readSuperblock(device).mirror, 1);
  patch(device, 1, (view) => SuperBlock.set.fsid(view, 0, new Uint8Array(16).fill(9)));
  assert.is(readSuperblock(device).mirror, 0, 'but not one of another file system');
});

supers('something else is no btrfs', () => {
  const device = imageDevice('xfs-default');
  assert.not(hasBtrfsMagic(device));
  assert.is(failure(() => readSuperblock(device)).code, 'EINVAL');
});

type Field = keyof typeof SuperBlock.at;
const RULES: readonly (readonly [Field, unknown, RegExp])[] = [
  ['bytenr', 4096, /bytenr 4096: not its own address/],
  ['flags', 1n << 45n, /flags .*: unknown bit/],
  ['flags', 1n << 38n, /flags .*: CHANGING_BG_TREE: a conversion/],
  ['csum_type', 9, /csum_type 9: unknown/],
  ['root_level', 8, /root_level 8: >= 8/],
  ['chunk_root_level', 255, /chunk_root_level/],
  ['log_root_level', 8, /log_root_level/],
  ['sectorsize', 2048, /sectorsize 2048/],
  ['sectorsize', 5000, /sectorsize 5000/],
  ['nodesize', 2048, /nodesize 2048/],
  ['nodesize', 131072, /nodesize 131072/],
  ['leafsize', 4096, /leafsize 4096: not nodesize/],
  ['root', 12345, /root 12345: not aligned/],
  ['chunk_root', 1, /chunk_root 1/],
  ['log_root', 77, /log_root 77/],
  ['bytes_used', 100, /bytes_used 100: </],
  ['stripesize', 3, /stripesize 3/],
  ['num_devices', 0, /num_devices 0/],
  ['sys_chunk_array_size', 4000, /sys_chunk_array_size 4000: > 2048/],
  ['sys_chunk_array_size', 40, /sys_chunk_array_size 40: </],
  ['compat_ro_flags', 8n, /BLOCK_GROUP_TREE without/],
];

for (const [field, value, message] of RULES) {
  supers(`${field} ${value} is refused`, () => {
    const device = imageDevice('btrfs-default');
    for (const mirror of [0, 1]) {
      patch(device, mirror, (view) =>
        (SuperBlock.set[field] as (v: DataView, b: number, x: unknown) => void)(view, 0, value),
      );
    }
    const error = failure(() => readSuperblock(device));
    assert.is(error.code, 'EUCLEAN');
    assert.match(error.message, message);
  });
}

function withFlags(field: 'incompat_flags' | 'compat_ro_flags', bits: bigint): BtrfsMount {
  const device = imageDevice('btrfs-default');
  patch(device, 0, (view) => SuperBlock.set[field](view, 0, SuperBlock.get[field](view, 0) | bits));
  return openMount(device, OPTIONS);
}

supers('features: unknown ones by number, known ones by name', () => {
  assert.match(failure(() => withFlags('incompat_flags', 1n << 42n)).message, /unknown incompat feature bit 42/);
  assert.match(failure(() => withFlags('incompat_flags', Incompat.EXTENT_TREE_V2)).message, /EXTENT_TREE_V2/);
  assert.match(failure(() => withFlags('incompat_flags', Incompat.RAID_STRIPE_TREE)).message, /RAID_STRIPE_TREE/);
  const unknownRo = withFlags('compat_ro_flags', 1n << 17n);
  assert.ok(unknownRo.readOnly);
  assert.match(unknownRo.notes.join(), /read-only: unknown compat_ro feature bit 17/);
  const zoned = withFlags('incompat_flags', Incompat.ZONED);
  assert.ok(zoned.readOnly);
  assert.is(judgeFeatures(0x361n, 3n).refused, null);
});

supers('older roots and sums that cannot be are no obstacle to reading', () => {
  const device = imageDevice('btrfs-default');
  for (const mirror of [0, 1]) {
    patch(device, mirror, (view) => {
      for (let i = 0; i < 15; i++) view.setBigUint64(SuperBlock.at.super_roots + i * 8, 0x7fff_0123_4567_89abn, true);
      view.setBigUint64(SuperBlock.at.bytes_used, 1n << 63n, true);
    });
  }
  const mp = openMount(device, OPTIONS);
  assert.ok(mp.readOnly);
  assert.match(mp.notes.join(), /read-only: superblock, bytes_used/);
  assert.ok(mp.root(Objectid.FS_TREE).node().nritems > 0);
});

/** Damages both copies of the root tree's root node. */
function withoutTreeRoot(): MemoryDevice {
  const device = imageDevice('btrfs-default');
  const mp = openMount(device, OPTIONS);
  for (const { addr } of mp.space.map(mp.sb.root, mp.nodeSize)) flipBit(device, addr + 200);
  return device;
}

supers('a damaged root tree: refused by name, an older one shown on request', () => {
  const device = withoutTreeRoot();
  const error = failure(() => openMount(device, OPTIONS));
  assert.is(error.code, 'EUCLEAN');
  assert.match(error.message, /leaf of ROOT_TREE \(copy 1\) at 0x\w+\+0, csum 0x\w+: wrong \(crc32c\)/);
  if (!/--backup-root/.test(error.message)) return;
  const mp = openMount(device, { ...OPTIONS, backupRoot: true });
  assert.ok(mp.readOnly);
  assert.match(mp.notes.join(), /older state of generation \d+/);
  assert.ok(mp.root(Objectid.FS_TREE).node().nritems > 0);
});

supers('one damaged copy of a block is healed from the other, and told', () => {
  const device = imageDevice('btrfs-default');
  const first = openMount(device, OPTIONS);
  const [copy] = first.space.map(first.sb.root, first.nodeSize);
  flipBit(device, (copy as { addr: number }).addr + 200);
  const mp = openMount(device, OPTIONS);
  assert.match(mp.blocks.healed.join(), /leaf of ROOT_TREE \(copy 1\).*copy 2 is good/);
});

supers('checksums of the letters a to z', () => {
  const letters = Buffer.from('abcdefghijklmnopqrstuvwxyz');
  const expected = [
    '25efe69e',
    '5c8389fa78f2e1cf',
    '71c480df93d6ae2f1efad1447c66c9525e316218cf51fc8d9ed832f2daf18b73',
    '117ad6b940f5e8292c007d9c7e7350cd33cf85b5887e8da71c7957830f536e7c',
  ];
  for (const [type, text] of expected.entries()) {
    const kind = checksumKind(type) as NonNullable<ReturnType<typeof checksumKind>>;
    const into = new Uint8Array(34);
    kind.sum(letters, into, 1);
    const found = Buffer.from(into).toString('hex', 1, 1 + kind.size);
    assert.is(found, text, kind.name);
  }
  assert.is(checksumKind(4), null);
});

supers.run();
