/**
 * Insertion. Room is made first, from the leaf up, and the path kept true all the while; then the entry goes in.
 * A full block gives entries to its right or left neighbour if that has room, else it is split in half and the
 * new right half entered into the parent, for which room is made in the same way. Linux gives one entry; so do trees
 * in inodes here, whose blocks are counted, while AG trees even out half the difference at once: a run of insertions
 * would else move both blocks' entries each time. A full root gets a new root
 * above it; a full root in an inode fork is pushed down into a block. Mirrors the choices of
 * xfs_btree_make_block_unfull and xfs_btree_split, so that trees have the shape that Linux would give them.
 */
import type { Buf } from '../../../core/buffer-cache.ts';
import {
  initBlock,
  moveEntries,
  pointerOf,
  setBlockCount,
  setCount,
  setLeftSibling,
  setRightSibling,
} from './block.ts';
import type { BtreeCursor } from './cursor.ts';
import { insideKeys, keyOfBlock, logChange, updateKeys } from './keys.ts';
import { NULL_POINTER } from './kind.ts';

/** Puts the record in before the leaf's current slot. @throws FsError ENOSPC */
export function insertAt<R, K>(cursor: BtreeCursor<R, K>, record: R): void {
  makeRoom(cursor, 0);
  const buf = cursor.bufs[0] as Buf;
  const slot = cursor.slots[0] as number;
  const count = cursor.count(0);
  const at = cursor.recordAt(slot);
  moveEntries(cursor, 0, buf, slot, buf, slot + 1, count - slot);
  cursor.trans().modify(buf, at, cursor.kind.recordSize);
  cursor.kind.encode(buf.view, at, record);
  setCount(cursor, 0, count + 1);
  if (slot === 0 || (cursor.kind.overlapping && !insideKeys(cursor))) updateKeys(cursor, 0);
}

/** Ensures that the block at `level` of the path can take one entry more at or after the current slot. */
function makeRoom<R, K>(cursor: BtreeCursor<R, K>, level: number): void {
  if (cursor.count(level) < cursor.maxRecords(level)) return;
  if (cursor.inFork(level)) pushRootDown(cursor);
  else {
    const many = cursor.inode === null;
    if (!shiftRight(cursor, level, many) && !shiftLeft(cursor, level, many)) split(cursor, level);
  }
}

/**
 * Ensures that the leaf of the path can take a record at the current slot (insertion point). `wanted` records will go
 * there: entries that they would push to a neighbour one by one go there together.
 */
export function makeRoomForMore<R, K>(cursor: BtreeCursor<R, K>, wanted: number): void {
  if (cursor.count(0) < cursor.maxLeafRecords) return;
  const many = cursor.inode === null;
  if (!shiftRight(cursor, 0, many, wanted) && !shiftLeft(cursor, 0, many, wanted)) split(cursor, 0);
}

/**
 * Ensures that the full last leaf, behind whose last record the path stands, can take another one. `wanted` more will
 * follow: entries that they would push to the left one by one go there together.
 */
export function makeRoomToAppend<R, K>(cursor: BtreeCursor<R, K>, wanted: number): void {
  if (!shiftLeft(cursor, 0, false, wanted)) split(cursor, 0);
}

/**
 * Gives the last entry (`many`: half of what the neighbour has room for; else `wanted`: so many if it has room) to the
 * right neighbour, unless that is full or the path stands on the last entry.
 */
export function shiftRight<R, K>(cursor: BtreeCursor<R, K>, level: number, many = false, wanted = 1): boolean {
  const left = cursor.bufs[level] as Buf;
  const target = cursor.rightSibling(left);
  const count = cursor.count(level);
  if (target === NULL_POINTER || (cursor.slots[level] as number) >= count - 1) return false;
  const right = cursor.readBlock(target, level);
  const rightCount = right.view.getUint16(6);
  if (rightCount >= cursor.maxRecords(level)) return false;
  const neighbour = cursor.copy();
  neighbour.slots[level] = count - 1;
  if (!neighbour.step(level)) throw cursor.damage(left, 'no right neighbour');
  const room = cursor.maxRecords(level) - rightCount;
  const n = Math.min(many ? (room + 1) >> 1 : Math.min(wanted, room), count - 1 - (cursor.slots[level] as number));
  moveEntries(cursor, level, right, 0, right, n, rightCount);
  moveEntries(cursor, level, left, count - n, right, 0, n);
  setBlockCount(cursor, left, count - n);
  setBlockCount(cursor, right, rightCount + n);
  updateKeys(neighbour, level);
  if (cursor.kind.overlapping) updateKeys(cursor, level);
  return true;
}

