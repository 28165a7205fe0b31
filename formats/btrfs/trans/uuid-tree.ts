/**
 * The uuid tree: from a subvolume's uuid to its id, so that send and receive need not look at all of them.
 *
 *     (uuid bytes 0-7, UUID_KEY_SUBVOL, uuid bytes 8-15)              id le64
 *     (uuid bytes 0-7, UUID_KEY_RECEIVED_SUBVOL, uuid bytes 8-15)     id le64, one for each that was received so
 *
 * Mirrors uuid-tree.c.
 */
import type { BtrfsMount } from '../mount.ts';
import { readU64, writeU64 } from '../structure/fields.ts';
import { ItemType, Key } from '../structure/key.ts';
import { TreeCursor } from '../tree/cursor.ts';

type UuidType = typeof ItemType.UUID_KEY_SUBVOL | typeof ItemType.UUID_KEY_RECEIVED_SUBVOL;

function keyOf(uuid: Uint8Array, type: UuidType): Key {
  const view = new DataView(uuid.buffer, uuid.byteOffset, 16);
  const key = new Key();
  key.ol = view.getUint32(0, true);
  key.oh = view.getUint32(4, true);
  key.type = type;
  key.fl = view.getUint32(8, true);
  key.fh = view.getUint32(12, true);
  return key;
}

/** Offset of `id` in the current item, or -1. */
function find(cursor: TreeCursor, id: number): number {
  for (let at = 0; at + 8 <= cursor.size; at += 8) if (readU64(cursor.view, cursor.at + at) === id) return at;
  return -1;
}

/** Adds subvolume `id` under its uuid; nothing happens without a uuid tree. Inside an operation. @throws FsError */
export function addUuid(mp: BtrfsMount, uuid: Uint8Array, id: number, type: UuidType = ItemType.UUID_KEY_SUBVOL): void {
  const root = mp.uuidRoot();
  if (root === null) return;
  const cursor = new TreeCursor(root);
  const key = keyOf(uuid, type);
  if (!cursor.search(key)) cursor.insert(key, 8);
  else if (find(cursor, id) >= 0) return cursor.close();
  else cursor.resize(cursor.size + 8);
  writeU64(cursor.view, cursor.at + cursor.size - 8, id);
  cursor.close();
}

/** Takes subvolume `id` out from under its uuid, if it is there. Inside an operation. @throws FsError */
export function removeUuid(
  mp: BtrfsMount,
  uuid: Uint8Array,
  id: number,
  type: UuidType = ItemType.UUID_KEY_SUBVOL,
): void {
  const root = mp.uuidRoot();
  if (root === null) return;
  const cursor = new TreeCursor(root);
  const at = cursor.search(keyOf(uuid, type)) ? find(cursor, id) : -1;
  if (at >= 0) {
    if (cursor.size === 8) cursor.delete();
    else {
      cursor.edit();
      const item = new Uint8Array(cursor.view.buffer, cursor.view.byteOffset + cursor.at, cursor.size);
      item.copyWithin(at, at + 8);
      cursor.resize(cursor.size - 8);
    }
  }
  cursor.close();
}
