/** The names in INODE_REF and INODE_EXTREF items, which name the directories that an inode is in. */
import { corrupt } from '../../../core/errors.ts';
import { bytesAt } from '../dir-items.ts';
import { InodeExtref, InodeRef } from '../structure/inode.ts';
import { ItemType, Key } from '../structure/key.ts';
import { TreeCursor } from '../tree/cursor.ts';
import type { TreeRoot } from '../tree/root.ts';

/** One name of an inode. */
export interface InodeName {
  /** The directory that it is in. */
  readonly parent: number;
  /** Its position there. */
  readonly index: number;
  readonly name: Uint8Array;
}

/** The names in the item of `size` bytes at `at`. @throws FsError EUCLEAN */
export function refsIn(key: Key, view: DataView, at: number, size: number): InodeName[] {
  const extended = key.type === ItemType.INODE_EXTREF;
  const header = extended ? InodeExtref.size : InodeRef.size;
  const found: InodeName[] = [];
  for (let offset = at; offset < at + size; ) {
    const rest = at + size - offset;
    const length = rest < header ? -1 : (extended ? InodeExtref : InodeRef).get.name_len(view, offset);
    if (length < 0 || header + length > rest)
      throw corrupt({ structure: `item ${key}`, field: 'name_len', value: String(length), rule: 'beyond the item' });
    found.push({
      parent: extended ? InodeExtref.get.parent_objectid(view, offset) : key.offset,
      index: (extended ? InodeExtref : InodeRef).get.index(view, offset),
      name: bytesAt(view, offset + header, length).slice(),
    });
    offset += header + length;
  }
  return found;
}

/** The names in the item with this key of a tree; none if there is no such item. @throws FsError EUCLEAN */
export function refsAt(root: TreeRoot, key: Key): InodeName[] {
  const cursor = new TreeCursor(root);
  try {
    return cursor.search(key) ? refsIn(cursor.key, cursor.view, cursor.at, cursor.size) : [];
  } finally {
    cursor.close();
  }
}

/** How many names an inode has. @throws FsError EUCLEAN */
export function countRefs(root: TreeRoot, ino: number): number {
  let count = 0;
  const cursor = new TreeCursor(root);
  try {
    cursor.search(new Key(ino, ItemType.INODE_REF, 0));
    for (; cursor.valid && cursor.key.objectid === ino; cursor.next()) {
      const { key } = cursor;
      if (key.type !== ItemType.INODE_REF && key.type !== ItemType.INODE_EXTREF) break;
      count += refsIn(key, cursor.view, cursor.at, cursor.size).length;
    }
    return count;
  } finally {
    cursor.close();
  }
}
