/**
 * Deletion. The entry goes out; a block left with fewer entries than half its room borrows one from a neighbour
 * that can spare it, or is joined with a neighbour, which deletes an entry from the parent in the same way. A root
 * with one entry gives way to its child; a root in an inode fork takes in its only child once the child's entries
 * fit. Mirrors the choices of xfs_btree_delrec, so that Linux and xfs_repair find blocks filled as they expect.
 */
import type { Buf } from '../../../core/buffer-cache.ts';
import { moveEntries, pointerOf, setBlockCount, setCount, setLeftSibling, setRightSibling } from './block.ts';
import type { BtreeCursor } from './cursor.ts';
import { setRoot, shiftLeft, shiftRight } from './insert.ts';
import { insideKeys, logChange, updateKeys } from './keys.ts';
import { NULL_POINTER } from './kind.ts';

/** Deletes the record under the leaf's slot. */
export function deleteAt<R, K>(cursor: BtreeCursor<R, K>): void {
  if (!cursor.onRecord()) throw cursor.damage(cursor.bufs[0] ?? null, 'nothing to delete here');
  for (let level = 0; level < cursor.levels; level++) if (!removeEntry(cursor, level)) return;
}

/** Removes the entry under the slot of `level`; true if the parent's entry under the path must go as well. */
function removeEntry<R, K>(cursor: BtreeCursor<R, K>, level: number): boolean {
  const slot = cursor.slots[level] as number;
  const { overlapping } = cursor.kind;
  const inside = overlapping && level === 0 && insideKeys(cursor);
  closeSlot(cursor, level, slot);
  if (cursor.inFork(level)) {
    pullRootUp(cursor);
    return false;
  }
  const count = cursor.count(level);
  if (level === cursor.levels - 1) {
    if (level > 0 && count === 1) dropRoot(cursor, level);
    return false;
  }
  if (count > 0 && (slot === 0 || (overlapping && !inside))) updateKeys(cursor, level);
  if (count >= cursor.minRecords(level)) return false;
  return rebalance(cursor, level);
}

function closeSlot<R, K>(cursor: BtreeCursor<R, K>, level: number, slot: number): void {
  const buf = cursor.bufs[level] as Buf;
  const count = cursor.count(level);
  if (cursor.inFork(level)) {
    logChange(cursor, level, 0, 0);
    const key = cursor.keyAt(level, slot);
    buf.bytes.copyWithin(key, key + 8, cursor.keyAt(level, count));
    const pointer = cursor.pointerAt(level, slot);
    buf.bytes.copyWithin(pointer, pointer + 8, cursor.pointerAt(level, count));
  } else {
    moveEntries(cursor, level, buf, slot + 1, buf, slot, count - slot - 1);
  }
  setCount(cursor, level, count - 1);
}

/** Refills or joins the block at `level`, which has too few entries; true if its parent's entry must be removed. */
function rebalance<R, K>(cursor: BtreeCursor<R, K>, level: number): boolean {
  const buf = cursor.bufs[level] as Buf;
  const left = cursor.leftSibling(buf);
  const right = cursor.rightSibling(buf);
  if (left === NULL_POINTER && right === NULL_POINTER) {
    if (cursor.inode !== null && level === cursor.levels - 2) pullRootUp(cursor);
    return false;
  }
  const count = cursor.count(level);
  const min = cursor.minRecords(level);
  const max = cursor.maxRecords(level);
  const rightCount = right === NULL_POINTER ? 0 : cursor.readBlock(right, level).view.getUint16(6);
  const leftCount = left === NULL_POINTER ? 0 : cursor.readBlock(left, level).view.getUint16(6);
  if (right !== NULL_POINTER && rightCount - 1 >= min) {
    if (shiftLeft(rightNeighbour(cursor, level), level, false, share(cursor, rightCount - min))) return false;
  }
  if (left !== NULL_POINTER && leftCount - 1 >= min) {
    if (shiftRight(leftNeighbour(cursor, level), level, false, share(cursor, leftCount - min))) return false;
  }
  if (left !== NULL_POINTER && leftCount + count <= max) {
    const neighbour = cursor.readBlock(left, level);
    join(cursor, level, neighbour, buf);
    // The path keeps naming the parent's entry of the emptied block, which goes next.
    return true;
  }
  if (right !== NULL_POINTER && rightCount + count <= max) {
    const neighbour = cursor.readBlock(right, level);
    join(cursor, level, buf, neighbour);
    if (cursor.kind.overlapping) updateKeys(cursor, level);
    if (!cursor.step(level + 1)) throw cursor.damage(buf, 'no parent entry of the right neighbour');
    return true;
  }
  return false;
}

