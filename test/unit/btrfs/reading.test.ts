/** Reading btrfs: damage is named or healed, never shown; which subvolume is opened; the log that is not replayed. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Device } from '../../../core/device/device.ts';
import type { MemoryDevice } from '../../../core/device/memory.ts';
import { FsError } from '../../../core/errors.ts';
import { bufferedRead } from '../../../core/iomap/read.ts';
import type { MountOptions } from '../../../core/vfs/filesystem.ts';
import type { Inode } from '../../../core/vfs/inode.ts';
import { type BtrfsFilesystem, mountBtrfs } from '../../../formats/btrfs/filesystem.ts';
import type { BtrfsInode } from '../../../formats/btrfs/inode.ts';
import { assertBytes } from '../../harness/assert-bytes.ts';
import { imageDevice } from '../../harness/images.ts';
import { mountDevice } from '../../harness/mount-device.ts';

const test = suite('reading btrfs');

const OPTIONS: MountOptions = {
  readOnly: false,
  norecovery: false,
  devices: [],
  now: () => ({ seconds: 0, nanoseconds: 0 }),
  owner: { uid: 0, gid: 0, umask: 0 },
  random: () => 0,
};

function open(device: Device, options: Partial<MountOptions> = {}): BtrfsFilesystem {
  return mountBtrfs(device, { ...OPTIONS, ...options });
}

function contentOf(inode: Inode): Uint8Array {
  const bytes = new Uint8Array(inode.size);
  assert.is(bufferedRead(inode, 0, bytes), bytes.length);
  return bytes;
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

function flipBit(device: MemoryDevice, addr: number): void {
  const byte = new Uint8Array(1);
  device.read(addr, byte);
  byte[0] = (byte[0] as number) ^ 0x10;
  device.write(addr, byte);
}

/** Where each copy of the byte at `pos` of a regular file lies. */
function placesOf(fs: BtrfsFilesystem, name: string, pos: number): number[] {
  const inode = fs.root().child(name) as BtrfsInode;
  const { reader, space, sectorSize } = fs.mp;
  assert.ok(reader.find(inode, pos));
  const { found } = reader;
  const bytenr = found.bytenr + found.offset + pos - found.pos;
  return space.map(bytenr - (bytenr % sectorSize), sectorSize).map(({ addr }) => addr + (bytenr % sectorSize));
}

test('a flipped bit of data names the file, the position and the copy, and is read on request', () => {
  const device = imageDevice('btrfs-default');
  const [addr] = placesOf(open(device), 'mib', 500_000);
  const good = contentOf(open(device).root().child('mib') as Inode);
  flipBit(device, addr as number);
  const inode = open(device).root().child('mib') as Inode;
  const bytes = new Uint8Array(100);
  assert.is(bufferedRead(inode, 0, bytes), 100, 'what is not damaged reads');
  const { code, message } = failure(() => bufferedRead(inode, 500_000, bytes));
  assert.is(code, 'EIO');
  assert.match(
    message,
    /inode 261 of tree 5, file offset 499712: .*mirror 1 \(device 1 at 0x[0-9a-f]+\): wrong crc32c/,
  );
  const trusting = open(device, { noDataCsum: true }).root().child('mib') as Inode;
  const shown = contentOf(trusting);
  assert.is(shown[500_000], (good[500_000] as number) ^ 0x10);
});

test('a flipped bit of data is healed by another device', () => {
  const devices = [imageDevice('btrfs-raid1.0'), imageDevice('btrfs-raid1.1')] as const;
  const opened = () => open(devices[0], { devices: [devices[1]] });
  const good = contentOf(opened().root().child('mib') as Inode);
  const inode = opened().root().child('mib') as BtrfsInode;
  assert.ok(inode.mp.reader.find(inode, 0));
  const [place] = inode.mp.space.map(inode.mp.reader.found.bytenr, 4096);
  flipBit(devices[(place?.devid ?? 0) - 1] as MemoryDevice, place?.addr ?? 0);
  assertBytes(contentOf(opened().root().child('mib') as Inode), good);
});

test('a flipped bit of a leaf is healed by its copy; in both copies it is named', () => {
  const device = imageDevice('btrfs-default');
  const { mp } = open(device);
  const leaf = mp.root(5).node();
  const [first, second] = mp.space.map(leaf.bytenr, mp.nodeSize);
  assert.ok(first !== undefined && second !== undefined, 'metadata has two copies');
  flipBit(device, first.addr + 1000);
  const fs = open(device);
  assert.is(fs.root().child('tiny')?.size, 12);
  assert.is(fs.mp.blocks.healed.length, 1);
  flipBit(device, second.addr + 2000);
  const broken = open(device);
  assert.ok(broken.readOnly);
  const { code, message } = failure(() => broken.root());
  assert.is(code, 'EUCLEAN');
  assert.match(message, new RegExp(`copy 1\\) at 0x${leaf.bytenr.toString(16)}.*csum`));
});

test('a flipped bit of the superblock is noted, and a copy is used', () => {
  const device = imageDevice('btrfs-default');
  flipBit(device, 0x10000 + 200);
  const fs = open(device);
  assert.match(fs.status ?? '', /superblock at 0x10000.*csum.*using the copy at 0x4000000/);
  assert.is(fs.root().child('tiny')?.size, 12);
});

test('a subvolume is opened by path or id', () => {
  const device = imageDevice('btrfs-subvol');
  const whole = open(device);
  const sub = whole.root().child('sub') as BtrfsInode;
  assert.is(sub.ino, 256);
  assert.is(sub.child('..'), whole.root());
  for (const subvol of ['sub', '/sub/', String(sub.subvolume)]) {
    const fs = open(device, { subvol });
    assert.is(fs.root().subvolume, sub.subvolume);
    assert.equal(
      [...fs.root().entries()].map(({ name }) => name),
      [...sub.entries()].map(({ name }) => name),
    );
    assert.is([...fs.root().entries()][1]?.ino, 256);
  }
  assert.is(open(device, { subvol: '5' }).root().subvolume, 5);
  assert.is(failure(() => open(device, { subvol: 'nothing' })).code, 'ENOENT');
  assert.is(failure(() => open(device, { subvol: 'dir' })).code, 'EINVAL');
  assert.is(failure(() => open(device, { subvol: '4711' })).code, 'ENOENT');
  assert.is(failure(() => mountDevice(imageDevice('xfs-default'), { subvol: '5' })).code, 'EINVAL');
});

test('where a snapshot names a subvolume there is an empty directory', () => {
  const fs = open(imageDevice('btrfs-subvol'));
  const inside = fs.root().child('sub')?.child('snap')?.child('sub') as Inode;
  assert.is(inside.ino, 2);
  assert.equal(
    [...inside.entries()].map(({ name }) => name),
    ['.', '..'],
  );
  assert.is(failure(() => inside.create('file', 0o644)).code, 'EACCES');
});

test('a log that is not replayed is said, and nothing is written over it', () => {
  const device = imageDevice('btrfs-log-tree');
  const raw = open(device, { norecovery: true });
  assert.match(raw.status ?? '', /log not replayed/);
  assert.ok(raw.readOnly);
  const replayed = open(device);
  assert.is(replayed.status, null);
  const names = (fs: BtrfsFilesystem) => new Set([...fs.root().entries()].map(({ name }) => name));
  assert.ok(
    [...names(replayed)].some((name) => !names(raw).has(name)),
    'the log has a file that the commit has not',
  );
});

test.run();
