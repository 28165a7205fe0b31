/** dump-tree: the blocks of the trees, as btrfs inspect-internal dump-tree prints them. */
import { FsError } from '../../../core/errors.ts';
import { WordFailure, type WordResult, word } from '../../../core/vfs/word.ts';
import { type BlockSetting, showBlock } from '../inspect/block.ts';
import { keyData, keyText } from '../inspect/key-text.ts';
import { backupRootLines } from '../inspect/super.ts';
import { uuidText } from '../inspect/template.ts';
import { logTree, rootBytenr, rootItemKeys, treeIdOf, treeRootOf, treeTitle } from '../inspect/trees.ts';
import { breadthFirst, depthFirst, readBlock, type Visit } from '../inspect/walk.ts';
import type { BtrfsMount } from '../mount.ts';
import { Incompat } from '../structure/features.ts';
import { type Key, Objectid } from '../structure/key.ts';
import { SUPER_SIZE, SuperBlock } from '../structure/superblock.ts';
import type { TreeBlock } from '../tree/blocks.ts';
import { mountOf, says } from './mount-of.ts';

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

function* blocks(dump: Dump, words: readonly string[], follow: boolean): Generator<WordResult> {
  for (const text of words) {
    const bytenr = /^(0[xX][0-9a-fA-F]+|\d+)$/.test(text) ? Number(text) : -1;
    if (!(bytenr >= 0) || !Number.isSafeInteger(bytenr)) throw new WordFailure(`dump-tree: ${text} is no address`);
    const { sectorSize } = dump.mp;
    if (bytenr % sectorSize !== 0)
      throw new WordFailure(`dump-tree: tree block bytenr ${bytenr} is not aligned to sectorsize ${sectorSize}`);
    const block = readBlock(dump.mp, bytenr);
    if (follow) yield* below(dump, block);
    else yield shown(dump, block);
  }
}

function shown({ setting }: Dump, block: TreeBlock): WordResult {
  const { lines, data } = showBlock(block.view, setting);
  return says(data, lines);
}

function* below(dump: Dump, top: TreeBlock): Generator<WordResult> {
  const visits: Generator<Visit> = dump.depthFirst ? depthFirst(dump.mp, top) : breadthFirst(dump.mp, top);
  for (const visit of visits) {
    if ('block' in visit) yield shown(dump, visit.block);
    else
      yield says({ bytenr: visit.bytenr, error: visit.error.message }, [
        `ERROR: block ${visit.bytenr}: ${visit.error.message}`,
      ]);
  }
}

function heading(line: string, data: object): WordResult {
  return says(data, [line]);
}

function* oneTree(dump: Dump, id: number): Generator<WordResult> {
  const { mp } = dump;
  if (id === Objectid.ROOT_TREE || id === Objectid.CHUNK_TREE) {
    const title = `${treeTitle(id)} tree`;
    yield heading(title, { tree: title });
    yield* below(dump, treeRootOf(mp, id).node());
    return;
  }
  if (id === Objectid.TREE_LOG) {
    const log = logRoot(mp);
    if (log === null) throw new WordFailure('dump-tree: there is no log tree');
    yield heading('log root tree', { tree: 'log root tree' });
    yield* below(dump, log);
    return;
  }
  if (id === Objectid.BLOCK_GROUP_TREE) {
    yield heading('block group tree', { tree: 'block group tree' });
    yield* below(dump, mp.root(id).node());
    yield* summary(dump, false);
    return;
  }
  for (const key of rootItemKeys(mp.treeRoot)) {
    if (key.objectid !== id) continue;
    yield treeHeading(key, '');
    yield* below(dump, mp.root(id).node());
  }
  yield* summary(dump, false);
}

function treeHeading(key: Key, rest: string): WordResult {
  const title = `${treeTitle(key.objectid)} tree`;
  return heading(`${title} key ${keyText(key)} ${rest}`, { tree: title, key: keyData(key) });
}

/** The root node of the tree of log trees, or null. @throws FsError */
function logRoot(mp: BtrfsMount): TreeBlock | null {
  return logTree(mp)?.node() ?? null;
}

function* trees(dump: Dump, choice: Choice): Generator<WordResult> {
  const { mp } = dump;
  const special = choice.extents || choice.devices || choice.uuids;
  if (!choice.extents && !choice.uuids) yield* superTrees(dump, choice);
  for (const key of rootItemKeys(mp.treeRoot)) {
    if (special && !wanted(choice, key.objectid)) continue;
    yield* tree(dump, choice, key, () => mp.root(key.objectid).node());
  }
  const logs = logTree(mp);
  if (logs !== null && !special) {
    for (const key of rootItemKeys(logs)) yield* tree(dump, choice, key, () => readBlock(mp, rootBytenr(logs, key)));
  }
  if (!special) yield* summary(dump, choice.backups);
}

function wanted({ extents, devices, uuids }: Choice, id: number): boolean {
  if (id === Objectid.EXTENT_TREE) return extents && !devices && !uuids;
  if (id === Objectid.DEV_TREE) return !uuids;
  if (id === Objectid.UUID_TREE) return !extents && !devices;
  return id === Objectid.ROOT_TREE_DIR;
}

function* tree(dump: Dump, choice: Choice, key: Key, top: () => TreeBlock): Generator<WordResult> {
  let node: TreeBlock;
  try {
    node = top();
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    yield says({ key: keyData(key), error: error.message }, [`ERROR: tree ${keyText(key)}: ${error.message}`]);
    return;
  }
  if (choice.roots && !choice.extents) {
    const title = `${treeTitle(key.objectid)} tree`;
    const line = `${title} key ${keyText(key)} ${node.bytenr} level ${node.level}`;
    yield heading(line, { tree: title, key: keyData(key), bytenr: node.bytenr, level: node.level });
    return;
  }
  yield choice.extents
    ? heading(`${treeTitle(key.objectid)} tree key ${keyText(key)}`, { key: keyData(key) })
    : treeHeading(key, '');
  if (!choice.extents) {
    yield* below(dump, node);
    return;
  }
  for (const visit of depthFirst(dump.mp, node))
    if ('block' in visit && visit.block.level === 0) yield shown(dump, visit.block);
}

/** The trees that the superblock names. */
function* superTrees(dump: Dump, choice: Choice): Generator<WordResult> {
  const { mp } = dump;
  const log = logRoot(mp);
  const all: [string, TreeBlock][] = [
    ['root tree', mp.treeRoot.node()],
    ['chunk tree', mp.chunkRoot.node()],
  ];
  if (log !== null) all.push(['log root tree', log]);
  for (const [title, node] of all) {
    if (choice.roots) {
      const { bytenr, level } = node;
      yield heading(`${title}: ${bytenr} level ${level}`, { tree: title, bytenr, level });
      continue;
    }
    yield heading(title, { tree: title });
    yield* below(dump, node);
  }
}

function* summary({ mp }: Dump, backups: boolean): Generator<WordResult> {
  const view = new DataView(new ArrayBuffer(SUPER_SIZE));
  SuperBlock.encode(view, 0, mp.sb);
  const { total_bytes, bytes_used } = mp.sb;
  const uuid = uuidText(view, SuperBlock.at.fsid);
  const lines = [`total bytes ${total_bytes}`, `bytes used ${bytes_used}`, `uuid ${uuid}`];
  yield says({ total_bytes, bytes_used, uuid }, [...(backups ? backupRootLines(view) : []), ...lines]);
}
