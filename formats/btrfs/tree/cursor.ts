/**
 * A place in a tree: moves from item to item, and changes the tree there. When the tree was changed by
 * somebody else in between, the next move first looks for its own key again, so a cursor never walks an old tree.
 *
 * `view`, `at` and `size` show the current item's data in the leaf itself; they are good until the cursor moves or the
 * tree changes.
 */
import { FsError } from '../../../core/errors.ts';
import { HEADER_SIZE, ITEM_SIZE, Item, maxItemSize } from '../structure/block.ts';
import { Key } from '../structure/key.ts';
import type { TreeBlock } from './blocks.ts';
import { headerAt, insertItem, removeItems, resizeItem } from './leaf.ts';
import { makeRoom } from './make-room.ts';
import { shrink } from './merge.ts';
import { lowerBound, TreePath } from './path.ts';
import { changed, fixKeysAbove, makeWritable } from './path-edit.ts';
import type { TreeRoot } from './root.ts';

const EMPTY = new DataView(new ArrayBuffer(0));

export class TreeCursor {
  readonly root: TreeRoot;
  /** Key of the current item; kept when the cursor becomes invalid. */
  readonly key = new Key();
  /** False past either end of the tree, and before the first search. */
  valid = false;
  /** The leaf, the offset of the item's data in it, and their bytes. */
  view: DataView = EMPTY;
  at = 0;
  size = 0;
  private readonly path: TreePath;

  constructor(root: TreeRoot) {
    this.root = root;
    this.path = new TreePath(root);
  }

  /** Moves to `key`, or to the first item after it (false). @throws FsError EUCLEAN, EIO */
  search(key: Key): boolean {
    const found = this.path.find(key);
    this.settle();
    return found;
  }

  /** Moves to `key`, or to the last item before it (false). @throws FsError EUCLEAN, EIO */
  searchBack(key: Key): boolean {
    const { path } = this;
    if (path.find(key)) {
      this.load();
      return true;
    }
    this.stepBack();
    return false;
  }

  /** Moves to the first item of the tree; false if there is none. @throws FsError EUCLEAN, EIO */
  first(): boolean {
    this.search(LOWEST);
    return this.valid;
  }

  /** Moves to the next item; false (and invalid) if there is none. @throws FsError EUCLEAN, EIO */
  next(): boolean {
    if (!this.valid) return false;
    const { path } = this;
    if (path.seen !== this.root.changes) {
      // Our item may be gone: then we are on its successor already.
      if (!path.find(this.key)) return this.settle();
    }
    path.slots[0] = (path.slots[0] as number) + 1;
    return this.settle();
  }

  /** Moves to the previous item; false (and invalid) if there is none. @throws FsError EUCLEAN, EIO */
  prev(): boolean {
    if (!this.valid) return false;
    if (this.path.seen !== this.root.changes) this.path.find(this.key);
    return this.stepBack();
  }

  /**
   * Puts a new item of `size` zero bytes and moves to it. Inside mp.change().
   * @throws FsError EEXIST, ENOSPC, EOVERFLOW if no leaf can hold it
   */
  insert(key: Key, size: number): void {
    const { path } = this;
    if (size > maxItemSize(this.root.mp.nodeSize)) throw new FsError('EOVERFLOW', { detail: `item of ${size} bytes` });
    if (this.seek(key)) throw new FsError('EEXIST', { detail: `item ${key}` });
    makeWritable(path);
    makeRoom(path, size + ITEM_SIZE, key);
    insertItem(path.leaf, path.slots[0] as number, key, size);
    if (path.slots[0] === 0) fixKeysAbove(path, 0);
    changed(path);
    this.load();
  }

  /** Takes the current item out and moves to the next; invalid if there is none. Inside mp.change(). @throws FsError */
  delete(): void {
    this.deleteMany(1);
  }

