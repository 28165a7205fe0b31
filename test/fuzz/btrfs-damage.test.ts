// time limit: 300 s
/**
 * Damaged btrfs images: random bits and extreme values in superblocks and tree blocks, in all their copies, mostly
 * with a checksum that fits. Whatever the damage, every operation ends, either well or with an FsError, and looking
 * writes nothing. Damage by fields aims at items: their keys, offsets, sizes and contents.
 */
import { writeSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { MemoryDevice } from '../../core/device/memory.ts';
import { OverlayDevice } from '../../core/device/overlay.ts';
import type { Filesystem } from '../../core/vfs/filesystem.ts';
import type { Inode } from '../../core/vfs/inode.ts';
import type { Word } from '../../core/vfs/word.ts';
import { checksumKind, seal } from '../../formats/btrfs/checksum.ts';
import { logRootTree, logTrees } from '../../formats/btrfs/log-replay/replay.ts';
import { type BtrfsMount, openMount } from '../../formats/btrfs/mount.ts';
import { HEADER_SIZE, ITEM_SIZE, KEY_PTR_SIZE } from '../../formats/btrfs/structure/block.ts';
import { ItemType } from '../../formats/btrfs/structure/key.ts';
import { SUPER_OFFSETS, SUPER_SIZE } from '../../formats/btrfs/structure/superblock.ts';
import type { TreeBlock } from '../../formats/btrfs/tree/blocks.ts';
import { TreeCursor } from '../../formats/btrfs/tree/cursor.ts';
import type { TreeRoot } from '../../formats/btrfs/tree/root.ts';
import { BTRFS_IMAGES, type ImageName, imageDevice } from '../harness/images.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { announceSeed, Random, rounds } from '../harness/random.ts';
import { damageBytes } from './damage-bytes.ts';
import { Attempts, change, look } from './exercise.ts';

const test = suite('btrfs damage');
const seed = announceSeed('btrfs-damage');
/** No single case may take longer, in milliseconds of this process's own time. */
const PATIENCE = 30_000;
const crc = checksumKind(0) as NonNullable<ReturnType<typeof checksumKind>>;

/** Bytes that a checksum covers, and where all their copies are. */
interface Victim {
  readonly what: string;
  readonly addrs: readonly number[];
  readonly length: number;
  /** 0 for leaves, above for nodes, -1 for superblocks. */
  readonly level: number;
}

function victims(device: MemoryDevice): Map<string, Victim[]> {
  const mp = openMount(device, {
    readOnly: true,
    norecovery: true,
    devices: [],
    now: () => ({ seconds: 0, nanoseconds: 0 }),
    owner: { uid: 0, gid: 0, umask: 0 },
    random: () => 0,
  });
  const found = new Map<string, Victim[]>();
  for (const root of roots(mp)) found.set(`tree ${root.id}`, blocksOf(mp, root));
  if (mp.sb.log_root !== 0) for (const [what, root] of logs(mp)) found.set(what, blocksOf(mp, root));
  const addrs = SUPER_OFFSETS.filter((addr) => addr + SUPER_SIZE <= device.size);
  found.set('superblock', [{ what: 'superblock', addrs, length: SUPER_SIZE, level: -1 }]);
  return found;
}

function roots(mp: BtrfsMount): TreeRoot[] {
  const ids = new Set<number>();
  const cursor = new TreeCursor(mp.treeRoot);
  for (let more = cursor.first(); more; more = cursor.next()) {
    if (cursor.key.type === ItemType.ROOT_ITEM) ids.add(cursor.key.objectid);
  }
  return [mp.treeRoot, mp.chunkRoot, ...[...ids].map((id) => mp.root(id))];
}

/** The log trees, and the tree that lists them. */
function logs(mp: BtrfsMount): [string, TreeRoot][] {
  const trees = logTrees(mp).map(({ subvolume, tree }): [string, TreeRoot] => [`log of ${subvolume}`, tree]);
  return [['log root', logRootTree(mp)], ...trees];
}

function blocksOf(mp: BtrfsMount, root: TreeRoot): Victim[] {
  const found: Victim[] = [];
  const visit = (block: TreeBlock): void => {
    const addrs = mp.space.map(block.bytenr, mp.nodeSize).map(({ addr }) => addr);
    const what = `tree ${root.id} level ${block.level} at ${block.bytenr}`;
    found.push({ what, addrs, length: mp.nodeSize, level: block.level });
    for (let slot = 0; block.level > 0 && slot < block.nritems; slot++)
      visit(mp.blocks.readChild(block, slot, root.id));
  };
  visit(root.node());
  return found;
}

/** Damage that knows what a tree block looks like: a field of an item's or pointer's header, or of an item's data. */
function damageItem(bytes: Uint8Array, level: number, random: Random): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  // As many as fit: an earlier damage may have hit the count itself.
  const each = level === 0 ? ITEM_SIZE : KEY_PTR_SIZE;
  const count = Math.min(view.getUint32(96, true), Math.floor((bytes.length - HEADER_SIZE) / each));
  if (count === 0) return damageBytes(bytes, random, true);
  const slot = random.below(count);
  const header = HEADER_SIZE + slot * each;
  let from = header;
  let length = each;
  if (level === 0 && !random.oneIn(4)) {
    from = HEADER_SIZE + view.getUint32(header + 17, true);
    length = view.getUint32(header + 21, true);
  }
  const part = bytes.subarray(from, from + length);
  // An earlier damage may have sent it out of the block.
  if (part.length === 0) return damageBytes(bytes, random, true);
  if (part.length < 8) {
    part[random.below(part.length)] = random.below(256);
    return `item ${slot}`;
  }
  return `item ${slot}, from ${from}: ${damageBytes(part, random, true)}`;
}

