/**
 * The extents of a file while fast commits change them: leaf by leaf, as its tree has them, so that the tree comes out as
 * Linux makes it. The levels above are made anew when it is written.
 *
 * Mirrors: fs/ext4/extents.c (ext4_ext_insert_extent, ext4_ext_split, ext4_ext_try_to_merge, ext4_ext_remove_space).
 */
import type { Ext4Inode } from '../inode.ts';
import { childNode, extentStart } from '../map/extents.ts';
import {
  ENTRY,
  Extent,
  ExtentHeader,
  extentLength,
  isUnwritten,
  MAX_EXTENT_LENGTH,
  ROOT_ENTRIES,
} from '../structure/extent.ts';

/** A run of blocks of a file. */
export interface FileExtent {
  block: number;
  length: number;
  start: number;
  unwritten: boolean;
}

/** Extents that lie in one node; `node` is its block, 0 for the inode itself and -1 for one that has no place yet. */
export interface ExtentLeaf {
  node: number;
  readonly extents: FileExtent[];
}

/** Extents may be as long as this. */
function mostBlocks(unwritten: boolean): number {
  return unwritten ? MAX_EXTENT_LENGTH - 1 : MAX_EXTENT_LENGTH;
}

export class FileExtents {
  readonly leaves: ExtentLeaf[] = [];
  /** Blocks of nodes above the leaves. */
  readonly inner: number[] = [];
  private readonly perLeaf: number;

  /** @throws FsError EUCLEAN, EIO */
  constructor(ip: Ext4Inode) {
    this.perLeaf = leafEntries(ip);
    if (ExtentHeader.get.entries(ip.view, ip.blockAt) > 0) this.load(ip, ip.view, ip.blockAt, 0);
    if (this.leaves.length === 0) this.leaves.push({ node: 0, extents: [] });
  }

  private load(ip: Ext4Inode, view: DataView, at: number, node: number): void {
    const depth = ExtentHeader.get.depth(view, at);
    const entries = ExtentHeader.get.entries(view, at);
    if (depth === 0) {
      const extents: FileExtent[] = [];
      for (let entry = at + ENTRY; entry <= at + ENTRY * entries; entry += ENTRY) extents.push(readExtent(view, entry));
      this.leaves.push({ node, extents });
      return;
    }
    if (node !== 0) this.inner.push(node);
    for (let entry = at + ENTRY; entry <= at + ENTRY * entries; entry += ENTRY) {
      const child = childNode(ip, view, entry, depth - 1);
      this.load(ip, child.view, 0, child.addr / ip.mp.blockSize);
    }
  }

  /** All extents, in order. */
  *all(): Generator<FileExtent, void, undefined> {
    for (const { extents } of this.leaves) yield* extents;
  }

  /** The extent that has this block, or null. */
  at(block: number): FileExtent | null {
    const extent = this.place(block).extent;
    return extent !== null && block < extent.block + extent.length ? extent : null;
  }

  /** The first block behind `block` that an extent has, or the end of all. */
  nextMapped(block: number): number {
    for (const extent of this.all()) if (extent.block > block) return extent.block;
    return Number.POSITIVE_INFINITY;
  }

  /** The leaf in which a block is looked for, and its last extent that begins at or before it. */
  private place(block: number): { leaf: ExtentLeaf; index: number; extent: FileExtent | null } {
    let leaf = this.leaves[0] as ExtentLeaf;
    for (const other of this.leaves) if ((other.extents[0]?.block ?? 0) <= block) leaf = other;
    let index = leaf.extents.length - 1;
    while (index >= 0 && (leaf.extents[index] as FileExtent).block > block) index--;
    return { leaf, index, extent: leaf.extents[index] ?? null };
  }

  /** Puts an extent where there is a hole. */
  insert(extent: FileExtent): void {
    const { leaf, index } = this.place(extent.block);
    const before = leaf.extents[index];
    const after = leaf.extents[index + 1];
    if (before !== undefined && joins(before, extent)) {
      before.length += extent.length;
      this.merge(leaf, index);
      return;
    }
    if (after !== undefined && joins(extent, after)) {
      after.block = extent.block;
      after.start = extent.start;
      after.length += extent.length;
      this.merge(leaf, index + 1);
      return;
    }
    this.add(leaf, index + 1, extent);
  }

