/**
 * What every change along a path needs: blocks that may be written, pointers entered and taken out above, keys above
 * that agree with the blocks below.
 *
 * Invariant between two changes: a node's key for a child is the child's first key; no block but the root is empty;
 * the path goes on pointing to the same leaf, whatever is split above it.
 */
import { HEADER_SIZE, nodePtrsPerBlock } from '../structure/block.ts';
import { Key } from '../structure/key.ts';
import type { TreeBlock } from './blocks.ts';
import { insertPointer, movePointers, pointerAt } from './node.ts';
import type { TreePath } from './path.ts';

/** Makes every block of the path writable. @throws FsError ENOSPC */
export function makeWritable(path: TreePath): void {
  const { root } = path;
  const { trans } = root.mp;
  let parent: TreeBlock | null = null;
  for (let level = path.height - 1; level >= 0; level--) {
    const slot = parent === null ? 0 : (path.slots[level + 1] as number);
    const block: TreeBlock = trans.cow(root, path.blocks[level] as TreeBlock, parent, slot);
    path.blocks[level] = block;
    parent = block;
  }
}

/** The writable block at `slot` of the path's node of `level`. */
export function writableChild(path: TreePath, level: number, slot: number): TreeBlock {
  const node = path.blocks[level] as TreeBlock;
  return path.root.mp.trans.cow(path.root, path.child(node, slot), node, slot);
}

/** The path is that of the tree as it is now; paths made before are not. */
export function changed(path: TreePath): void {
  path.seen = ++path.root.changes;
}

/** True if nothing in the tree is after the path's block of `level`. */
export function isLast(path: TreePath, level: number): boolean {
  for (let above = level + 1; above < path.height; above++) {
    if ((path.slots[above] as number) + 1 < (path.blocks[above] as TreeBlock).nritems) return false;
  }
  return true;
}

/** After the first key of the path's block of `level` changed: the keys above say so too. */
export function fixKeysAbove(path: TreePath, level: number): void {
  const below = path.blocks[level] as TreeBlock;
  for (let above = level + 1; above < path.height; above++) {
    const slot = path.slots[above] as number;
    copyKey(below, path.blocks[above] as TreeBlock, slot);
    if (slot > 0) return;
  }
}

const scratch = new Key();

function copyKey(child: TreeBlock, node: TreeBlock, slot: number): void {
  scratch.read(child.view, HEADER_SIZE).write(node.view, pointerAt(slot));
}

/** Moves the path's block of `level` to the one after, which must exist; the slot in it is 0. */
export function stepRight(path: TreePath, level: number): void {
  let above = level + 1;
  while ((path.slots[above] as number) + 1 >= (path.blocks[above] as TreeBlock).nritems) above++;
  path.slots[above] = (path.slots[above] as number) + 1;
  for (; above > level; above--) {
    path.blocks[above - 1] = path.child(path.blocks[above] as TreeBlock, path.slots[above] as number);
    path.slots[above - 1] = 0;
  }
}

/**
 * Enters `child`, whose first key is or will be `key`, right after the path's block of `level - 1`; nodes are split,
 * and the tree grows, where there is no room. @throws FsError ENOSPC
 */
export function linkAfter(path: TreePath, level: number, key: Key, child: TreeBlock): void {
  if (level === path.height) growRoot(path);
  const node = path.blocks[level] as TreeBlock;
  const slot = (path.slots[level] as number) + 1;
  const count = node.nritems;
  const most = nodePtrsPerBlock(node.bytes.length);
  if (count < most) return insertPointer(node, slot, key, child);
  // Keys that only rise fill nodes to the end; otherwise both halves keep room.
  const cut = slot === count && isLast(path, level) ? count : count >> 1;
  const right = path.root.mp.trans.allocTreeBlock(path.root, level);
  movePointers(node, cut, count - cut, right, 0);
  if (slot > cut || cut === count) insertPointer(right, slot - cut, key, child);
  else insertPointer(node, slot, key, child);
  linkAfter(path, level + 1, new Key().read(right.view, HEADER_SIZE), right);
  const mine = path.slots[level] as number;
  if (mine < cut) return;
  stepRight(path, level);
  path.slots[level] = mine - cut;
}

/** Puts a new root node above the old one. */
function growRoot(path: TreePath): void {
  const { root } = path;
  const { trans } = root.mp;
  const old = path.blocks[path.height - 1] as TreeBlock;
  const node = trans.allocTreeBlock(root, path.height);
  insertPointer(node, 0, scratch.read(old.view, HEADER_SIZE), old);
  trans.setRootNode(root, node);
  path.blocks[path.height] = node;
  path.slots[path.height] = 0;
  path.height++;
}
