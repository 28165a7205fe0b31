/** Writes the extents of a file into its tree: the leaves that changed, and the levels above them anew. */
import type { Changes } from '../alloc/changes.ts';
import type { Ext4Inode } from '../inode.ts';
import {
  ENTRY,
  EXTENT_MAGIC,
  Extent,
  ExtentHeader,
  ExtentIndex,
  MAX_EXTENT_LENGTH,
  ROOT_ENTRIES,
  ROOT_SIZE,
} from '../structure/extent.ts';
import { type FileExtent, type FileExtents, leafEntries } from './file-extents.ts';
import { editInode } from './inode-edit.ts';

const TWO32 = 2 ** 32;

/** Where a new node may lie. */
export interface NodeSpace {
  allocate(): number;
  /** A node's block is no longer used. */
  release(block: number): void;
}

interface Node {
  readonly first: number;
  readonly block: number;
}

/** Writes the tree. @throws FsError ENOSPC, EUCLEAN, EIO */
export function writeExtents(changes: Changes, ip: Ext4Inode, file: FileExtents, space: NodeSpace): void {
  const perNode = leafEntries(ip);
  for (const block of file.released.splice(0)) if (block > 0) space.release(block);
  let level: Node[] = [];
  for (const leaf of file.leaves) {
    if (leaf.node === 0) break;
    if (leaf.node < 0) leaf.node = space.allocate();
    level.push({ first: leaf.extents[0]?.block ?? 0, block: leaf.node });
    writeNode(changes, ip, leaf.node, 0, perNode, leaf.extents.length, (view, at, i) =>
      writeExtent(view, at, leaf.extents[i] as FileExtent),
    );
  }
  const spare = file.inner.splice(0);
  let depth = level.length === 0 ? 0 : 1;
  for (; level.length > ROOT_ENTRIES; depth++) {
    const above: Node[] = [];
    for (let i = 0; i < level.length; i += perNode) {
      const children = level.slice(i, i + perNode);
      const block = spare.pop() ?? space.allocate();
      file.inner.push(block);
      above.push({ first: (children[0] as Node).first, block });
      writeNode(changes, ip, block, depth, perNode, children.length, (view, at, j) =>
        writeIndex(view, at, children[j] as Node),
      );
    }
    level = above;
  }
  for (const block of spare) space.release(block);
  const extents = depth === 0 ? (file.leaves[0]?.extents ?? []) : [];
  editInode(changes, ip, (view) => {
    new Uint8Array(view.buffer, view.byteOffset + ip.blockAt, ROOT_SIZE).fill(0);
    writeHeader(view, ip.blockAt, depth, ROOT_ENTRIES, depth === 0 ? extents.length : level.length);
    for (const [i, extent] of extents.entries()) writeExtent(view, ip.blockAt + ENTRY * (i + 1), extent);
    for (const [i, node] of level.entries()) writeIndex(view, ip.blockAt + ENTRY * (i + 1), node);
  });
}

function writeNode(
  changes: Changes,
  ip: Ext4Inode,
  block: number,
  depth: number,
  max: number,
  count: number,
  write: (view: DataView, at: number, index: number) => void,
): void {
  const { view } = changes.init(block, ip.mapOps);
  writeHeader(view, 0, depth, max, count);
  for (let i = 0; i < count; i++) write(view, ENTRY * (i + 1), i);
}

function writeHeader(view: DataView, at: number, depth: number, max: number, entries: number): void {
  ExtentHeader.encode(view, at, { magic: EXTENT_MAGIC, entries, max, depth, generation: 0 });
}

function writeExtent(view: DataView, at: number, { block, length, start, unwritten }: FileExtent): void {
  Extent.encode(view, at, {
    block,
    len: unwritten ? length + MAX_EXTENT_LENGTH : length,
    start_hi: Math.floor(start / TWO32),
    start_lo: start % TWO32,
  });
}

function writeIndex(view: DataView, at: number, { first, block }: Node): void {
  ExtentIndex.encode(view, at, { block: first, leaf_lo: block % TWO32, leaf_hi: Math.floor(block / TWO32), unused: 0 });
}
