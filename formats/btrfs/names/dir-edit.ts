/**
 * Directory entries: each name is in a DIR_ITEM, found by its hash and shared by names of the same hash, and in a
 * DIR_INDEX of its own, numbered in the order in which names came. A directory's size is twice the bytes of its names.
 *
 * Mirrors: fs/btrfs/dir-item.c, fs/btrfs/inode.c (btrfs_add_link, btrfs_set_inode_index).
 */
import { corrupt, type FsError } from '../../../core/errors.ts';
import { findEntry } from '../dir-items.ts';
import type { BtrfsInode } from '../inode.ts';
import { setTimes, updateInode } from '../inode-write.ts';
import { nameHash } from '../name-hash.ts';
import { ITEM_SIZE, leafDataSize } from '../structure/block.ts';
import { DirItem } from '../structure/dir.ts';
import { InodeItem } from '../structure/inode.ts';
import { ItemType, Key } from '../structure/key.ts';
import { TreeCursor } from '../tree/cursor.ts';
import { cutItem, growItem, putBytes } from './item-edit.ts';

/** Numbers of the first name in a directory; 0 and 1 are `.` and `..`. */
const FIRST_INDEX = 2;

const key = new Key();

/** Whether a directory has a name; `full`: it has not, and no further name of this hash fits. */
export function findName(dir: BtrfsInode, name: Uint8Array): 'there' | 'absent' | 'full' {
  const cursor = new TreeCursor(dir.root);
  try {
    if (!cursor.search(key.set(dir.ino, ItemType.DIR_ITEM, nameHash(name)))) return 'absent';
    if (findEntry(cursor, name) !== null) return 'there';
    return fits(dir, cursor.size + DirItem.size + name.length) ? 'absent' : 'full';
  } finally {
    cursor.close();
  }
}

/** True if an item that was there may grow to `size` bytes. */
export function fits(ip: BtrfsInode, size: number): boolean {
  return size + ITEM_SIZE <= leafDataSize(ip.mp.nodeSize);
}

/** What the next name of each directory is numbered; a directory that is not here is asked for its last name. */
const nextIndexes = new WeakMap<BtrfsInode, number>();

/** The number for the next name of a directory. */
export function takeIndex(dir: BtrfsInode): number {
  const index = nextIndexes.get(dir) ?? lastIndex(dir) + 1;
  nextIndexes.set(dir, index + 1);
  return index;
}

function lastIndex(dir: BtrfsInode): number {
  const cursor = new TreeCursor(dir.root);
  try {
    cursor.searchBack(key.set(dir.ino, ItemType.DIR_INDEX, -1));
    const own = cursor.valid && cursor.key.type === ItemType.DIR_INDEX && cursor.key.objectid === dir.ino;
    return own ? cursor.key.offset : FIRST_INDEX - 1;
  } finally {
    cursor.close();
  }
}

/** Enters a name that leads to `location`, of a FileType, under a number from takeIndex(). Inside mp.change(). */
export function addEntry(dir: BtrfsInode, name: Uint8Array, location: Key, type: number, index: number): void {
  const size = DirItem.size + name.length;
  const cursor = new TreeCursor(dir.root);
  try {
    const at = insertOrGrow(cursor, new Key(dir.ino, ItemType.DIR_ITEM, nameHash(name)), size);
    fillEntry(dir, cursor, at, name, location, type);
    cursor.insert(new Key(dir.ino, ItemType.DIR_INDEX, index), size);
    fillEntry(dir, cursor, 0, name, location, type);
  } finally {
    cursor.close();
  }
  changeSize(dir, 2 * name.length);
}

/** Makes room of `size` bytes in the item `wanted`, new or not; returns where it begins, from the item's start. */
export function insertOrGrow(cursor: TreeCursor, wanted: Key, size: number): number {
  if (cursor.search(wanted)) return growItem(cursor, size);
  cursor.insert(wanted, size);
  return 0;
}

function fillEntry(
  dir: BtrfsInode,
  cursor: TreeCursor,
  offset: number,
  name: Uint8Array,
  location: Key,
  type: number,
): void {
  const { view } = cursor;
  const at = cursor.at + offset;
  DirItem.set.location(view, at, location);
  DirItem.set.transid(view, at, dir.mp.trans.id);
  DirItem.set.data_len(view, at, 0);
  DirItem.set.name_len(view, at, name.length);
  DirItem.set.type(view, at, type);
  putBytes(cursor, offset + DirItem.size, name);
}

/** Takes a name out of a directory. Inside mp.change(). @throws FsError EUCLEAN if it is not there twice */
export function removeEntry(dir: BtrfsInode, name: Uint8Array, index: number): void {
  const cursor = new TreeCursor(dir.root);
  try {
    for (const [type, offset] of [
      [ItemType.DIR_ITEM, nameHash(name)],
      [ItemType.DIR_INDEX, index],
    ] as const) {
      const entry = cursor.search(key.set(dir.ino, type, offset)) ? findEntry(cursor, name) : null;
      if (entry === null) throw missing(dir, type, offset);
      cutItem(cursor, entry.at - cursor.at, entry.dataAt + entry.dataLength - entry.at);
    }
  } finally {
    cursor.close();
  }
  changeSize(dir, -2 * name.length);
}

function missing(dir: BtrfsInode, type: number, offset: number): FsError {
  const structure = `item ${new Key(dir.ino, type, offset)} of tree ${dir.root.id}`;
  return corrupt({ structure, rule: 'the name is not there' });
}

/** The number of a name that leads to no inode, which would know it. @throws FsError EUCLEAN */
export function indexOfName(dir: BtrfsInode, name: Uint8Array): number {
  const cursor = new TreeCursor(dir.root);
  try {
    cursor.search(key.set(dir.ino, ItemType.DIR_INDEX, 0));
    for (; cursor.valid; cursor.next()) {
      if (cursor.key.type !== ItemType.DIR_INDEX || cursor.key.objectid !== dir.ino) break;
      if (findEntry(cursor, name) !== null) return cursor.key.offset;
    }
  } finally {
    cursor.close();
  }
  throw missing(dir, ItemType.DIR_INDEX, 0);
}

/** The directory has more or fewer names now, and says when. */
function changeSize(dir: BtrfsInode, bytes: number): void {
  const now = dir.mp.now();
  updateInode(dir, (view) => {
    InodeItem.set.size(view, 0, Math.max(0, InodeItem.get.size(view, 0) + bytes));
    InodeItem.set.sequence(view, 0, InodeItem.get.sequence(view, 0) + 1);
    setTimes(view, now, 'mtime', 'ctime');
  });
}

/** Something about the inode changed: its version grows, and ctime (and more) become now. Inside mp.change(). */
export function stamp(ip: BtrfsInode, ...times: readonly ('atime' | 'ctime' | 'mtime')[]): void {
  const now = ip.mp.now();
  updateInode(ip, (view) => {
    InodeItem.set.sequence(view, 0, InodeItem.get.sequence(view, 0) + 1);
    setTimes(view, now, ...times);
  });
}

/** Adds to the number of names, and stamps ctime. Returns the new number. Inside mp.change(). */
export function addLinks(ip: BtrfsInode, count: number): number {
  const now = ip.mp.now();
  let links = 0;
  updateInode(ip, (view) => {
    links = Math.max(0, InodeItem.get.nlink(view, 0) + count);
    InodeItem.set.nlink(view, 0, links);
    InodeItem.set.sequence(view, 0, InodeItem.get.sequence(view, 0) + 1);
    setTimes(view, now, 'ctime');
  });
  return links;
}
