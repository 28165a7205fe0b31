// time limit: 120 s
/**
 * Images that cannot be mounted: what can be read of them is shown, as btrfs-progs shows it of the sound image; whoever
 * asks for a file hears what is wrong, and the image's bytes stay.
 */
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { openDevice } from '../../core/device/open.ts';
import { checksumKind, seal } from '../../formats/btrfs/checksum.ts';
import { HEADER_SIZE, Header, ITEM_SIZE, Item, KEY_PTR_SIZE, KeyPtr } from '../../formats/btrfs/structure/block.ts';
import { Incompat } from '../../formats/btrfs/structure/features.ts';
import { ItemType, Key, Objectid } from '../../formats/btrfs/structure/key.ts';
import { SUPER_OFFSETS, SUPER_SIZE, SuperBlock } from '../../formats/btrfs/structure/superblock.ts';
import { makeBtrfs, missingBtrfsJudges, withBtrfs } from '../harness/btrfs-judge.ts';
import { openTrees, type Trees } from '../harness/btrfs-trees.ts';
import { firstDifference } from '../harness/compare-output.ts';
import { fsio, missingFsio } from '../harness/fsio.ts';
import { unpackImage } from '../harness/images.ts';
import { must } from '../harness/kernel.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('damaged btrfs', missingBtrfsJudges() ?? missingFsio());
const crc = checksumKind(0) as NonNullable<ReturnType<typeof checksumKind>>;

function image(name: 'btrfs-default' | 'btrfs-subvol' = 'btrfs-default'): string {
  return unpackImage(name, join(scratch(true), 'image.img'));
}

/** Changes the bytes of an image through what its sound trees say of places. */
function damage(path: string, places: (trees: Trees) => readonly number[], length: number, change: Change): void {
  const device = openDevice(path);
  device.enableWrites?.();
  for (const addr of places(openTrees([device], true))) {
    const bytes = new Uint8Array(length);
    device.read(addr, bytes);
    change(bytes, new DataView(bytes.buffer), addr);
    device.write(addr, bytes);
  }
  device.close();
}

type Change = (bytes: Uint8Array, view: DataView, addr: number) => void;

const flip: Change = (bytes) => {
  bytes[300] = (bytes[300] as number) ^ 4;
};

const copiesOf =
  (bytenr: (trees: Trees) => number) =>
  (trees: Trees): number[] =>
    trees.mp.space.map(bytenr(trees), trees.mp.nodeSize).map(({ addr }) => addr);

function progs(path: string, ...args: string[]): string[] {
  return must('btrfs', 'inspect-internal', ...args, path)
    .replace(/^btrfs-progs v.*\n/, '')
    .split('\n');
}

/** What a command prints; damage that it tells of in its place left out. */
function shown(path: string, command: string, ...options: string[]): string[] {
  const { stdout } = fsio(['-r', ...options, '-c', command, path]);
  return stdout.split('\n').filter((line) => !line.startsWith('ERROR: '));
}

/** Files are refused with the reason, in whatever way they are asked for; nothing is written. */
function refused(path: string, reason: RegExp): void {
  const before = statSync(path).mtimeMs;
  for (const args of [
    ['-r', '-c', 'ls /', path],
    ['-c', 'stat', `${path}:/mib`],
    ['-f', '-c', 'pwrite 0 4k', `${path}:/new`],
  ]) {
    const { status, stdout, stderr } = fsio(args);
    assert.is(status, 1, args.join(' '));
    assert.is(stdout, '', args.join(' '));
    assert.match(stderr, reason, args.join(' '));
  }
  assert.is(statSync(path).mtimeMs, before, 'the image changed');
}

test('a damaged root tree: superblock, chunks and single blocks are shown, and the older state on request', () => {
  const path = image();
  const [chunks, block] = [progs(path, 'dump-tree', '-t', 'chunk'), progs(path, 'dump-tree', '-t', 'fs')];
  const fsBlock = /^leaf (\d+) /m.exec(block.join('\n'))?.[1] as string;
  const leaf = progs(path, 'dump-tree', '-b', fsBlock);
  damage(
    path,
    copiesOf(({ mp }) => mp.sb.root),
    4096,
    flip,
  );
  refused(path, /leaf of ROOT_TREE .*csum/);
  assert.is(firstDifference(shown(path, 'dump-super -fa'), progs(path, 'dump-super', '-fa')), null);
  assert.is(firstDifference(shown(path, 'dump-tree -t chunk'), chunks), null);
  assert.is(firstDifference(shown(path, `dump-tree -b ${fsBlock}`), leaf), null);
  assert.match(shown(path, 'chunk list').join('\n'), /Data\/single .* -$/m);
  const { stdout, stderr } = fsio(['-r', '--backup-root', '-c', 'ls', path]);
  assert.match(stderr, /read-only: shown is the older state of generation \d+/);
  assert.match(stdout, /\S/);
});

test('a damaged chunk tree: the superblock is shown', () => {
  const path = image();
  damage(
    path,
    copiesOf(({ mp }) => mp.sb.chunk_root),
    4096,
    flip,
  );
  refused(path, /leaf of CHUNK_TREE .*csum/);
  assert.is(firstDifference(shown(path, 'dump-super -f'), progs(path, 'dump-super', '-f')), null);
  assert.match(fsio(['-r', '-c', 'dump-tree', path]).stdout, /^chunk tree\nERROR: block \d+: .*csum/m);
});

