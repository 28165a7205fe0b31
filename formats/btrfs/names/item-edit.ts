/** Changes of items that hold one entry after the other. */
import type { TreeCursor } from '../tree/cursor.ts';

/** Appends `size` zero bytes to the item under the cursor; returns where they begin, from the item's start. */
export function growItem(cursor: TreeCursor, size: number): number {
  const before = cursor.size;
  cursor.resize(before + size);
  return before;
}

/** Cuts `length` bytes at `offset` out of the item under the cursor; the item goes if nothing is left of it. */
export function cutItem(cursor: TreeCursor, offset: number, length: number): void {
  if (length === cursor.size) {
    cursor.delete();
    return;
  }
  cursor.edit();
  const { view, at, size } = cursor;
  const item = new Uint8Array(view.buffer, view.byteOffset + at, size);
  item.copyWithin(offset, offset + length);
  cursor.resize(size - length);
}

/** Writes bytes into the item under the cursor, which may be changed already. */
export function putBytes(cursor: TreeCursor, offset: number, bytes: Uint8Array): void {
  const { view, at } = cursor;
  new Uint8Array(view.buffer, view.byteOffset + at + offset, bytes.length).set(bytes);
}