  /**
   * Takes the current item and those behind it in the same leaf out, at most `most`, and moves to the next. Returns
   * how many it were. Inside mp.change(). @throws FsError
   */
  deleteMany(most: number): number {
    const { path } = this;
    this.makeCurrent();
    makeWritable(path);
    const slot = path.slots[0] as number;
    const count = Math.min(most, path.leaf.nritems - slot);
    removeItems(path.leaf, slot, count);
    if (slot === 0 && path.leaf.nritems > 0) fixKeysAbove(path, 0);
    const moved = shrink(path);
    changed(path);
    if (moved) path.find(this.key);
    this.settle();
    return count;
  }

  /** Makes the item longer, by zero bytes at its end, or shorter. Inside mp.change(). @throws FsError EOVERFLOW, ENOSPC */
  resize(size: number): void {
    const { path } = this;
    if (size > maxItemSize(this.root.mp.nodeSize)) throw new FsError('EOVERFLOW', { detail: `item of ${size} bytes` });
    this.makeCurrent();
    makeWritable(path);
    if (size > this.size) makeRoom(path, size - this.size, null);
    resizeItem(path.leaf, path.slots[0] as number, size);
    changed(path);
    this.load();
  }

  /** Before the item's bytes are changed: `view` and `at` are in a block that may be written. Inside mp.change(). */
  edit(): void {
    this.makeCurrent();
    makeWritable(this.path);
    changed(this.path);
    this.load();
  }

  /** Gives the item another key, which must sort between its neighbours'. Inside mp.change(). @throws FsError */
  setKey(key: Key): void {
    const { path } = this;
    this.makeCurrent();
    makeWritable(path);
    const { leaf } = path;
    const slot = path.slots[0] as number;
    const low = slot > 0 && key.compareAt(leaf.view, headerAt(slot - 1)) <= 0;
    if (low || (slot + 1 < leaf.nritems && key.compareAt(leaf.view, headerAt(slot + 1)) >= 0)) {
      throw new Error(`key ${key} instead of ${this.key} breaks the order`);
    }
    key.write(leaf.view, headerAt(slot));
    if (slot === 0) fixKeysAbove(path, 0);
    changed(path);
    this.load();
  }

  /** The leaf of the current item, for those who look at a whole leaf. */
  get leaf(): TreeBlock {
    return this.path.leaf;
  }

  /** Index of the current item in its leaf. */
  get slot(): number {
    return this.path.slots[0] as number;
  }

  /** The cursor must not be used any more; blocks it keeps in memory are let go. */
  close(): void {
    this.valid = false;
    this.view = EMPTY;
    this.path.forget();
  }

  /** As path.find(), without going down where the path's leaf already is the right one. */
  private seek(key: Key): boolean {
    const { path } = this;
    if (!path.covers(key)) return path.find(key);
    const { leaf } = path;
    const slot = lowerBound(leaf, key);
    path.slots[0] = slot;
    return slot < leaf.nritems && key.compareAt(leaf.view, headerAt(slot)) === 0;
  }

  /** The path leads to the current item in the tree as it is now. */
  private makeCurrent(): void {
    if (!this.valid) throw new Error('the cursor is at no item');
    if (this.path.seen === this.root.changes) return;
    if (!this.path.find(this.key)) throw new Error(`item ${this.key} is gone`);
    this.load();
  }

  private stepBack(): boolean {
    const { path } = this;
    const slot = path.slots[0] as number;
    if (slot > 0) path.slots[0] = slot - 1;
    else if (!path.previousLeaf()) return this.end();
    return this.load();
  }

  /** The path's slot may be one past the leaf's last item: the item is the next leaf's first then. */
  private settle(): boolean {
    const { path } = this;
    if ((path.slots[0] as number) >= path.leaf.nritems && !path.nextLeaf()) return this.end();
    return this.load();
  }

  private end(): boolean {
    this.valid = false;
    this.view = EMPTY;
    this.size = 0;
    return false;
  }

  private load(): boolean {
    const { path } = this;
    const { view } = path.leaf;
    const header = HEADER_SIZE + (path.slots[0] as number) * ITEM_SIZE;
    this.key.read(view, header);
    this.view = view;
    this.at = HEADER_SIZE + view.getUint32(header + Item.at.offset, true);
    this.size = view.getUint32(header + Item.at.size, true);
    this.valid = true;
    return true;
  }
}

const LOWEST = new Key(0, 0, 0);
