/** dump-tree: the blocks of the trees, as btrfs inspect-internal dump-tree prints them. */
import { says, WordFailure, word } from '../../../core/vfs/word.ts';
import { type BlockSetting, showBlock } from '../inspect/block.ts';
import { keyData, keyText } from '../inspect/key-text.ts';
import { backupRootLines } from '../inspect/super.ts';
import { uuidText } from '../inspect/template.ts';
import { logTree, treeIdOf, treeRootOf, treeTitle } from '../inspect/trees.ts';
import { breadthFirst, depthFirst, type Pointer, pointerTo, rootEntries, type Visit, visit } from '../inspect/walk.ts';
import type { BtrfsMount } from '../mount.ts';
import { Incompat } from '../structure/features.ts';
import { type Key, Objectid } from '../structure/key.ts';
import { SUPER_SIZE, SuperBlock } from '../structure/superblock.ts';
import { mountOf } from './mount-of.ts';

/** Which trees are asked for. */
interface Choice {
  readonly extents: boolean;
  readonly devices: boolean;
  readonly uuids: boolean;
  /** Only where their roots are. */
  readonly roots: boolean;
  readonly backups: boolean;
}

interface Dump {
  readonly mp: BtrfsMount;
  readonly setting: BlockSetting;
  readonly depthFirst: boolean;
}

export const dumpTree = word({
  name: 'dump-tree',
  operands: '[block...]',
  about: 'the blocks of the trees',
  help: 'A tree is a number or a name (fs, extent, chunk, csum, uuid, …); a block is its logical address.',
  options: {
    b: { value: 'block', kind: 'text', about: 'only this block; operands name more' },
    d: { about: 'root, chunk and device tree' },
    e: { about: 'extent and device tree' },
    r: { about: 'where the roots are' },
    R: { about: 'and where older roots were' },
    t: { value: 'tree', kind: 'text', about: 'only this tree' },
    u: { about: 'the uuid tree' },
    backups: { about: 'as -R' },
    block: { value: 'block', kind: 'text', about: 'as -b' },
    device: { about: 'as -d' },
    extents: { about: 'as -e' },
    roots: { about: 'as -r' },
    tree: { value: 'tree', kind: 'text', about: 'as -t' },
    uuid: { about: 'as -u' },
    follow: { about: 'with -b: and all below it' },
    bfs: { about: 'level by level (the usual)' },
    dfs: { about: 'each block followed by what is below it' },
    noscan: { about: 'accepted' },
    'hide-names': { about: 'no names and attribute values' },
    'csum-headers': { about: 'with the checksums of the blocks' },
    'csum-items': { about: 'with the checksums of data' },
  },
  run(context, { options: o, operands }) {
    const mp = mountOf(context);
    const dump: Dump = {
      mp,
      depthFirst: o.dfs && !o.bfs,
      setting: {
        csumSize: mp.csum.size,
        sectorSize: mp.sectorSize,
        simpleQuota: (mp.sb.incompat_flags & Incompat.SIMPLE_QUOTA) !== 0n,
        options: { hideNames: o['hide-names'], checksums: o['csum-items'] },
        headerChecksums: o['csum-headers'],
      },
    };
    const block = o.b ?? o.block;
    if (block !== undefined) return blocks(dump, [block, ...operands], o.follow);
    if (operands.length > 0) throw context.usage();
    const tree = o.t ?? o.tree;
    if (tree !== undefined) {
      const id = treeIdOf(tree);
      if (id === null) throw new WordFailure(`dump-tree: unrecognized tree id: ${tree}`);
      return oneTree(dump, id);
    }
    const backups = o.R || o.backups;
    const choice = { extents: o.e || o.extents, devices: o.d || o.device, uuids: o.u || o.uuid };
    return trees(dump, { ...choice, roots: o.r || o.roots || backups, backups });
  },
});

function* blocks(dump: Dump, words: readonly string[], follow: boolean) {
  for (const text of words) {
    const bytenr = /^(0[xX][0-9a-fA-F]+|\d+)$/.test(text) ? Number(text) : -1;
    if (!(bytenr >= 0) || !Number.isSafeInteger(bytenr)) throw new WordFailure(`dump-tree: ${text} is no address`);
    const { sectorSize } = dump.mp;
    if (bytenr % sectorSize !== 0)
      throw new WordFailure(`dump-tree: tree block bytenr ${bytenr} is not aligned to sectorsize ${sectorSize}`);
    const pointer = pointerTo(dump.mp, bytenr);
    if (follow) yield* below(dump, pointer);
    else yield shown(dump, visit(dump.mp, pointer));
  }
}