test('a damaged tree of files: an older one is named, and shown on request', () => {
  const [path] = makeBtrfs(scratch(true), { name: 'files', args: [] }) as [string];
  for (const name of ['first', 'second', 'third'])
    withBtrfs([path], (at) => writeFileSync(join(at, name), Buffer.alloc(3000, name)));
  damage(
    path,
    copiesOf(({ mp }) => mp.root(Objectid.FS_TREE).bytenr),
    4096,
    flip,
  );
  refused(path, /leaf of FS_TREE .*csum.*the older root tree of generation \d+ can be read \(--backup-root\)/);
  const { status, stdout, stderr } = fsio(['-r', '--backup-root', '-c', 'ls', '-c', 'sum /first', path]);
  assert.is(status, 0, stderr);
  assert.match(stderr, /read-only: shown is the older state of generation \d+/);
  assert.match(stdout, /^first$/m);
  assert.not.match(stdout, /^third$/m);
});

const copies = (): number[] => [...SUPER_OFFSETS.slice(0, 2)];

test('no good superblock: all copies are shown, and that their checksums are wrong', () => {
  const path = image();
  damage(path, copies, SUPER_SIZE, flip);
  refused(path, /superblock at 0x10000\+0, csum: wrong/);
  const lines = shown(path, 'dump-super -fa');
  assert.is(firstDifference(lines, progs(path, 'dump-super', '-fa')), null);
  assert.match(lines.join('\n'), /DON'T MATCH/);
});

test('features that nobody knows: refused by name, the superblock is shown', () => {
  const path = image();
  damage(path, copies, SUPER_SIZE, (bytes, view) => {
    SuperBlock.set.incompat_flags(view, 0, SuperBlock.get.incompat_flags(view, 0) | (1n << 42n) | Incompat.ZONED);
    seal(crc, bytes);
  });
  refused(path, /unknown incompat feature bit 42/);
  assert.is(firstDifference(shown(path, 'dump-super'), progs(path, 'dump-super')), null);
});

test('the copy of the superblock that was asked for is believed', () => {
  const path = image();
  damage(
    path,
    () => [SUPER_OFFSETS[0] as number],
    SUPER_SIZE,
    (bytes, view) => {
      SuperBlock.set.root(view, 0, 0x7000_0000);
      seal(crc, bytes);
    },
  );
  refused(path, /in no chunk/);
  const { status, stdout, stderr } = fsio(['--superblock', '1', '-c', 'ls', path]);
  assert.is(status, 0, stderr);
  assert.match(stderr, /read-only: shown is what superblock 1 says/);
  assert.match(stdout, /^mib$/m);
  assert.match(fsio(['--superblock', '2', '-c', 'ls', path]).stderr, /no superblock 2/);
});

/** Of the images here. */
const NODE_SIZE = 16384;

/** A number that no inode may have, with a checksum that fits. */
function badInode(path: string): void {
  const leaf = copiesOf(({ mp }) => {
    let block = mp.root(Objectid.FS_TREE).node();
    while (block.level > 0) block = mp.blocks.readChild(block, 0, Objectid.FS_TREE);
    return block.bytenr;
  });
  damage(path, leaf, NODE_SIZE, (bytes, view) => {
    const key = new Key();
    for (let slot = 0; slot < Header.get.nritems(view, 0); slot++) {
      const at = HEADER_SIZE + slot * ITEM_SIZE;
      if (key.read(view, at).type !== ItemType.INODE_ITEM) continue;
      // The generation of the inode.
      view.setUint32(HEADER_SIZE + Item.get.offset(view, at), 0x7fff_ffff, true);
      seal(crc, bytes);
      return;
    }
    throw new Error('no inode in the first leaf');
  });
}

test('items that break the rules are shown by dump-tree, with what is wrong', () => {
  const path = image('btrfs-subvol');
  badInode(path);
  const { stdout } = fsio(['-r', '-c', 'dump-tree', path]);
  assert.match(stdout, /^ERROR: block \d+: .*INODE_ITEM.*generation/m);
  assert.is(firstDifference(shown(path, 'dump-tree'), progs(path, 'dump-tree')), null);
});

test('a node that leads to a block twice: the walk goes there once', () => {
  const path = image('btrfs-subvol');
  damage(
    path,
    copiesOf(({ mp }) => mp.root(Objectid.FS_TREE).bytenr),
    NODE_SIZE,
    (bytes, view) => {
      assert.ok(Header.get.level(view, 0) > 0, 'the tree has nodes');
      const [first, second] = [HEADER_SIZE, HEADER_SIZE + KEY_PTR_SIZE].map((at) => at + KeyPtr.at.blockptr);
      bytes.copyWithin(second as number, first as number, HEADER_SIZE + KEY_PTR_SIZE);
      seal(crc, bytes);
    },
  );
  for (const order of ['', '--dfs']) {
    const { stdout } = fsio(['-r', '-c', `dump-tree -t fs ${order}`, path]);
    const [, bytenr] = /^ERROR: block (\d+): .*twice in one tree$/m.exec(stdout) ?? [];
    assert.is(stdout.split(`\nleaf ${bytenr} items `).length, 2, `block ${bytenr} is shown once`);
  }
});

test.run();
