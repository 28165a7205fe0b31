/** The bytes of a node: pointers to blocks of the level below, in key order. Moves bytes only, as leaf.ts does. */
import { HEADER_SIZE, KEY_PTR_SIZE, KeyPtr } from '../structure/block.ts';
import type { Key } from '../structure/key.ts';
import type { TreeBlock } from './blocks.ts';
import { setCount } from './leaf.ts';

/** Where a pointer is. */
export function pointerAt(slot: number): number {
  return HEADER_SIZE + slot * KEY_PTR_SIZE;
}

/** Puts a pointer to a block that begins with `key` at `slot`. */
export function insertPointer(node: TreeBlock, slot: number, key: Key, child: TreeBlock): void {
  const { view, bytes } = node;
  const count = node.nritems;
  bytes.copyWithin(pointerAt(slot + 1), pointerAt(slot), pointerAt(count));
  key.write(view, pointerAt(slot));
  KeyPtr.set.blockptr(view, pointerAt(slot), child.bytenr);
  KeyPtr.set.generation(view, pointerAt(slot), child.generation);
  setCount(node, count + 1);
}

/** Takes a pointer out. */
export function removePointer(node: TreeBlock, slot: number): void {
  const count = node.nritems;
  node.bytes.copyWithin(pointerAt(slot), pointerAt(slot + 1), pointerAt(count));
  setCount(node, count - 1);
}

/** Moves `count` pointers, from `fromSlot` on, to before `toSlot` of another node. */
export function movePointers(from: TreeBlock, fromSlot: number, count: number, to: TreeBlock, toSlot: number): void {
  const toCount = to.nritems;
  const fromCount = from.nritems;
  to.bytes.copyWithin(pointerAt(toSlot + count), pointerAt(toSlot), pointerAt(toCount));
  to.bytes.set(from.bytes.subarray(pointerAt(fromSlot), pointerAt(fromSlot + count)), pointerAt(toSlot));
  from.bytes.copyWithin(pointerAt(fromSlot), pointerAt(fromSlot + count), pointerAt(fromCount));
  setCount(to, toCount + count);
  setCount(from, fromCount - count);
}

/** Zeroes what lies behind the pointers: those that are gone. */
export function clearFree(node: TreeBlock): void {
  node.bytes.fill(0, pointerAt(node.nritems));
}
