/**
 * Orphans: ORPHAN_ITEMs of a subvolume's tree name inodes without links, which go as soon as nobody uses them, or when
 * the image is next opened for writing (kernel: fs/btrfs/orphan.c).
 */
import type { BtrfsInode } from '../inode.ts';
import type { BtrfsMount } from '../mount.ts';
import { ItemType, Key, Objectid } from '../structure/key.ts';
import { TreeCursor } from '../tree/cursor.ts';
import type { TreeRoot } from '../tree/root.ts';

/** Orphans of this session, by mount: each waits for its last user. */
const waiting = new WeakMap<BtrfsMount, Set<BtrfsInode>>();

/** Inodes made without a name: only these may get one although they have none. */
const linkable = new WeakSet<BtrfsInode>();

function waitingOf(mp: BtrfsMount): Set<BtrfsInode> {
  let set = waiting.get(mp);
  if (set === undefined) {
    set = new Set();
    waiting.set(mp, set);
  }
  return set;
}

/** The orphans of this session. */
export function orphansOf(mp: BtrfsMount): BtrfsInode[] {
  return [...waitingOf(mp)];
}

/** True for an inode without links that waits for its last user. */
export function isOrphan(ip: BtrfsInode): boolean {
  return waitingOf(ip.mp).has(ip);
}

/** May the inode, which has no name, get one? */
export function isLinkable(ip: BtrfsInode): boolean {
  return linkable.has(ip);
}

export function markLinkable(ip: BtrfsInode): void {
  linkable.add(ip);
}

/** The inode has no name any more: the tree remembers it. Inside mp.change(). */
export function addOrphan(ip: BtrfsInode): void {
  insertOrphanItem(ip.root, ip.ino);
  const set = waitingOf(ip.mp);
  set.add(ip);
  ip.mp.trans.onUndo(() => set.delete(ip));
}

/** The inode has a name again, or is gone. Inside mp.change(). */
export function dropOrphan(ip: BtrfsInode): void {
  deleteOrphanItem(ip.root, ip.ino);
  const set = waitingOf(ip.mp);
  const had = set.delete(ip);
  ip.mp.trans.onUndo(() => had && set.add(ip));
}

/** Writes the ORPHAN_ITEM for `number`: an inode of a subvolume's tree, a dead subvolume in the root tree. */
export function insertOrphanItem(root: TreeRoot, number: number): void {
  const key = new Key(Objectid.ORPHAN, ItemType.ORPHAN_ITEM, number);
  const cursor = new TreeCursor(root);
  try {
    if (!cursor.search(key)) cursor.insert(key, 0);
  } finally {
    cursor.close();
  }
}

/** Deletes the ORPHAN_ITEM for `number` if there is one. */
export function deleteOrphanItem(root: TreeRoot, number: number): void {
  const cursor = new TreeCursor(root);
  try {
    if (cursor.search(new Key(Objectid.ORPHAN, ItemType.ORPHAN_ITEM, number))) cursor.delete();
  } finally {
    cursor.close();
  }
}

/** The numbers that a tree's ORPHAN_ITEMs name. */
export function orphanNumbers(root: TreeRoot): number[] {
  const numbers: number[] = [];
  const cursor = new TreeCursor(root);
  try {
    cursor.search(new Key(Objectid.ORPHAN, ItemType.ORPHAN_ITEM, 0));
    for (; cursor.valid; cursor.next()) {
      if (cursor.key.type !== ItemType.ORPHAN_ITEM || cursor.key.objectid !== Objectid.ORPHAN) break;
      numbers.push(cursor.key.offset);
    }
    return numbers;
  } finally {
    cursor.close();
  }
}