/** A block, and below it what is wrong with its items; or why it cannot be shown. */
function shown({ setting }: Dump, found: Visit) {
  if (found.block === null) {
    const { bytenr, error } = found;
    return says({ bytenr, error: error.message }, [`ERROR: block ${bytenr}: ${error.message}`]);
  }
  const { block, error } = found;
  const { lines, data } = showBlock(block.view, setting);
  if (error === null) return says(data, lines);
  return says({ ...data, error: error.message }, [...lines, `ERROR: block ${block.bytenr}: ${error.message}`]);
}

function* below(dump: Dump, top: Pointer) {
  const visits = dump.depthFirst ? depthFirst(dump.mp, top) : breadthFirst(dump.mp, top);
  for (const found of visits) yield shown(dump, found);
}

function heading<D extends object>(line: string, data: D) {
  return says(data, [line]);
}

function* oneTree(dump: Dump, id: number) {
  const { mp } = dump;
  if (id === Objectid.ROOT_TREE || id === Objectid.CHUNK_TREE) {
    const title = `${treeTitle(id)} tree`;
    yield heading(title, { tree: title });
    yield* below(dump, treeRootOf(mp, id));
    return;
  }
  if (id === Objectid.TREE_LOG) {
    const log = logTree(mp);
    if (log === null) throw new WordFailure('dump-tree: there is no log tree');
    yield heading('log root tree', { tree: 'log root tree' });
    yield* below(dump, log);
    return;
  }
  if (id === Objectid.BLOCK_GROUP_TREE) {
    yield heading('block group tree', { tree: 'block group tree' });
    yield* below(dump, mp.root(id));
    yield* summary(dump, false);
    return;
  }
  for (const { key, top } of rootEntries(mp, mp.treeRoot)) {
    if (key.objectid !== id) continue;
    yield treeHeading(key, '');
    yield* below(dump, top);
  }
  yield* summary(dump, false);
}

function treeHeading(key: Key, rest: string) {
  const title = `${treeTitle(key.objectid)} tree`;
  return heading(`${title} key ${keyText(key)} ${rest}`, { tree: title, key: keyData(key) });
}

function* trees(dump: Dump, choice: Choice) {
  const { mp } = dump;
  const special = choice.extents || choice.devices || choice.uuids;
  if (!choice.extents && !choice.uuids) yield* superTrees(dump, choice);
  for (const { key, top } of rootEntries(mp, mp.treeRoot))
    if (!special || wanted(choice, key.objectid)) yield* tree(dump, choice, key, top);
  const logs = logTree(mp);
  if (logs !== null && !special) for (const { key, top } of rootEntries(mp, logs)) yield* tree(dump, choice, key, top);
  if (!special) yield* summary(dump, choice.backups);
}

function wanted({ extents, devices, uuids }: Choice, id: number): boolean {
  if (id === Objectid.EXTENT_TREE) return extents && !devices && !uuids;
  if (id === Objectid.DEV_TREE) return !uuids;
  if (id === Objectid.UUID_TREE) return !extents && !devices;
  return id === Objectid.ROOT_TREE_DIR;
}

function* tree(dump: Dump, choice: Choice, key: Key, top: Pointer) {
  const { bytenr, level } = top;
  if (choice.roots && !choice.extents) {
    const title = `${treeTitle(key.objectid)} tree`;
    const line = `${title} key ${keyText(key)} ${bytenr} level ${level}`;
    yield heading(line, { tree: title, key: keyData(key), bytenr, level });
    return;
  }
  yield choice.extents
    ? heading(`${treeTitle(key.objectid)} tree key ${keyText(key)}`, { key: keyData(key) })
    : treeHeading(key, '');
  if (!choice.extents) {
    yield* below(dump, top);
    return;
  }
  for (const found of depthFirst(dump.mp, top)) if (found.block?.level === 0) yield shown(dump, found);
}

/** The trees that the superblock names. */
function* superTrees(dump: Dump, choice: Choice) {
  const { mp } = dump;
  const log = logTree(mp);
  const all: [string, Pointer][] = [
    ['root tree', mp.treeRoot],
    ['chunk tree', mp.chunkRoot],
  ];
  if (log !== null) all.push(['log root tree', log]);
  for (const [title, top] of all) {
    const { bytenr, level } = top;
    if (choice.roots) {
      yield heading(`${title}: ${bytenr} level ${level}`, { tree: title, bytenr, level });
      continue;
    }
    yield heading(title, { tree: title });
    yield* below(dump, top);
  }
}

function* summary({ mp }: Dump, backups: boolean) {
  const view = new DataView(new ArrayBuffer(SUPER_SIZE));
  SuperBlock.encode(view, 0, mp.sb);
  const { total_bytes, bytes_used } = mp.sb;
  const uuid = uuidText(view, SuperBlock.at.fsid);
  const lines = [`total bytes ${total_bytes}`, `bytes used ${bytes_used}`, `uuid ${uuid}`];
  yield says({ total_bytes, bytes_used, uuid }, [...(backups ? backupRootLines(view) : []), ...lines]);
}
