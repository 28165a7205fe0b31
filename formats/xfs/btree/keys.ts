/**
 * Keys of nodes: what a parent must say about the block below it. A plain btree names the first key of each
 * child; an overlapping one (rmapbt) also the highest key anywhere below, so each change may climb to the root.
 */
import type { Buf } from '../../../core/buffer-cache.ts';
import type { BtreeCursor } from './cursor.ts';

const newKey = new DataView(new ArrayBuffer(64));

/** Writes the node key that describes the block `buf` at `level` to `into`, `at`; the block is not a fork root. */
export function keyOfBlock<R, K>(cursor: BtreeCursor<R, K>, buf: Buf, level: number, into: DataView, at: number): void {
  const { kind } = cursor;
  const { view } = buf;
  const start = cursor.headerSize;
  if (level === 0) kind.keyOfRecord(view, start, into, at);
  else copyKey(view, start, into, at, kind.lowKeySize);
  if (!kind.overlapping) return;
  const count = view.getUint16(6);
  const high = at + kind.lowKeySize;
  let best = 0;
  if (level === 0) {
    const size = kind.recordSize;
    for (let slot = 1; slot < count; slot++)
      if (kind.compareEnds(view, start + slot * size, start + best * size) > 0) best = slot;
    kind.highKeyOfRecord(view, start + best * size, into, high);
    return;
  }
  const size = cursor.nodeKeySize;
  const highs = start + kind.lowKeySize;
  for (let slot = 1; slot < count; slot++)
    if (kind.compareKeys(view, highs + slot * size, view, highs + best * size) > 0) best = slot;
  copyKey(view, highs + best * size, into, high, kind.lowKeySize);
}

function copyKey(from: DataView, fromAt: number, into: DataView, at: number, size: number): void {
  for (let i = 0; i < size; i += 4) into.setUint32(at + i, from.getUint32(fromAt + i));
}

/**
 * True if the record under the leaf's slot bears neither the low nor the high key of its block, so that it may change
 * or go without a word to the parent. Spares a look at all records of the block.
 */
export function insideKeys<R, K>(cursor: BtreeCursor<R, K>): boolean {
  if (cursor.levels === 1) return true;
  const slot = cursor.slots[0] as number;
  if (slot === 0) return false;
  const { kind } = cursor;
  const leaf = cursor.bufs[0] as Buf;
  const parent = cursor.bufs[1] as Buf;
  kind.highKeyOfRecord(leaf.view, cursor.recordAt(slot), newKey, 0);
  return kind.compareKeys(newKey, 0, parent.view, cursor.keyAt(1, cursor.slots[1] as number) + kind.lowKeySize) < 0;
}

/**
 * Makes the ancestors agree with the block at `level` of the path, which just changed. Climbs until a parent's key
 * is right already, or, in a plain btree, until the path is not the first entry.
 */
export function updateKeys<R, K>(cursor: BtreeCursor<R, K>, level: number): void {
  const size = cursor.nodeKeySize;
  for (let child = level; child + 1 < cursor.levels; child++) {
    keyOfBlock(cursor, cursor.bufs[child] as Buf, child, newKey, 0);
    const slot = cursor.slots[child + 1] as number;
    const at = cursor.keyAt(child + 1, slot);
    const buf = cursor.bufs[child + 1] as Buf;
    if (sameKey(buf.view, at, newKey, size)) return;
    logChange(cursor, child + 1, at, size);
    copyKey(newKey, 0, buf.view, at, size);
    if (slot > 0 && !cursor.kind.overlapping) return;
  }
}

function sameKey(view: DataView, at: number, key: DataView, size: number): boolean {
  for (let i = 0; i < size; i += 4) if (view.getUint32(at + i) !== key.getUint32(i)) return false;
  return true;
}

/** Announces a change of bytes in the block (or fork root) at `level` of the path. */
export function logChange<R, K>(cursor: BtreeCursor<R, K>, level: number, at: number, size: number): void {
  if (cursor.inFork(level) && cursor.inode !== null) cursor.trans().modifyInode(cursor.inode, cursor.fork);
  else cursor.trans().modify(cursor.bufs[level] as Buf, at, size);
}
