/**
 * From an extent up to the trees that reach it: its back references give the blocks that point to it, theirs the
 * blocks above, until root nodes. Snapshots share blocks, so every step may branch; what was answered for a block is
 * kept for the next question. Mirrors backref.c (resolve_indirect_refs, btrfs_find_all_roots, iterate_extent_inodes).
 */
import { corrupt, FsError } from '../../../core/errors.ts';
import type { BtrfsMount } from '../mount.ts';
import { HEADER_SIZE, ITEM_SIZE, KEY_PTR_SIZE, MAX_LEVEL } from '../structure/block.ts';
import { FileExtentItem, FileExtentType } from '../structure/file-extent.ts';
import { ItemType, Key } from '../structure/key.ts';
import type { TreeBlock } from '../tree/blocks.ts';
import { TreeCursor } from '../tree/cursor.ts';
import type { TreeRoot } from '../tree/root.ts';
import { type ExtentRefs, extentRefs, type TreesView } from './backrefs.ts';
import { childBytenr, firstKey } from './cow.ts';
import type { RefNode } from './delayed-refs.ts';

/** A file's use of a data extent. */
export interface FileRef {
  readonly root: number;
  readonly ino: number;
  /** File position of the use, bytes: not as a label but as it is, exact because it is a multiple of 4096. */
  readonly offset: number;
  /** Where in the (uncompressed) extent it begins, bytes. */
  readonly extentOffset: number;
  readonly length: number;
}

/** Answers questions about one state of the trees; make a new one after changes. */
export class BackrefWalk {
  private readonly mp: BtrfsMount;
  private readonly view: TreesView;
  private readonly roots = new Map<number, ReadonlySet<number>>();

  constructor(view: TreesView) {
    this.mp = view.mp;
    this.view = view;
  }

  /** Every file position of every tree that uses the data extent at `bytenr`. @throws FsError EUCLEAN, ENOENT */
  filesOf(bytenr: number): FileRef[] {
    const extent = extentRefs(this.view, bytenr);
    if (extent === null) throw new FsError('ENOENT', { detail: `no extent at ${bytenr}` });
    const files: FileRef[] = [];
    for (const leaf of this.parents(extent)) {
      const block = this.mp.blocks.read(leaf, 0, 0, 0);
      const roots = this.rootsOf(leaf);
      visitUses(block, bytenr, (ino, offset, extentOffset, length) => {
        for (const root of roots) files.push({ root, ino, offset, extentOffset, length });
      });
    }
    return files;
  }

  /** The trees that reach the tree block or data extent at `bytenr`. @throws FsError EUCLEAN */
  rootsOf(bytenr: number): ReadonlySet<number> {
    return this.climb(bytenr, 0);
  }

  /** The blocks that point to the extent; none for a root node. @throws FsError EUCLEAN */
  parents(extent: ExtentRefs, roots?: Set<number>): Set<number> {
    const parents = new Set<number>();
    for (const ref of extent.refs) {
      if (ref.parent !== 0) parents.add(ref.parent);
      else this.search(extent, ref, parents, roots);
    }
    // A root node with FULL_BACKREF (of a relocation tree) is its own parent.
    parents.delete(extent.bytenr);
    return parents;
  }

  private climb(bytenr: number, steps: number): ReadonlySet<number> {
    const known = this.roots.get(bytenr);
    if (known !== undefined) return known;
    if (steps > MAX_LEVEL) throw corrupt({ structure: 'back references', addr: bytenr, rule: 'go in a circle' });
    const roots = new Set<number>();
    const extent = extentRefs(this.view, bytenr);
    if (extent !== null) {
      for (const parent of this.parents(extent, roots)) for (const id of this.climb(parent, steps + 1)) roots.add(id);
    }
    this.roots.set(bytenr, roots);
    return roots;
  }

  /** Finds what an indirect reference means by searching its tree. */
  private search(extent: ExtentRefs, ref: RefNode, parents: Set<number>, roots?: Set<number>): void {
    // None: the deletion of the tree has got further than this block.
    const root = this.view.tree(ref.root);
    if (root === null) return;
    if (extent.isData) {
      searchFile(root, extent.bytenr, ref, parents);
      return;
    }
    if (root.level === extent.level) {
      if (root.bytenr === extent.bytenr) roots?.add(root.id);
      return;
    }
    const block = this.mp.blocks.read(extent.bytenr, extent.level, 0, 0);
    const parent = blockAt(this.mp, root, firstKey(block, new Key()), extent.level + 1);
    if (parent !== null) parents.add(parent.bytenr);
  }
}

/** The block at `level` on the way to `key`; null if the tree is not that high. */
function blockAt(mp: BtrfsMount, root: TreeRoot, key: Key, level: number): TreeBlock | null {
  if (root.level < level) return null;
  let block = mp.blocks.read(root.bytenr, root.level, 0, 0);
  while (block.level > level) {
    let low = 0;
    let high = block.nritems;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (key.compareAt(block.view, HEADER_SIZE + middle * KEY_PTR_SIZE) >= 0) low = middle + 1;
      else high = middle;
    }
    block = mp.blocks.read(childBytenr(block, Math.max(0, low - 1)), block.level - 1, 0, 0);
  }
  return block;
}

/** Adds the leaves in which the file's items point to the extent. */
function searchFile(root: TreeRoot, bytenr: number, ref: RefNode, leaves: Set<number>): void {
  const cursor = new TreeCursor(root);
  // Positions below 0 come from cloning the middle of an extent to the start of a file.
  cursor.search(new Key(ref.owner, ItemType.EXTENT_DATA, Math.max(0, ref.offset)));
  for (let left = ref.mod; left > 0 && cursor.valid; cursor.next()) {
    const { key, view, at } = cursor;
    if (key.type !== ItemType.EXTENT_DATA || key.objectid !== ref.owner) break;
    if (FileExtentItem.get.type(view, at) === FileExtentType.INLINE) continue;
    if (FileExtentItem.get.disk_bytenr(view, at) !== bytenr) continue;
    if (key.coarse - FileExtentItem.get.offset(view, at) !== ref.offset) continue;
    leaves.add(cursor.leaf.bytenr);
    left--;
  }
  cursor.close();
}

function visitUses(
  leaf: TreeBlock,
  bytenr: number,
  visit: (ino: number, offset: number, extentOffset: number, length: number) => void,
): void {
  const { view } = leaf;
  const key = new Key();
  for (let slot = 0; slot < leaf.nritems; slot++) {
    const item = HEADER_SIZE + slot * ITEM_SIZE;
    if (view.getUint8(item + 8) !== ItemType.EXTENT_DATA) continue;
    const at = HEADER_SIZE + view.getUint32(item + 17, true);
    if (FileExtentItem.get.type(view, at) === FileExtentType.INLINE) continue;
    if (FileExtentItem.get.disk_bytenr(view, at) !== bytenr) continue;
    key.read(view, item);
    visit(key.objectid, key.coarse, FileExtentItem.get.offset(view, at), FileExtentItem.get.num_bytes(view, at));
  }
}
