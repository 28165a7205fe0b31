/** testb, blocks, dump_extents: debugfs's questions about blocks. */
import { says, WordFailure, word } from '../../../core/vfs/word.ts';
import { ownedBlocks } from '../inspect/owned-blocks.ts';
import { walkExtents } from '../map/walk-extents.ts';
import type { Ext4Mount } from '../mount.ts';
import { blockBitmap, isSet } from '../space/bitmaps.ts';
import { inodeOf, mountOf, numberOf } from './mount-of.ts';

const testb = word({
  name: 'testb',
  operands: 'block [count]',
  about: 'whether the bitmaps say that blocks are in use',
  count: [1, 2],
  run(context, { operands }) {
    const mp = mountOf(context);
    const first = numberOf('testb', 'block', operands[0] as string);
    const count = operands[1] === undefined ? 1 : numberOf('testb', 'count', operands[1]);
    if (first < mp.firstDataBlock || first + count > mp.blocks)
      throw new WordFailure(`testb: the image has blocks ${mp.firstDataBlock} to ${mp.blocks - 1}`);
    const told = Array.from({ length: count }, (_, i) => ({ block: first + i, inUse: inUse(mp, first + i) }));
    const lines = told.map(({ block, inUse: used }) => `Block ${block} ${used ? 'marked' : 'not'} in use`);
    return says({ blocks: told }, lines);
  },
});

function inUse(mp: Ext4Mount, block: number): boolean {
  const group = mp.groupOfBlock(block);
  return isSet(blockBitmap(mp, group), Math.floor((block - mp.groupStart(group)) / mp.clusterBlocks));
}

const blocks = word({
  name: 'blocks',
  operands: '[<inode>|path]',
  about: 'the blocks of a file, those that lead to others too',
  count: [0, 1],
  run(context, { operands }) {
    const ip = inodeOf(context, operands[0]);
    const runs: { block: number; count: number; use: 'data' | 'unwritten' | 'map' | 'attributes' }[] = [];
    ownedBlocks(ip, (block, count, use) => runs.push({ block, count, use }) > 0);
    return {
      data: { ino: ip.ino, runs },
      text(out) {
        for (const { block, count, use } of runs)
          for (let i = 0; use !== 'attributes' && i < count; i++) out.write(`${block + i} `);
        out.write('\n');
      },
    };
  },
});

interface TreeRow {
  readonly level: number;
  readonly depth: number;
  readonly index: number;
  readonly count: number;
  /** File block. */
  readonly logical: number;
  readonly length: number;
  /** Block of the device: of data, or of the node below. */
  readonly physical: number;
  readonly unwritten: boolean;
  readonly leaf: boolean;
}

const dumpExtents = word({
  name: 'dump_extents',
  alias: 'ex',
  operands: '[<inode>|path]',
  about: 'the extent tree of a file',
  options: { n: { about: 'only what leads to other nodes' }, l: { about: 'only the leaves' } },
  run(context, { options, operands }) {
    if (operands.length > 1) throw context.usage();
    const ip = inodeOf(context, operands[0]);
    const name = operands[0] ?? context.file?.name;
    if (!ip.has('EXTENTS')) throw new WordFailure(`${name}: does not uses extent block maps`);
    const end = Math.ceil(ip.size / ip.mp.blockSize);
    const entries: TreeRow[] = [];
    walkExtents(ip, end, (entry) => {
      const { level, depth, index, count, logical, length, physical, unwritten, leaf } = entry;
      if (leaf ? options.l || !options.n : options.n || !options.l)
        entries.push({ level, depth, index, count, logical, length, physical, unwritten, leaf });
      return true;
    });
    return says({ ino: ip.ino, entries }, treeLines(entries, width(end), width(ip.mp.blocks)));
  },
});

/** Columns for numbers up to `most`, at least five. */
function width(most: number): number {
  return Math.max(5, String(Math.max(1, most)).length);
}

function treeLines(entries: readonly TreeRow[], file: number, device: number): string[] {
  const pad = (value: number, columns: number): string => String(value).padStart(columns);
  const [logicals, physicals] = ['Logical'.padStart(2 * file + 3), 'Physical'.padStart(2 * device + 3)];
  const lines = entries.map(({ level, depth, index, count, logical, length, physical, unwritten, leaf }) => {
    const place = `${pad(level, 2)}/${pad(depth, 2)} ${pad(index + 1, 3)}/${pad(count, 3)}`;
    const from = `${pad(logical, file)} - ${pad(logical + length - 1, file)}`;
    const to = leaf ? ` - ${pad(physical + length - 1, device)}` : ' '.repeat(device + 3);
    return `${place} ${from} ${pad(physical, device)}${to} ${pad(length, 6)}${leaf ? ' ' : ''}${unwritten ? 'Uninit' : ''}`;
  });
  return [`Level Entries ${logicals} ${physicals} Length Flags`, ...lines];
}

export const blockWords = [testb, blocks, dumpExtents] as const;