/** As shiftRight(), for the first entries and the left neighbour. */
export function shiftLeft<R, K>(cursor: BtreeCursor<R, K>, level: number, many = false, wanted = 1): boolean {
  const right = cursor.bufs[level] as Buf;
  const target = cursor.leftSibling(right);
  if (target === NULL_POINTER || (cursor.slots[level] as number) <= 0) return false;
  const left = cursor.readBlock(target, level);
  const leftCount = left.view.getUint16(6);
  if (leftCount >= cursor.maxRecords(level)) return false;
  const count = cursor.count(level);
  const neighbour = cursor.copy();
  neighbour.slots[level] = 0;
  if (!neighbour.stepBack(level)) throw cursor.damage(right, 'no left neighbour');
  const room = cursor.maxRecords(level) - leftCount;
  const n = Math.min(many ? (room + 1) >> 1 : Math.min(wanted, room, count - 1), cursor.slots[level] as number);
  moveEntries(cursor, level, right, 0, left, leftCount, n);
  moveEntries(cursor, level, right, n, right, 0, count - n);
  setBlockCount(cursor, left, leftCount + n);
  setBlockCount(cursor, right, count - n);
  if (cursor.kind.overlapping) updateKeys(neighbour, level);
  updateKeys(cursor, level);
  cursor.slots[level] = (cursor.slots[level] as number) - n;
  return true;
}

/** Splits the block at `level` of the path and enters the new right half into the parent. */
function split<R, K>(cursor: BtreeCursor<R, K>, level: number): void {
  const left = cursor.bufs[level] as Buf;
  const leftPointer = pointerOf(cursor, left);
  const pointer = cursor.kind.allocBlock(cursor, leftPointer);
  const right = initBlock(cursor, pointer, level);
  if (level + 1 === cursor.levels) growRoot(cursor, leftPointer);
  else makeRoom(cursor, level + 1);
  const count = cursor.count(level);
  const slot = cursor.slots[level] as number;
  // In a node the slot names an entry and the new one follows it; in a leaf it is where the new one goes.
  const insertion = level === 0 ? slot : slot + 1;
  let moved = count >> 1;
  if ((count & 1) === 1 && insertion <= moved) moved++;
  const kept = count - moved;
  moveEntries(cursor, level, left, kept, right, 0, moved);
  setBlockCount(cursor, left, kept);
  setBlockCount(cursor, right, moved);
  link(cursor, level, left, leftPointer, right, pointer);
  enter(cursor, level, right, pointer);
  if (insertion > kept) {
    cursor.setBuf(level, right);
    cursor.slots[level] = slot - kept;
    cursor.slots[level + 1] = (cursor.slots[level + 1] as number) + 1;
  }
}

function link<R, K>(
  cursor: BtreeCursor<R, K>,
  level: number,
  left: Buf,
  leftPointer: number,
  right: Buf,
  pointer: number,
): void {
  const beyond = cursor.rightSibling(left);
  setRightSibling(cursor, right, beyond);
  setLeftSibling(cursor, right, leftPointer);
  setRightSibling(cursor, left, pointer);
  if (beyond !== NULL_POINTER) setLeftSibling(cursor, cursor.readBlock(beyond, level), pointer);
}

