/**
 * The names of an inode as it keeps them itself: INODE_REF, one item for each directory it is in, with all names there;
 * what does not fit any more goes to INODE_EXTREF items, found by a hash of directory and name (kernel: inode-item.c).
 */
import { corrupt, FsError } from '../../../core/errors.ts';
import type { BtrfsInode } from '../inode.ts';
import { extrefHash } from '../name-hash.ts';
import { Incompat } from '../structure/features.ts';
import { InodeExtref, InodeRef } from '../structure/inode.ts';
import { ItemType, Key } from '../structure/key.ts';
import { TreeCursor } from '../tree/cursor.ts';
import { fits, insertOrGrow } from './dir-edit.ts';
import { cutItem, putBytes } from './item-edit.ts';

/** Adds a name in directory `parent`. Inside mp.change(). @throws FsError EMLINK if the format has no room for it */
export function addRef(ip: BtrfsInode, parent: number, name: Uint8Array, index: number): void {
  const size = InodeRef.size + name.length;
  const key = new Key(ip.ino, ItemType.INODE_REF, parent);
  const cursor = new TreeCursor(ip.root);
  try {
    if (cursor.search(key) && !fits(ip, cursor.size + size)) {
      addExtref(ip, cursor, parent, name, index);
      return;
    }
    const offset = insertOrGrow(cursor, key, size);
    const at = cursor.at + offset;
    InodeRef.set.index(cursor.view, at, index);
    InodeRef.set.name_len(cursor.view, at, name.length);
    putBytes(cursor, offset + InodeRef.size, name);
  } finally {
    cursor.close();
  }
}

function addExtref(ip: BtrfsInode, cursor: TreeCursor, parent: number, name: Uint8Array, index: number): void {
  const key = new Key(ip.ino, ItemType.INODE_EXTREF, extrefHash(parent, name));
  const size = InodeExtref.size + name.length;
  if ((ip.mp.sb.incompat_flags & Incompat.EXTENDED_IREF) === 0n) throw new FsError('EMLINK');
  if (cursor.search(key) && !fits(ip, cursor.size + size)) throw new FsError('EMLINK');
  const offset = insertOrGrow(cursor, key, size);
  const at = cursor.at + offset;
  InodeExtref.set.parent_objectid(cursor.view, at, parent);
  InodeExtref.set.index(cursor.view, at, index);
  InodeExtref.set.name_len(cursor.view, at, name.length);
  putBytes(cursor, offset + InodeExtref.size, name);
}

/** Where a name is in the item under the cursor, from the item's start; -1: it is not. @throws FsError EUCLEAN */
function findRef(cursor: TreeCursor, extended: boolean, parent: number, name: Uint8Array): number {
  const { view, at, size } = cursor;
  const header = extended ? InodeExtref.size : InodeRef.size;
  const lengthOf = extended ? InodeExtref.get.name_len : InodeRef.get.name_len;
  for (let offset = 0; offset < size; ) {
    if (offset + header > size) throw corrupt({ structure: `item ${cursor.key}`, rule: 'ends within a name' });
    const length = lengthOf(view, at + offset);
    const end = offset + header + length;
    if (end > size) throw corrupt({ structure: `item ${cursor.key}`, field: 'name_len', rule: 'beyond the item' });
    const sameParent = !extended || InodeExtref.get.parent_objectid(view, at + offset) === parent;
    if (sameParent && sameBytes(view, at + offset + header, length, name)) return offset;
    offset = end;
  }
  return -1;
}

function sameBytes(view: DataView, at: number, length: number, name: Uint8Array): boolean {
  if (length !== name.length) return false;
  for (let i = 0; i < length; i++) if (view.getUint8(at + i) !== name[i]) return false;
  return true;
}

/** Takes a name in directory `parent` away; returns its number there. Inside mp.change(). @throws FsError EUCLEAN */
export function removeRef(ip: BtrfsInode, parent: number, name: Uint8Array): number {
  const cursor = new TreeCursor(ip.root);
  try {
    const plain = cursor.search(new Key(ip.ino, ItemType.INODE_REF, parent))
      ? findRef(cursor, false, parent, name)
      : -1;
    if (plain >= 0) {
      const index = InodeRef.get.index(cursor.view, cursor.at + plain);
      cutItem(cursor, plain, InodeRef.size + name.length);
      return index;
    }
    const key = new Key(ip.ino, ItemType.INODE_EXTREF, extrefHash(parent, name));
    const extended = cursor.search(key) ? findRef(cursor, true, parent, name) : -1;
    if (extended < 0)
      throw corrupt({ structure: `inode ${ip.ino} of tree ${ip.root.id}`, rule: `no name in directory ${parent}` });
    const index = InodeExtref.get.index(cursor.view, cursor.at + extended);
    cutItem(cursor, extended, InodeExtref.size + name.length);
    return index;
  } finally {
    cursor.close();
  }
}