  private add(leaf: ExtentLeaf, index: number, extent: FileExtent): void {
    const room = leaf.node === 0 ? ROOT_ENTRIES : this.perLeaf;
    if (leaf.extents.length < room) {
      leaf.extents.splice(index, 0, extent);
      this.merge(leaf, index);
      return;
    }
    const next = this.leaves[this.leaves.indexOf(leaf) + 1];
    if (leaf.node === 0) {
      // The root becomes a node above the leaf that it was.
      leaf.node = -1;
      this.add(leaf, index, extent);
    } else if (index === leaf.extents.length && next !== undefined && next.extents.length < this.perLeaf)
      this.add(next, 0, extent);
    else {
      const right = leaf.extents.splice(index);
      const fresh: ExtentLeaf = { node: -1, extents: right };
      this.leaves.splice(this.leaves.indexOf(leaf) + 1, 0, fresh);
      if (right.length === 0) this.add(fresh, 0, extent);
      else this.add(leaf, index, extent);
    }
  }

  /** Lets an extent grow together with its neighbours in the leaf, and the leaf go back into the inode. */
  private merge(leaf: ExtentLeaf, index: number): void {
    if (index === 0 || !this.mergeRight(leaf, index - 1)) this.mergeRight(leaf, index);
    if (this.leaves.length === 1 && leaf.node !== 0 && leaf.extents.length <= ROOT_ENTRIES && this.inner.length === 0) {
      this.released.push(leaf.node);
      leaf.node = 0;
    }
  }

  /** Blocks of nodes that went, -1 for those that never had a place. */
  readonly released: number[] = [];

  private mergeRight({ extents }: ExtentLeaf, index: number): boolean {
    const extent = extents[index];
    let merged = false;
    while (extent !== undefined) {
      const next = extents[index + 1];
      if (next === undefined || !joins(extent, next)) return merged;
      extent.length += next.length;
      extents.splice(index + 1, 1);
      merged = true;
    }
    return merged;
  }

  /** Merges what can be among the extents before file block `end`. */
  shrink(end: number): void {
    for (let block = 0; block < end; ) {
      const { leaf, index, extent } = this.place(block);
      if (extent === null) return;
      block = Math.max(block + 1, extent.block + extent.length);
      this.merge(leaf, index);
    }
  }

  /** Makes an extent begin at `block`, which lies inside one. */
  private splitAt(block: number): void {
    const { leaf, index, extent } = this.place(block);
    if (extent === null || extent.block === block || block >= extent.block + extent.length) return;
    const head = block - extent.block;
    const tail = { ...extent, block, start: extent.start + head, length: extent.length - head };
    extent.length = head;
    this.addUnmerged(leaf, index + 1, tail);
  }

  private addUnmerged(leaf: ExtentLeaf, index: number, extent: FileExtent): void {
    // What was split must not grow together at once: it is made different for as long as it takes.
    const { start } = extent;
    extent.start = -1 - start;
    this.add(leaf, index, extent);
    extent.start = start;
  }

  /** Gives mapped blocks, which lie in one extent, another place or state. */
  update(block: number, length: number, start: number, unwritten: boolean): void {
    this.splitAt(block);
    this.splitAt(block + length);
    const { extent } = this.place(block);
    if (extent === null || extent.block !== block) return;
    extent.start = start;
    extent.unwritten = unwritten;
  }

  /** Takes the extents of [block, end) out. */
  remove(block: number, end: number): void {
    this.splitAt(block);
    this.splitAt(end);
    for (const leaf of [...this.leaves]) {
      const kept = leaf.extents.filter((extent) => extent.block < block || extent.block >= end);
      if (kept.length === leaf.extents.length) continue;
      leaf.extents.splice(0, leaf.extents.length, ...kept);
      if (kept.length > 0 || leaf.node === 0) continue;
      this.released.push(leaf.node);
      this.leaves.splice(this.leaves.indexOf(leaf), 1);
    }
    if (this.leaves.length === 0) this.leaves.push({ node: 0, extents: [] });
  }
}

/** How many entries a node in a block has room for. */
export function leafEntries(ip: Ext4Inode): number {
  return Math.floor((ip.mp.blockSize - ENTRY) / ENTRY);
}

function joins(a: FileExtent, b: FileExtent): boolean {
  const follows = a.block + a.length === b.block && a.start + a.length === b.start;
  return follows && a.unwritten === b.unwritten && a.length + b.length <= mostBlocks(a.unwritten);
}

/** A leaf's entry. */
export function readExtent(view: DataView, entry: number): FileExtent {
  return {
    block: Extent.get.block(view, entry),
    length: extentLength(view, entry),
    start: extentStart(view, entry),
    unwritten: isUnwritten(view, entry),
  };
}