/** How many of the entries that a neighbour can spare move: as in insertion, one in an inode, half of them in an AG. */
function share<R, K>(cursor: BtreeCursor<R, K>, spare: number): number {
  return cursor.inode === null ? (spare + 1) >> 1 : 1;
}

/** A path to the right neighbour, at its last entry, so that its first can move here. */
function rightNeighbour<R, K>(cursor: BtreeCursor<R, K>, level: number): BtreeCursor<R, K> {
  const neighbour = cursor.copy();
  neighbour.slots[level] = neighbour.count(level) - 1;
  if (!neighbour.step(level)) throw cursor.damage(cursor.bufs[level] ?? null, 'no right neighbour');
  neighbour.slots[level] = neighbour.count(level) - 1;
  return neighbour;
}

function leftNeighbour<R, K>(cursor: BtreeCursor<R, K>, level: number): BtreeCursor<R, K> {
  const neighbour = cursor.copy();
  neighbour.slots[level] = 0;
  if (!neighbour.stepBack(level)) throw cursor.damage(cursor.bufs[level] ?? null, 'no left neighbour');
  neighbour.slots[level] = 0;
  return neighbour;
}

/** Appends all of `right` to `left`, unlinks and frees `right`. */
function join<R, K>(cursor: BtreeCursor<R, K>, level: number, left: Buf, right: Buf): void {
  const leftCount = left.view.getUint16(6);
  const rightCount = right.view.getUint16(6);
  moveEntries(cursor, level, right, 0, left, leftCount, rightCount);
  setBlockCount(cursor, left, leftCount + rightCount);
  const beyond = cursor.rightSibling(right);
  setRightSibling(cursor, left, beyond);
  if (beyond !== NULL_POINTER) setLeftSibling(cursor, cursor.readBlock(beyond, level), pointerOf(cursor, left));
  if (cursor.kind.overlapping && cursor.bufs[level] === right) {
    const neighbour = leftNeighbour(cursor, level);
    updateKeys(neighbour, level);
  }
  freeBlock(cursor, right);
}

function freeBlock<R, K>(cursor: BtreeCursor<R, K>, buf: Buf): void {
  cursor.kind.freeBlock(cursor, pointerOf(cursor, buf));
  cursor.trans().binval(buf);
}

/** Replaces the root of an AG btree, which has one entry, by the block that it names. */
function dropRoot<R, K>(cursor: BtreeCursor<R, K>, level: number): void {
  const root = cursor.bufs[level] as Buf;
  const child = cursor.readPointer(root, cursor.pointerAt(level, 0));
  setRoot(cursor, child, level);
  freeBlock(cursor, root);
  cursor.levels = level;
  cursor.setBuf(level, null);
}

/** Takes the entries of the only child of the root in the fork into the fork, if it is a node and they fit. */
function pullRootUp<R, K>(cursor: BtreeCursor<R, K>): void {
  const top = cursor.levels - 1;
  const fork = cursor.bufs[top] as Buf;
  if (top === 1 || cursor.count(top) !== 1) return;
  const start = cursor.forkStart();
  const room = cursor.maxForkRecords();
  const child = cursor.readBlock(cursor.readPointer(fork, start + 4 + room * 8), top - 1);
  const count = child.view.getUint16(6);
  if (count > room) return;
  logChange(cursor, top, start, 4);
  fork.bytes.set(child.bytes.subarray(cursor.headerSize, cursor.headerSize + count * 8), start + 4);
  const pointersFrom = cursor.headerSize + cursor.maxNodeRecords * 8;
  fork.bytes.set(child.bytes.subarray(pointersFrom, pointersFrom + count * 8), start + 4 + room * 8);
  fork.view.setUint16(start, top - 1);
  fork.view.setUint16(start + 2, count);
  freeBlock(cursor, child);
  cursor.setBuf(top, null);
  cursor.levels = top;
  cursor.setBuf(top - 1, fork);
}