/** Enters the block `right` into the parent of `level`, after the path's slot; the path does not move. */
function enter<R, K>(cursor: BtreeCursor<R, K>, level: number, right: Buf, pointer: number): void {
  const up = level + 1;
  const parent = cursor.bufs[up] as Buf;
  const slot = (cursor.slots[up] as number) + 1;
  openSlot(cursor, up, slot);
  const keyAt = cursor.keyAt(up, slot);
  logChange(cursor, up, keyAt, cursor.nodeKeySize);
  keyOfBlock(cursor, right, level, parent.view, keyAt);
  const pointerAt = cursor.pointerAt(up, slot);
  logChange(cursor, up, pointerAt, cursor.pointerSize);
  cursor.writePointer(parent, pointerAt, pointer);
  // The left half covers less than its parent's high key says.
  if (cursor.kind.overlapping) updateKeys(cursor, level);
}

/** Makes a hole in the node at `level` of the path, which has room, and counts it. */
function openSlot<R, K>(cursor: BtreeCursor<R, K>, level: number, slot: number): void {
  const buf = cursor.bufs[level] as Buf;
  const count = cursor.count(level);
  if (cursor.inFork(level)) {
    logChange(cursor, level, 0, 0);
    const key = cursor.keyAt(level, slot);
    buf.bytes.copyWithin(key + 8, key, cursor.keyAt(level, count));
    const pointer = cursor.pointerAt(level, slot);
    buf.bytes.copyWithin(pointer + 8, pointer, cursor.pointerAt(level, count));
  } else {
    moveEntries(cursor, level, buf, slot, buf, slot + 1, count - slot);
  }
  setCount(cursor, level, count + 1);
}

/** Puts a new root with one entry, the old root, on top of an AG btree. */
function growRoot<R, K>(cursor: BtreeCursor<R, K>, oldRoot: number): void {
  const { kind, levels } = cursor;
  const pointer = kind.allocBlock(cursor, oldRoot);
  const buf = initBlock(cursor, pointer, levels);
  keyOfBlock(cursor, cursor.bufs[levels - 1] as Buf, levels - 1, buf.view, cursor.headerSize);
  cursor.writePointer(buf, cursor.headerSize + cursor.maxNodeRecords * cursor.nodeKeySize, oldRoot);
  buf.view.setUint16(6, 1);
  cursor.levels = levels + 1;
  cursor.setBuf(levels, buf);
  cursor.slots[levels] = 0;
  setRoot(cursor, pointer, levels + 1);
}

/** Records root block and height in the AG header. */
export function setRoot<R, K>(cursor: BtreeCursor<R, K>, pointer: number, levels: number): void {
  const { kind } = cursor;
  const header = cursor.agBuf as Buf;
  cursor.trans().modify(header, kind.rootAt, 4);
  header.view.setUint32(kind.rootAt, pointer);
  cursor.trans().modify(header, kind.levelAt, 4);
  header.view.setUint32(kind.levelAt, levels);
}

/** Moves all entries of the root in the fork to a new block; the root keeps one entry, that block. */
export function pushRootDown<R, K>(cursor: BtreeCursor<R, K>): void {
  const top = cursor.levels - 1;
  const fork = cursor.bufs[top] as Buf;
  const count = cursor.count(top);
  const start = cursor.forkStart();
  const room = cursor.maxForkRecords();
  const near = cursor.readPointer(fork, start + 4 + room * 8);
  const pointer = cursor.kind.allocBlock(cursor, near);
  const buf = initBlock(cursor, pointer, top);
  buf.bytes.set(fork.bytes.subarray(start + 4, start + 4 + count * 8), cursor.headerSize);
  const pointersFrom = start + 4 + room * 8;
  const pointersTo = cursor.headerSize + cursor.maxNodeRecords * 8;
  buf.bytes.set(fork.bytes.subarray(pointersFrom, pointersFrom + count * 8), pointersTo);
  buf.view.setUint16(6, count);
  cursor.levels = top + 2;
  cursor.setBuf(top + 1, fork);
  cursor.setBuf(top, buf);
  cursor.slots[top + 1] = 0;
  logChange(cursor, top + 1, start, 4);
  fork.view.setUint16(start, top + 1);
  fork.view.setUint16(start + 2, 1);
  cursor.writePointer(fork, pointersFrom, pointer);
}
