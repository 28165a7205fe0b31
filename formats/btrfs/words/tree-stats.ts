/**
 * tree-stats: how the blocks of a tree lie on the disk: how many follow each other, how far one would have to seek
 * between the others (btrfs-progs: inspect-internal tree-stats).
 */
import { says, WordFailure, word } from '../../../core/vfs/word.ts';
import { treeIdOf, treeRootOf } from '../inspect/trees.ts';
import type { BtrfsMount } from '../mount.ts';
import { HEADER_SIZE, ITEM_SIZE, Item } from '../structure/block.ts';
import { FILE_EXTENT_INLINE_START, FileExtentItem, FileExtentType } from '../structure/file-extent.ts';
import { ItemType, Key, Objectid } from '../structure/key.ts';
import type { TreeBlock } from '../tree/blocks.ts';
import type { TreeRoot } from '../tree/root.ts';
import { mountOf } from './mount-of.ts';
import { sizeText, UNIT_OPTIONS, type Units, unitsOf } from './sizes.ts';

/** The trees that are told of where none was asked for. */
const USUAL: readonly (readonly [string, number])[] = [
  ['root', Objectid.ROOT_TREE],
  ['extent', Objectid.EXTENT_TREE],
  ['csum', Objectid.CSUM_TREE],
  ['fs', Objectid.FS_TREE],
];

const { t: _, ...UNITS } = UNIT_OPTIONS;

export const treeStats = word({
  name: 'tree-stats',
  about: 'how the blocks of the trees lie on the disk',
  options: { ...UNITS, t: { value: 'tree', kind: 'text', about: 'of this tree, by name or number' } },
  run(context, { options, operands }) {
    if (operands.length > 0) throw context.usage();
    const mp = mountOf(context);
    const units = unitsOf({ ...options, t: undefined });
    if (options.t === undefined) return usual(mp, units);
    const id = treeIdOf(options.t);
    if (id === null) throw new WordFailure(`tree-stats: cannot parse tree id: ${options.t}`);
    return [told(treeRootOf(mp, id), `(${id})`, true, units)];
  },
});

function* usual(mp: BtrfsMount, units: Units) {
  for (const [name, id] of USUAL) yield told(treeRootOf(mp, id), name, id === Objectid.FS_TREE, units);
}

function told(root: TreeRoot, name: string, inlineData: boolean, units: Units) {
  const started = process.hrtime();
  const walk = new Walk(root, inlineData);
  const [seconds, nanoseconds] = process.hrtime(started);
  const title = `Calculating size of ${name.startsWith('(') ? `tree ${name}` : `${name} tree`}`;
  const data = walk.summary();
  const size = (bytes: number): string => sizeText(bytes, units);
  const lines = [
    title,
    `\tTotal size: ${size(data.totalBytes)}`,
    `\t\tInline data: ${size(data.inlineBytes)}`,
    `\tTotal seeks: ${data.seeks}`,
    `\t\tForward seeks: ${data.forwardSeeks}`,
    `\t\tBackward seeks: ${data.backwardSeeks}`,
    `\t\tAvg seek len: ${size(data.averageSeek)}`,
    ...histogram(walk.distances, data.seeks),
    `\tTotal clusters: ${data.clusters}`,
    `\t\tAvg cluster size: ${size(data.averageCluster)}`,
    `\t\tMin cluster size: ${size(data.leastCluster)}`,
    `\t\tMax cluster size: ${size(data.mostCluster)}`,
    `\tTotal disk spread: ${size(data.spread)}`,
    `\tTotal read time: ${seconds} s ${Math.round(nanoseconds / 1000)} us`,
    `\tLevels: ${data.levels.length}`,
    `\tTotal nodes: ${data.nodes}`,
    ...data.levels.map((count, level) => {
      const fanout = level === 0 ? '' : `  (avg fanout ${Math.floor((data.levels[level - 1] as number) / count)})`;
      return `\t\tOn level ${level}: ${String(count).padStart(8)}${fanout}`;
    }),
  ];
  return says({ tree: root.id, ...data }, lines);
}

/** Goes through a tree as it is read: each node, then what is below it. */
class Walk {
  /** How often each distance was met. */
  readonly distances = new Map<number, number>();
  private readonly mp: BtrfsMount;
  private readonly id: number;
  private readonly inlineData: boolean;
  private readonly counts: number[];
  private inlineBytes = 0;
  private seeks = 0;
  private forward = 0;
  private seekBytes = 0;
  private clusters = 0;
  private clusterBytes = 0;
  private leastCluster = Number.POSITIVE_INFINITY;
  private mostCluster: number;
  private lowest: number;
  private highest: number;

