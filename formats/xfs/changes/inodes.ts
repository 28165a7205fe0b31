/** Inodes: their fields, and the extents of their forks as sets of records. */
import type { StructureChange } from '../../../core/vfs/changes.ts';
import { type Printed, printAll } from '../inspect/field.ts';
import { asBlock, type BlockType, blockType } from '../inspect/types.ts';
import type { XfsMount } from '../mount.ts';
import { DINODE_MAGIC, Dinode } from '../structure/dinode.ts';
import type { Differing } from './differing.ts';
import { fieldChanges, recordDifference, recordText } from './fields.ts';
import { bytesAt, type Pair } from './pair.ts';
import { recordChanges, type TreeBlock, treeBlocks } from './trees.ts';

/** An inode's bytes in a state, or null where the bytes are no inode. */
interface Slot {
  readonly fields: readonly Printed[];
  readonly used: boolean;
}

const FORKS = [
  ['u3', 'data'],
  ['u', 'data'],
  ['a', 'attr'],
] as const;

/** The changed inodes, told; returns the numbers of those in use in either state. */
export function* inodeChanges(pair: Pair, blocks: Differing): Generator<StructureChange, number[]> {
  const { was, is } = pair;
  const changed: number[] = [];
  for (const addr of blocks.addrs) {
    if (blocks.explained.has(addr) || !(holdsInodes(is, addr) || holdsInodes(was, addr))) continue;
    blocks.explain(addr, is.blockSize, is.blockSize);
    let fresh = 0;
    for (let at = addr; at < addr + is.blockSize; at += is.inodeSize) {
      const ino = inodeNumber(is, at);
      const old = slotAt(was, at, ino);
      const now = slotAt(is, at, ino);
      if (now !== null && !now.used && old === null) fresh++;
      else if (yield* oneInode(pair, blocks, ino, at, old, now)) changed.push(ino);
    }
    if (fresh > 0) {
      const structure = `inodes ${inodeNumber(is, addr)}-${inodeNumber(is, addr) + is.inodesPerBlock - 1}`;
      yield { structure, change: 'add', addr, record: `${fresh} free inodes` };
    }
  }
  return changed;
}

/** True if something of the inode was told. */
function* oneInode(
  pair: Pair,
  blocks: Differing,
  ino: number,
  addr: number,
  old: Slot | null,
  now: Slot | null,
): Generator<StructureChange, boolean> {
  const structure = `inode ${ino}`;
  if (old !== null && now === null) {
    yield { structure, change: 'remove', addr };
    return old.used;
  }
  if (old === null && now !== null) yield { structure, change: 'add', addr };
  let told = false;
  // Extents are told as records; a fork by itself is printed only when it is empty.
  const extents = /^(u3|u|a)(\.(bmx|bmbt)|$)/;
  for (const change of fieldChanges(structure, addr, old?.fields ?? [], now?.fields ?? [], (name) =>
    extents.test(name),
  )) {
    told = true;
    yield change;
  }
  for (const [prefix, fork] of FORKS) {
    for (const change of forkChanges(pair, blocks, ino, addr, prefix, fork, old, now)) {
      told = true;
      yield change;
    }
  }
  return told;
}

function* forkChanges(
  pair: Pair,
  blocks: Differing,
  ino: number,
  addr: number,
  prefix: string,
  fork: string,
  old: Slot | null,
  now: Slot | null,
): Generator<StructureChange> {
  const structure = `inode ${ino} ${fork} fork`;
  const oldTree = treeOf(pair.was, old, prefix);
  const nowTree = treeOf(pair.is, now, prefix);
  const oldRows = rowsOf(old, prefix);
  const nowRows = rowsOf(now, prefix);
  if (oldTree.length === 0 && nowTree.length === 0) {
    const { removed, added } = recordDifference(oldRows, nowRows);
    for (const record of removed) yield { structure, change: 'remove', addr, record: recordText(record) };
    for (const record of added) yield { structure, change: 'add', addr, record: recordText(record) };
    return;
  }
  // Inline in one state: its records are those of a leaf that the other state does not have.
  const changes = [...recordChanges(structure, 'bmbt', pair, oldTree, nowTree, blocks)];
  const texts = (rows: readonly Row[]) => rows.map(recordText);
  const gone = new Set([
    ...texts(oldRows),
    ...changes.filter((c) => c.change === 'remove').map((c) => c.record as string),
  ]);
  const come = new Set([
    ...texts(nowRows),
    ...changes.filter((c) => c.change === 'add').map((c) => c.record as string),
  ]);
  for (const record of gone) if (!come.has(record)) yield { structure, change: 'remove', addr: null, record };
  for (const record of come) if (!gone.has(record)) yield { structure, change: 'add', addr: null, record };
}

type Row = Readonly<Record<string, unknown>>;

function rowsOf(slot: Slot | null, prefix: string): readonly Row[] {
  const field = slot?.fields.find(({ name }) => name.startsWith(`${prefix}.bmx`));
  return (field?.value as Row[] | undefined) ?? [];
}

function treeOf(mp: XfsMount, slot: Slot | null, prefix: string): TreeBlock[] {
  const value = (name: string) => slot?.fields.find((field) => field.name.startsWith(`${prefix}.bmbt.${name}`))?.value;
  const level = value('level');
  const pointers = value('ptrs');
  if (typeof level !== 'number' || !Array.isArray(pointers)) return [];
  return treeBlocks(mp, 'bmbt', { pointers: pointers as number[], level: level - 1 }, 0);
}

/** Is the block at `addr` one of inodes, by their own word? */
function holdsInodes(mp: XfsMount, addr: number): boolean {
  return slotAt(mp, addr, inodeNumber(mp, addr)) !== null;
}

function slotAt(mp: XfsMount, addr: number, ino: number): Slot | null {
  const bytes = bytesAt(mp.device, addr, mp.inodeSize);
  const view = new DataView(bytes.buffer);
  if (Dinode.get.magic(view, 0) !== DINODE_MAGIC || !mp.validIno(ino)) return null;
  const type = blockType(mp, 'inode') as BlockType;
  const block = asBlock(mp, type, bytes);
  if (mp.features.v5) {
    if (Dinode.get.version(view, 0) !== 3 || block.crc !== 'correct') return null;
    if (view.getBigUint64(Dinode.at.ino) !== BigInt(ino)) return null;
  }
  const used = Dinode.get.mode(view, 0) !== 0;
  return { used, fields: printAll(block, type.fields ?? []) };
}

function inodeNumber(mp: XfsMount, addr: number): number {
  const fsb = mp.addrToFsb(addr);
  const agino = mp.fsbToAgbno(fsb) * mp.inodesPerBlock + Math.floor((addr % mp.blockSize) / mp.inodeSize);
  return mp.agInoToIno(mp.fsbToAgno(fsb), agino);
}
