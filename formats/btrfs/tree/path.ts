/**
 * A path from the root node of a tree to a leaf: a block and a slot per level. Everything that moves in a tree or
 * changes it does so along a path. `blocks[0]` is the leaf, `blocks[height - 1]` the root node.
 *
 * Every step down or sideways is bounded: levels decrease, and keys rise because each block is verified to begin with
 * the key that its parent has for it, and to end before the next one.
 */
import { corrupt } from '../../../core/errors.ts';
import { HEADER_SIZE, ITEM_SIZE, KEY_PTR_SIZE, MAX_LEVEL } from '../structure/block.ts';
import { Key } from '../structure/key.ts';
import { treeText } from '../structure/key-names.ts';
import type { TreeBlock } from './blocks.ts';
import type { TreeRoot } from './root.ts';

/** The first item of a leaf whose key is not below `key`; `nritems` if there is none. */
export function lowerBound(leaf: TreeBlock, key: Key): number {
  const { view } = leaf;
  let low = 0;
  let high = leaf.nritems;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (key.compareAt(view, HEADER_SIZE + middle * ITEM_SIZE) > 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The child of a node where `key` is or would be: the last that does not begin after it. */
function childSlot(node: TreeBlock, key: Key): number {
  const { view } = node;
  let low = 1;
  let high = node.nritems;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (key.compareAt(view, HEADER_SIZE + middle * KEY_PTR_SIZE) >= 0) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

const lastKey = new Key();

export class TreePath {
  readonly root: TreeRoot;
  readonly blocks: TreeBlock[] = [];
  readonly slots: number[] = [];
  /** Levels of the path; 0 before the first search. */
  height = 0;
  /** `root.changes` when the path was made. */
  seen = -1;

  constructor(root: TreeRoot) {
    this.root = root;
  }

  get leaf(): TreeBlock {
    return this.blocks[0] as TreeBlock;
  }

  /**
   * Goes down to the leaf where `key` is or would be; the slot is the first that is not below it, perhaps one past the
   * leaf's last. True if it is there. @throws FsError EUCLEAN, EIO
   */
  find(key: Key): boolean {
    const { root } = this;
    let block = root.node();
    this.height = block.level + 1;
    this.seen = root.changes;
    for (let level = block.level; level > 0; level--) {
      const slot = childSlot(block, key);
      this.blocks[level] = block;
      this.slots[level] = slot;
      block = this.child(block, slot);
    }
    const slot = lowerBound(block, key);
    this.blocks[0] = block;
    this.slots[0] = slot;
    return slot < block.nritems && key.compareAt(block.view, HEADER_SIZE + slot * ITEM_SIZE) === 0;
  }

  /** True if `key` is or would be in the path's leaf: find() need not go down. */
  covers(key: Key): boolean {
    if (this.seen !== this.root.changes || this.height === 0) return false;
    if (this.height === 1) return true;
    const { leaf } = this;
    if (key.compareAt(leaf.view, HEADER_SIZE) < 0) return false;
    if (key.compareAt(leaf.view, HEADER_SIZE + (leaf.nritems - 1) * ITEM_SIZE) <= 0) return true;
    for (let level = 1; level < this.height; level++) {
      const next = (this.slots[level] as number) + 1;
      const node = this.blocks[level] as TreeBlock;
      if (next < node.nritems) return key.compareAt(node.view, HEADER_SIZE + next * KEY_PTR_SIZE) < 0;
    }
    return true;
  }

  /** Moves to the leaf after this one; false if there is none (the path stays). @throws FsError EUCLEAN, EIO */
  nextLeaf(): boolean {
    let level = 1;
    while (level < this.height && (this.slots[level] as number) + 1 >= (this.blocks[level] as TreeBlock).nritems)
      level++;
    if (level >= this.height) return false;
    this.slots[level] = (this.slots[level] as number) + 1;
    for (; level > 0; level--) {
      const child = this.child(this.blocks[level] as TreeBlock, this.slots[level] as number);
      this.blocks[level - 1] = child;
      this.slots[level - 1] = 0;
    }
    return true;
  }

  /** Moves to the last slot of the leaf before this one; false if there is none. @throws FsError EUCLEAN, EIO */
  previousLeaf(): boolean {
    let level = 1;
    while (level < this.height && this.slots[level] === 0) level++;
    if (level >= this.height) return false;
    this.slots[level] = (this.slots[level] as number) - 1;
    for (; level > 0; level--) {
      const child = this.child(this.blocks[level] as TreeBlock, this.slots[level] as number);
      this.blocks[level - 1] = child;
      this.slots[level - 1] = child.nritems - 1;
    }
    return true;
  }

  /** The block below `slot`. @throws FsError EUCLEAN, EIO */
  child(block: TreeBlock, slot: number): TreeBlock {
    const { root } = this;
    const { blocks } = root.mp;
    const before = blocks.reads;
    const child = blocks.readChild(block, slot, root.id);
    if (blocks.reads !== before) checkEnd(root, block, slot, child);
    return child;
  }

  forget(): void {
    this.height = 0;
    this.seen = -1;
    this.blocks.length = 0;
  }
}

/** A block that was read just now must end before its right neighbour begins. */
function checkEnd(root: TreeRoot, parent: TreeBlock, slot: number, child: TreeBlock): void {
  if (slot + 1 >= parent.nritems || child.level >= MAX_LEVEL) return;
  const stride = child.level === 0 ? ITEM_SIZE : KEY_PTR_SIZE;
  lastKey.read(child.view, HEADER_SIZE + (child.nritems - 1) * stride);
  if (lastKey.compareAt(parent.view, HEADER_SIZE + (slot + 1) * KEY_PTR_SIZE) < 0) return;
  root.mp.blocks.forget(child);
  throw corrupt({
    structure: `${child.level === 0 ? 'leaf' : 'node'} of ${treeText(root.id)}`,
    addr: child.bytenr,
    field: 'last key',
    value: String(lastKey),
    rule: 'not below the first key of the next block',
  });
}