function one(base: MemoryDevice, victim: Victim, random: Random): Attempts {
  const damaged = new OverlayDevice(base);
  const bytes = new Uint8Array(victim.length);
  base.read(victim.addrs[0] as number, bytes);
  const hit = (): string =>
    victim.level >= 0 && !random.oneIn(4) ? damageItem(bytes, victim.level, random) : damageBytes(bytes, random, true);
  const what = Array.from({ length: random.between(1, 3) }, hit).join(', ');
  const fits = !random.oneIn(8);
  for (const addr of victim.addrs) {
    if (victim.level < 0) new DataView(bytes.buffer).setUint32(48, addr, true);
    if (fits) seal(crc, bytes);
    damaged.write(addr, bytes);
  }
  const label = `${victim.what}: ${what}${fits ? ', checksum fits' : ''}`;
  // Written at once: when this case hangs, the runner stops us and the last line tells which it was.
  writeSync(1, `\n# case ${label}`);
  const started = process.cpuUsage();
  const attempts = new Attempts();
  try {
    lookAndChange(damaged, attempts, random.oneIn(4));
  } catch (error) {
    if (error instanceof Error) error.message = `seed ${seed}: ${label}: ${error.message}`;
    throw error;
  }
  const { user, system } = process.cpuUsage(started);
  const took = (user + system) / 1000;
  assert.ok(took < PATIENCE, `${label}: took ${Math.round(took)} ms`);
  return attempts;
}

/** Words that show what is there, damaged or not. */
const WORDS = ['dump-super', 'dump-tree', 'chunk'];

function ask(fs: Filesystem, name: string, attempts: Attempts): void {
  const word = fs.words?.find((known) => known.name === name) as Word;
  const size = (text: string): number => Number(text);
  const lookup = (): Inode => fs.root();
  const context = { fs, file: null, program: 'xfs_io', size, lookup, usage: () => new Error(`usage of ${name}`) };
  attempts.try(() => {
    const answer = word.run(context, { options: { a: true, f: true }, operands: [], words: [], last: () => null });
    const results = answer === undefined ? [] : Symbol.iterator in answer ? answer : [answer];
    for (const result of results) result.text({ write: () => {} });
  });
}

function lookAndChange(damaged: OverlayDevice, attempts: Attempts, words: boolean): void {
  const looking = new OverlayDevice(damaged);
  const fs = attempts.try(() => mountDevice(looking));
  if (fs !== null) {
    look(fs, attempts);
    for (const name of words ? WORDS : []) ask(fs, name, attempts);
    attempts.try(() => fs.unmount());
  }
  assert.is([...looking.written()].length, 0, 'looking changed the image');
  const changing = attempts.try(() => mountDevice(new OverlayDevice(damaged)));
  if (changing !== null) change(changing, attempts);
}

function campaign(name: ImageName, index: number): void {
  const base = imageDevice(name);
  const all = victims(base);
  const kinds = [...all.keys()];
  assert.ok(kinds.length >= 8, `found only ${kinds.join(', ')}`);
  const random = new Random(seed + index);
  let refused = 0;
  for (let i = 0; i < rounds(18); i++) {
    const victim = random.pick(all.get(random.pick(kinds)) as Victim[]);
    if (one(base, victim, random).refused.size > 0) refused++;
  }
  assert.ok(refused > 0, 'no damage was ever noticed');
}

for (const [index, name] of [...BTRFS_IMAGES, 'btrfs-log-tree' as const].entries())
  test(name, () => campaign(name, index));

test.run();
