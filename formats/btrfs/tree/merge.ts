/**
 * After items were deleted: an empty leaf leaves the tree, one that is nearly empty is joined with a neighbour below
 * the same node, and so on upwards; a root node with one child gives way to it. Mirrors btrfs_del_items() and
 * balance_level() of ctree.c.
 */
import { leafDataSize, nodePtrsPerBlock } from '../structure/block.ts';
import type { TreeBlock } from './blocks.ts';
import { moveItems, usedBytes } from './leaf.ts';
import { movePointers, removePointer } from './node.ts';
import type { TreePath } from './path.ts';
import { fixKeysAbove, writableChild } from './path-edit.ts';

/** Leaves with less than this part of their bytes used are joined with a neighbour, if both fit into one. */
const SPARSE_LEAF = 1 / 3;
const SPARSE_NODE = 1 / 4;

/**
 * Puts the blocks of a writable path right after items of its leaf were taken out; false if the path still leads to
 * the same place, true if it must be made anew.
 */
export function shrink(path: TreePath): boolean {
  if (path.height === 1) return false;
  const { leaf } = path;
  if (leaf.nritems === 0) {
    dropEmpty(path);
    return true;
  }
  if (usedBytes(leaf) >= leafDataSize(leaf.bytes.length) * SPARSE_LEAF || !join(path, 0)) return false;
  shrinkNodes(path, 1);
  return true;
}

/** Takes the path's empty leaf out of the tree. */
function dropEmpty(path: TreePath): void {
  let level = 0;
  while (level + 1 < path.height && (path.blocks[level + 1] as TreeBlock).nritems === 1) level++;
  const { root } = path;
  const { trans } = root.mp;
  if (level + 1 === path.height) {
    // It was the only leaf: a tree without items is an empty leaf.
    trans.setRootNode(root, path.leaf);
    for (let above = 1; above < path.height; above++) trans.freeTreeBlock(root, path.blocks[above] as TreeBlock);
    return;
  }
  const slot = path.slots[level + 1] as number;
  removePointer(path.blocks[level + 1] as TreeBlock, slot);
  for (let below = 0; below <= level; below++) trans.freeTreeBlock(root, path.blocks[below] as TreeBlock);
  if (slot === 0) fixKeysAbove(path, level + 1);
  shrinkNodes(path, level + 1);
}

/** From `level` up: joins nodes that have few pointers, and takes the root node away if it has one. */
function shrinkNodes(path: TreePath, from: number): void {
  for (let level = from; level + 1 < path.height; level++) {
    const node = path.blocks[level] as TreeBlock;
    if (node.nritems >= nodePtrsPerBlock(node.bytes.length) * SPARSE_NODE || !join(path, level)) break;
  }
  dropRoots(path);
}

/** Root nodes with a single child. */
function dropRoots(path: TreePath): void {
  const { root } = path;
  const { trans } = root.mp;
  let node = path.blocks[path.height - 1] as TreeBlock;
  while (node.level > 0 && node.nritems === 1) {
    const child = trans.cow(root, path.child(node, 0), node, 0);
    trans.setRootNode(root, child);
    trans.freeTreeBlock(root, node);
    node = child;
  }
}

/** Joins the path's block of `level` with a neighbour if one block holds both; false if not. */
function join(path: TreePath, level: number): boolean {
  const parent = path.blocks[level + 1] as TreeBlock;
  const slot = path.slots[level + 1] as number;
  const block = path.blocks[level] as TreeBlock;
  if (slot > 0 && fitTogether(path.child(parent, slot - 1), block)) {
    const left = writableChild(path, level + 1, slot - 1);
    moveAll(block, left);
    remove(path, parent, slot, block);
    path.blocks[level] = left;
    path.slots[level + 1] = slot - 1;
    return true;
  }
  if (slot + 1 < parent.nritems && fitTogether(block, path.child(parent, slot + 1))) {
    const right = writableChild(path, level + 1, slot + 1);
    moveAll(right, block);
    remove(path, parent, slot + 1, right);
    return true;
  }
  return false;
}

function fitTogether(left: TreeBlock, right: TreeBlock): boolean {
  const { length } = left.bytes;
  if (left.level === 0) return usedBytes(left) + usedBytes(right) <= leafDataSize(length);
  return left.nritems + right.nritems <= nodePtrsPerBlock(length);
}

function moveAll(from: TreeBlock, to: TreeBlock): void {
  if (from.level === 0) moveItems(from, 0, from.nritems, to, to.nritems);
  else movePointers(from, 0, from.nritems, to, to.nritems);
}

function remove(path: TreePath, parent: TreeBlock, slot: number, block: TreeBlock): void {
  removePointer(parent, slot);
  path.root.mp.trans.freeTreeBlock(path.root, block);
}
