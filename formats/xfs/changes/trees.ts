/**
 * Btrees as sets of records. Of both states the inner nodes are walked; leaves that both have with the same bytes hold
 * no difference, all others are read. So records that moved between blocks cancel out, and records of blocks that were
 * freed without being written are seen to go.
 */
import { corrupt } from '../../../core/errors.ts';
import type { StructureChange } from '../../../core/vfs/changes.ts';
import { btreeFields } from '../inspect/btree-blocks.ts';
import { printPath } from '../inspect/field.ts';
import type { XfsMount } from '../mount.ts';
import { Agf, Agi } from '../structure/ag.ts';
import { BTREE_MAX_LEVELS } from '../structure/btree-format.ts';
import type { BtreeName } from '../verify/btree.ts';
import type { Differing } from './differing.ts';
import { recordDifference, recordText } from './fields.ts';
import type { Pair } from './pair.ts';

type Row = Readonly<Record<string, unknown>>;

/** Where a tree begins: blocks of one level, in the tree's own pointers. */
export interface TreeRoots {
  readonly pointers: readonly number[];
  readonly level: number;
}

/** A block of a tree. */
export interface TreeBlock {
  readonly addr: number;
  readonly level: number;
}

interface AgTree {
  readonly name: Exclude<BtreeName, 'bmbt'>;
  has(mp: XfsMount): boolean;
  root(mp: XfsMount, agno: number): TreeRoots;
}

const agf =
  (
    root: 'bno_root' | 'cnt_root' | 'rmap_root' | 'refcount_root',
    level: 'bno_level' | 'cnt_level' | 'rmap_level' | 'refcount_level',
  ) =>
  (mp: XfsMount, agno: number): TreeRoots => {
    const { view } = mp.agf(agno);
    return { pointers: [Agf.get[root](view, 0)], level: Agf.get[level](view, 0) - 1 };
  };
const agi =
  (root: 'root' | 'free_root', level: 'level' | 'free_level') =>
  (mp: XfsMount, agno: number): TreeRoots => {
    const { view } = mp.agi(agno);
    return { pointers: [Agi.get[root](view, 0)], level: Agi.get[level](view, 0) - 1 };
  };

const AG_TREES: readonly AgTree[] = [
  { name: 'bnobt', has: () => true, root: agf('bno_root', 'bno_level') },
  { name: 'cntbt', has: () => true, root: agf('cnt_root', 'cnt_level') },
  { name: 'rmapbt', has: (mp) => mp.features.rmapbt, root: agf('rmap_root', 'rmap_level') },
  { name: 'refcountbt', has: (mp) => mp.features.reflink, root: agf('refcount_root', 'refcount_level') },
  { name: 'inobt', has: () => true, root: agi('root', 'level') },
  { name: 'finobt', has: (mp) => mp.features.finobt, root: agi('free_root', 'free_level') },
];

/** The changed records of the trees of all groups in which anything changed. */
export function* agTreeChanges({ was, is }: Pair, blocks: Differing): Generator<StructureChange> {
  for (let agno = 0; agno < is.agCount; agno++) {
    const addr = is.agbToAddr(agno, 0);
    const index = blocks.indexFrom(addr);
    if ((blocks.addrs[index] ?? Number.POSITIVE_INFINITY) >= addr + is.agSize(agno) * is.blockSize) continue;
    for (const { name, has, root } of AG_TREES) {
      if (!has(is)) continue;
      const structure = `${name} ag ${agno}`;
      const old = treeBlocks(was, name, root(was, agno), agno);
      const now = treeBlocks(is, name, root(is, agno), agno);
      yield* recordChanges(structure, name, { was, is }, old, now, blocks);
    }
  }
}

/** What came into a tree and what went, of the leaves that differ. */
export function* recordChanges(
  structure: string,
  name: BtreeName,
  { was, is }: Pair,
  old: readonly TreeBlock[],
  now: readonly TreeBlock[],
  blocks: Differing,
): Generator<StructureChange> {
  const { blockSize } = is;
  const oldLeaves = new Set(old.filter(({ level }) => level === 0).map(({ addr }) => addr));
  const nowLeaves = new Set(now.filter(({ level }) => level === 0).map(({ addr }) => addr));
  const differs = (addr: number, other: ReadonlySet<number>) =>
    !other.has(addr) || blocks.touches(addr, blockSize, blockSize);
  const from = [...oldLeaves].filter((addr) => differs(addr, nowLeaves)).flatMap((addr) => recordsAt(was, name, addr));
  const to = [...nowLeaves].filter((addr) => differs(addr, oldLeaves)).flatMap((addr) => recordsAt(is, name, addr));
  const { removed, added } = recordDifference(from, to);
  for (const record of removed) yield { structure, change: 'remove', addr: null, record: recordText(record) };
  for (const record of added) yield { structure, change: 'add', addr: null, record: recordText(record) };
}

function recordsAt(mp: XfsMount, name: BtreeName, addr: number): Row[] {
  const buf = mp.cache.get(addr, mp.blockSize, mp.ops[name]);
  const block = { mp, bytes: buf.bytes, view: buf.view, crc: null };
  if (buf.view.getUint16(6) === 0) return [];
  return (printPath(block, btreeFields(mp, name), 'recs')[0]?.value ?? []) as Row[];
}

/** All blocks of a tree but, below the root, no leaf is read. @throws FsError EUCLEAN for what is no tree */
export function treeBlocks(mp: XfsMount, name: BtreeName, roots: TreeRoots, agno: number): TreeBlock[] {
  const found: TreeBlock[] = [];
  const seen = new Set<number>();
  const addrOf = (pointer: number) => (name === 'bmbt' ? mp.fsbToAddr(pointer) : mp.agbToAddr(agno, pointer));
  if (roots.level < 0 || roots.level >= BTREE_MAX_LEVELS) return found;
  let row = roots.pointers.map(addrOf);
  for (let level = roots.level; level >= 0; level--) {
    const below: number[] = [];
    for (const addr of row) {
      if (seen.has(addr)) throw corrupt({ structure: `${name} block`, addr, rule: 'two ways lead to it' });
      seen.add(addr);
      found.push({ addr, level });
      if (level === 0) continue;
      const buf = mp.cache.get(addr, mp.blockSize, mp.ops[name]);
      const block = { mp, bytes: buf.bytes, view: buf.view, crc: null };
      const pointers = printPath(block, btreeFields(mp, name), 'ptrs')[0]?.value as number[];
      for (const pointer of pointers) below.push(addrOf(pointer));
    }
    row = below;
  }
  return found;
}