  /** With `inlineData`, leaves are read for the data in them; else they are only counted. @throws FsError */
  constructor(root: TreeRoot, inlineData: boolean) {
    this.mp = root.mp;
    this.id = root.id;
    this.inlineData = inlineData;
    this.counts = Array.from({ length: root.level + 1 }, () => 0);
    this.mostCluster = root.mp.nodeSize;
    this.lowest = root.bytenr;
    this.highest = root.bytenr;
    const top = root.node();
    if (top.level === 0) this.leaf(top);
    else this.node(top);
  }

  summary() {
    const { counts, seeks, clusters } = this;
    const nodes = counts.reduce((sum, count) => sum + count, 0);
    // As btrfs-progs: without any two blocks in a row there is one cluster, of nothing.
    const none = clusters === 0;
    return {
      totalBytes: nodes * this.mp.nodeSize,
      inlineBytes: this.inlineBytes,
      seeks,
      forwardSeeks: this.forward,
      backwardSeeks: seeks - this.forward,
      averageSeek: seeks === 0 ? 0 : Math.floor(this.seekBytes / seeks),
      clusters: none ? 1 : clusters,
      averageCluster: none ? 0 : Math.floor(this.clusterBytes / clusters),
      leastCluster: none ? 0 : this.leastCluster,
      mostCluster: this.mostCluster,
      spread: this.highest - this.lowest,
      nodes,
      levels: counts,
    };
  }

  private leaf(block: TreeBlock | null): void {
    this.counts[0] = (this.counts[0] ?? 0) + 1;
    if (block === null || !this.inlineData) return;
    const { view } = block;
    for (let slot = 0; slot < block.nritems; slot++) {
      const header = HEADER_SIZE + slot * ITEM_SIZE;
      if (key.read(view, header).type !== ItemType.EXTENT_DATA) continue;
      const at = HEADER_SIZE + Item.get.offset(view, header);
      if (FileExtentItem.get.type(view, at) !== FileExtentType.INLINE) continue;
      this.inlineBytes += Item.get.size(view, header) - FILE_EXTENT_INLINE_START;
    }
  }

  private node(block: TreeBlock): void {
    const { level } = block;
    this.counts[level] = (this.counts[level] ?? 0) + 1;
    const { nodeSize } = this.mp;
    let last = block.bytenr;
    let cluster = nodeSize;
    for (let slot = 0; slot < block.nritems; slot++) {
      const bytenr = block.childBytenr(slot);
      if (level === 1 && !this.inlineData) this.leaf(null);
      else {
        const child = this.mp.blocks.readChild(block, slot, this.id);
        if (level === 1) this.leaf(child);
        else this.node(child);
      }
      if (bytenr === last + nodeSize) cluster += nodeSize;
      else {
        this.seek(Math.abs(bytenr - last - nodeSize), last < bytenr);
        if (cluster !== nodeSize) this.endCluster(cluster);
        cluster = nodeSize;
      }
      last = bytenr;
      this.lowest = Math.min(this.lowest, bytenr);
      this.highest = Math.max(this.highest, bytenr);
    }
  }

  private seek(distance: number, forward: boolean): void {
    this.seeks++;
    this.seekBytes += distance;
    if (forward) this.forward++;
    this.distances.set(distance, (this.distances.get(distance) ?? 0) + 1);
  }

  private endCluster(bytes: number): void {
    this.clusters++;
    this.clusterBytes += bytes;
    this.leastCluster = Math.min(this.leastCluster, bytes);
    this.mostCluster = Math.max(this.mostCluster, bytes);
  }
}

const key = new Key();

/** Seeks by distance, those that are rare gathered; a sign for each twentieth of all. Nothing for fewer than 20. */
function histogram(distances: ReadonlyMap<number, number>, seeks: number): string[] {
  if (seeks < 20) return [];
  const sorted = [...distances].sort(([a], [b]) => a - b);
  const width = String(sorted.at(-1)?.[0] ?? 0).length;
  const each = Math.floor(seeks / 20);
  const lines = ['\tSeek histogram'];
  const line = (from: number, to: number, count: number): void => {
    const numbers = [from, to, count].map((value) => String(value).padStart(width));
    lines.push(`\t\t${numbers[0]} - ${numbers[1]}: ${numbers[2]} ${'#'.repeat(Math.floor(count / each)) || '|'}`);
  };
  let group = { from: 0, to: 0, count: 0 };
  const flush = (): void => {
    if (group.count > 0) line(group.from, group.to, group.count);
    group = { from: 0, to: 0, count: 0 };
  };
  for (const [distance, count] of sorted) {
    const many = Math.floor(count / each) > 2;
    if (!many && Math.floor(group.count / each) <= 2) {
      group = { from: group.count === 0 ? distance : group.from, to: distance, count: group.count + count };
      continue;
    }
    flush();
    if (many) line(distance, distance, count);
  }
  flush();
  return lines;
}
