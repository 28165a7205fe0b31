/**
 * Room in a full leaf: items move to a neighbour below the same node where that suffices; otherwise the leaf is split.
 * The path stays with the place where the item is to be put (or is, if it grows). Mirrors split_leaf(),
 * push_leaf_left() and push_leaf_right() of ctree.c; keys that only rise leave full leaves behind.
 */
import { HEADER_SIZE, leafDataSize } from '../structure/block.ts';
import { Key } from '../structure/key.ts';
import type { TreeBlock } from './blocks.ts';
import { bytesOfFirst, freeBytes, moveItems, usedBytes } from './leaf.ts';
import { pointerAt } from './node.ts';
import type { TreePath } from './path.ts';
import { fixKeysAbove, isLast, linkAfter, stepRight, writableChild } from './path-edit.ts';

/** A leaf can need two splits when a large item goes between small ones. */
const MOST_SPLITS = 3;

/**
 * Makes the path's leaf have `need` bytes free: for a new item `key` at the path's slot, or with `key` null for the
 * item there to grow. The path is writable. @throws FsError ENOSPC
 */
export function makeRoom(path: TreePath, need: number, key: Key | null): void {
  if (freeBytes(path.leaf) >= need) return;
  if (path.height > 1 && !(key !== null && isAppend(path))) {
    if (key !== null && goRight(path, need)) return;
    if (pushLeft(path, need) || pushRight(path, need, key === null)) return;
  }
  for (let i = 0; i < MOST_SPLITS && freeBytes(path.leaf) < need; i++) split(path, need, key);
}

/** True if the new item will be the last of the tree. */
function isAppend(path: TreePath): boolean {
  return path.slots[0] === path.leaf.nritems && isLast(path, 0);
}

/** A new item behind all others of its leaf can as well be the first of the next. */
function goRight(path: TreePath, need: number): boolean {
  const parent = path.blocks[1] as TreeBlock;
  const next = (path.slots[1] as number) + 1;
  if (path.slots[0] !== path.leaf.nritems || next >= parent.nritems) return false;
  if (freeBytes(path.child(parent, next)) < need) return false;
  path.blocks[0] = writableChild(path, 1, next);
  path.slots[1] = next;
  path.slots[0] = 0;
  return true;
}

/** Moves items before the slot to the leaf on the left, as many as it takes. */
function pushLeft(path: TreePath, need: number): boolean {
  const place = path.slots[1] as number;
  const slot = path.slots[0] as number;
  if (place === 0 || slot === 0) return false;
  const { leaf } = path;
  const room = freeBytes(path.child(path.blocks[1] as TreeBlock, place - 1));
  let count = slot;
  while (count > 0 && bytesOfFirst(leaf, count) > room) count--;
  if (count === 0 || freeBytes(leaf) + bytesOfFirst(leaf, count) < need) return false;
  const left = writableChild(path, 1, place - 1);
  moveItems(leaf, 0, count, left, left.nritems);
  path.slots[0] = slot - count;
  // A leaf that is empty now gets its key with the new item.
  if (leaf.nritems > 0) fixKeysAbove(path, 0);
  return true;
}

/** Moves items behind the slot to the leaf on the right, until both are about equally full. */
function pushRight(path: TreePath, need: number, grows: boolean): boolean {
  const parent = path.blocks[1] as TreeBlock;
  const next = (path.slots[1] as number) + 1;
  if (next >= parent.nritems) return false;
  const { leaf } = path;
  const count = leaf.nritems;
  const stay = (path.slots[0] as number) + (grows ? 1 : 0);
  const used = usedBytes(leaf);
  const free = freeBytes(leaf);
  const room = freeBytes(path.child(parent, next));
  let from = count;
  let moved = 0;
  while (from > stay) {
    const more = used - bytesOfFirst(leaf, from - 1);
    if (more > room) break;
    moved = more;
    from--;
    if (free + moved >= need && free + moved - need >= room - moved) break;
  }
  if (moved === 0 || from === 0 || free + moved < need) return false;
  const right = writableChild(path, 1, next);
  moveItems(leaf, from, count - from, right, 0);
  new Key().read(right.view, HEADER_SIZE).write(parent.view, pointerAt(next));
  return true;
}

/** Where to cut a leaf: items before `cut` stay; the new or growing bytes go left or right. */
interface Cut {
  cut: number;
  left: boolean;
}

/** Splits the leaf; perhaps the room is still too small: then the path's slot is at an edge, and a next split helps. */
function split(path: TreePath, need: number, key: Key | null): void {
  const { leaf, root } = path;
  const count = leaf.nritems;
  const slot = path.slots[0] as number;
  const { cut, left } = chooseCut(path, need, key === null);
  const right = root.mp.trans.allocTreeBlock(root, 0);
  moveItems(leaf, cut, count - cut, right, 0);
  linkAfter(path, 1, cut < count ? new Key().read(right.view, HEADER_SIZE) : (key as Key), right);
  if (left) return;
  stepRight(path, 0);
  path.slots[0] = slot - cut;
}

function chooseCut(path: TreePath, need: number, grows: boolean): Cut {
  const { leaf } = path;
  const count = leaf.nritems;
  const slot = path.slots[0] as number;
  if (!grows && isAppend(path)) return { cut: count, left: false };
  const capacity = leafDataSize(leaf.bytes.length);
  const total = usedBytes(leaf);
  const best: Cut = { cut: -1, left: false };
  let bestScore = Number.POSITIVE_INFINITY;
  for (let cut = 0; cut <= count; cut++) {
    const before = bytesOfFirst(leaf, cut);
    for (const left of [true, false]) {
      if (left ? slot > cut || (grows && slot === cut) : slot < cut) continue;
      const leftBytes = before + (left ? need : 0);
      const rightBytes = total - before + (left ? 0 : need);
      const empty = leftBytes === 0 || rightBytes === 0;
      if (empty || leftBytes > capacity || rightBytes > capacity) continue;
      const score = Math.abs(leftBytes - rightBytes);
      if (score >= bestScore) continue;
      bestScore = score;
      best.cut = cut;
      best.left = left;
    }
  }
  if (best.cut >= 0) return best;
  // No cut leaves room on either side: the item comes between two leaves, or gets one of its own.
  if (!grows) return { cut: slot, left: true };
  return slot > 0 ? { cut: slot, left: false } : { cut: 1, left: true };
}
