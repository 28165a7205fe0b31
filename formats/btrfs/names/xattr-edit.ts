/** Changes of XATTR_ITEMs, whose form is a directory entry with the value behind the name (kernel: fs/btrfs/xattr.c). */
import { FsError } from '../../../core/errors.ts';
import { encodeName } from '../../../core/vfs/names.ts';
import { findEntry, type NamedEntry } from '../dir-items.ts';
import type { BtrfsInode } from '../inode.ts';
import { nameHash } from '../name-hash.ts';
import { maxItemSize } from '../structure/block.ts';
import { DirItem, FileType } from '../structure/dir.ts';
import { ItemType, Key } from '../structure/key.ts';
import { TreeCursor } from '../tree/cursor.ts';
import { fits } from './dir-edit.ts';
import { cutItem, growItem, putBytes } from './item-edit.ts';

const NOWHERE = new Key();

function keyOf(ip: BtrfsInode, name: Uint8Array): Key {
  return new Key(ip.ino, ItemType.XATTR_ITEM, nameHash(name));
}

/** True if an inode has any attributes. */
export function hasXattrs(ip: BtrfsInode): boolean {
  const cursor = new TreeCursor(ip.root);
  try {
    cursor.search(new Key(ip.ino, ItemType.XATTR_ITEM, 0));
    return cursor.valid && cursor.key.objectid === ip.ino && cursor.key.type === ItemType.XATTR_ITEM;
  } finally {
    cursor.close();
  }
}

/**
 * Sets the attribute with this full name (`user.a`), new or not. Inside mp.change().
 * @throws FsError ENOSPC for what fits into no leaf
 */
export function putXattr(ip: BtrfsInode, fullName: string, value: Uint8Array): void {
  const name = encodeName(fullName);
  const size = DirItem.size + name.length + value.length;
  if (size > maxItemSize(ip.mp.nodeSize)) throw new FsError('ENOSPC');
  const key = keyOf(ip, name);
  const cursor = new TreeCursor(ip.root);
  try {
    let offset = 0;
    if (!cursor.search(key)) cursor.insert(key, size);
    else {
      const old = findEntry(cursor, name);
      const kept = cursor.size - (old === null ? 0 : entrySize(old));
      if (kept > 0 && !fits(ip, kept + size)) throw new FsError('ENOSPC');
      offset = replaceEntry(cursor, old, kept, size);
    }
    const at = cursor.at + offset;
    DirItem.set.location(cursor.view, at, NOWHERE);
    DirItem.set.transid(cursor.view, at, ip.mp.trans.id);
    DirItem.set.data_len(cursor.view, at, value.length);
    DirItem.set.name_len(cursor.view, at, name.length);
    DirItem.set.type(cursor.view, at, FileType.XATTR);
    putBytes(cursor, offset + DirItem.size, name);
    putBytes(cursor, offset + DirItem.size + name.length, value);
  } finally {
    cursor.close();
  }
}

const entrySize = (entry: NamedEntry): number => entry.dataAt + entry.dataLength - entry.at;

/** Makes `size` bytes of room at the item's end, in place of `old`; returns where they begin. */
function replaceEntry(cursor: TreeCursor, old: NamedEntry | null, kept: number, size: number): number {
  if (old === null) return growItem(cursor, size);
  if (kept > 0) {
    cutItem(cursor, old.at - cursor.at, entrySize(old));
    return growItem(cursor, size);
  }
  if (cursor.size === size) cursor.edit();
  else cursor.resize(size);
  return 0;
}

/** Removes the attribute with this full name; false if there is none. Inside mp.change(). */
export function dropXattr(ip: BtrfsInode, fullName: string): boolean {
  const name = encodeName(fullName);
  const cursor = new TreeCursor(ip.root);
  try {
    const entry = cursor.search(keyOf(ip, name)) ? findEntry(cursor, name) : null;
    if (entry === null) return false;
    cutItem(cursor, entry.at - cursor.at, entrySize(entry));
    return true;
  } finally {
    cursor.close();
  }
}
