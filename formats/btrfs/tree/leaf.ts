/**
 * The bytes of a leaf: item headers grow up from the block's header, data down from its end, both in key order, without
 * gaps between data. Offsets in item headers count from the end of the block's header.
 *
 *     | header | item 0 | item 1 | item 2 |        free        | data 2 | data 1 | data 0 |
 *
 * These functions move bytes only: who calls them has made the block writable (path-edit.ts) and sees that they fit.
 */
import { HEADER_SIZE, Header, ITEM_SIZE, Item, leafDataSize } from '../structure/block.ts';
import type { Key } from '../structure/key.ts';
import type { TreeBlock } from './blocks.ts';

const OFFSET: number = Item.at.offset;
const SIZE: number = Item.at.size;

/** Where the header of an item is. */
export function headerAt(slot: number): number {
  return HEADER_SIZE + slot * ITEM_SIZE;
}

/** Offset of an item's data, from the end of the block's header. */
export function itemOffset(leaf: TreeBlock, slot: number): number {
  return leaf.view.getUint32(headerAt(slot) + OFFSET, true);
}

export function itemSize(leaf: TreeBlock, slot: number): number {
  return leaf.view.getUint32(headerAt(slot) + SIZE, true);
}

/** Where the data of the item at `slot` end, and those of all items before begin. */
function dataEnd(leaf: TreeBlock, slot: number): number {
  return slot === 0 ? leafDataSize(leaf.bytes.length) : itemOffset(leaf, slot - 1);
}

/** Bytes that the first `count` items take, headers and data. */
export function bytesOfFirst(leaf: TreeBlock, count: number): number {
  return count * ITEM_SIZE + leafDataSize(leaf.bytes.length) - dataEnd(leaf, count);
}

export function usedBytes(leaf: TreeBlock): number {
  return bytesOfFirst(leaf, leaf.nritems);
}

export function freeBytes(leaf: TreeBlock): number {
  return leafDataSize(leaf.bytes.length) - usedBytes(leaf);
}

export function setCount(block: TreeBlock, count: number): void {
  block.view.setUint32(Header.at.nritems, count, true);
}

/** Adds to the data offsets of items. */
function shiftOffsets(leaf: TreeBlock, from: number, to: number, by: number): void {
  const { view } = leaf;
  for (let at = headerAt(from) + OFFSET; from < to; from++, at += ITEM_SIZE) {
    view.setUint32(at, view.getUint32(at, true) + by, true);
  }
}

/** Moves the data of all items from `slot` on by `by` bytes towards the end of the block (negative: the front). */
function shiftData(leaf: TreeBlock, slot: number, end: number, by: number): void {
  const count = leaf.nritems;
  const start = HEADER_SIZE + dataEnd(leaf, count);
  leaf.bytes.copyWithin(start + by, start, HEADER_SIZE + end);
  shiftOffsets(leaf, slot, count, by);
}

/** Puts a new item of `size` zero bytes at `slot`. */
export function insertItem(leaf: TreeBlock, slot: number, key: Key, size: number): void {
  const { view, bytes } = leaf;
  const count = leaf.nritems;
  const end = dataEnd(leaf, slot);
  if (slot < count) {
    shiftData(leaf, slot, end, -size);
    bytes.copyWithin(headerAt(slot + 1), headerAt(slot), headerAt(count));
  }
  key.write(view, headerAt(slot));
  view.setUint32(headerAt(slot) + OFFSET, end - size, true);
  view.setUint32(headerAt(slot) + SIZE, size, true);
  bytes.fill(0, HEADER_SIZE + end - size, HEADER_SIZE + end);
  setCount(leaf, count + 1);
}

/** Takes `count` items out, from `slot` on. */
export function removeItems(leaf: TreeBlock, slot: number, count: number): void {
  const all = leaf.nritems;
  const after = slot + count;
  if (after < all) {
    const low = itemOffset(leaf, after - 1);
    shiftData(leaf, after, low, dataEnd(leaf, slot) - low);
    leaf.bytes.copyWithin(headerAt(slot), headerAt(after), headerAt(all));
  }
  setCount(leaf, all - count);
}

/** Makes an item longer (by zero bytes) or shorter, at its end. */
export function resizeItem(leaf: TreeBlock, slot: number, size: number): void {
  const old = itemSize(leaf, slot);
  const offset = itemOffset(leaf, slot);
  const by = old - size;
  shiftData(leaf, slot, offset + Math.min(old, size), by);
  leaf.view.setUint32(headerAt(slot) + SIZE, size, true);
  if (size > old) leaf.bytes.fill(0, HEADER_SIZE + offset + by + old, HEADER_SIZE + offset + by + size);
}

/** Moves `count` items, from `fromSlot` on, to before `toSlot` of another leaf. */
export function moveItems(from: TreeBlock, fromSlot: number, count: number, to: TreeBlock, toSlot: number): void {
  if (count === 0) return;
  const toCount = to.nritems;
  const sourceEnd = dataEnd(from, fromSlot);
  const sourceStart = itemOffset(from, fromSlot + count - 1);
  const length = sourceEnd - sourceStart;
  const targetEnd = dataEnd(to, toSlot);
  if (toSlot < toCount) {
    shiftData(to, toSlot, targetEnd, -length);
    to.bytes.copyWithin(headerAt(toSlot + count), headerAt(toSlot), headerAt(toCount));
  }
  to.bytes.set(
    from.bytes.subarray(HEADER_SIZE + sourceStart, HEADER_SIZE + sourceEnd),
    HEADER_SIZE + targetEnd - length,
  );
  to.bytes.set(from.bytes.subarray(headerAt(fromSlot), headerAt(fromSlot + count)), headerAt(toSlot));
  shiftOffsets(to, toSlot, toSlot + count, targetEnd - sourceEnd);
  setCount(to, toCount + count);
  removeItems(from, fromSlot, count);
}

/** Zeroes what lies between item headers and data: bytes of items that are gone. */
export function clearFree(leaf: TreeBlock): void {
  const count = leaf.nritems;
  leaf.bytes.fill(0, headerAt(count), HEADER_SIZE + dataEnd(leaf, count));
}
