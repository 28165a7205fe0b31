/**
 * The name of a subvolume: an entry in a directory whose location is the subvolume's ROOT_ITEM, and in the root tree a
 * ROOT_BACKREF of the subvolume and a ROOT_REF of the one that holds the directory (kernel: root-tree.c,
 * btrfs_unlink_subvol).
 */
import { corrupt } from '../../../core/errors.ts';
import { decodeName } from '../../../core/vfs/names.ts';
import { dirLookup } from '../dir.ts';
import type { BtrfsInode } from '../inode.ts';
import { addEntry, indexOfName, removeEntry } from '../names/dir-edit.ts';
import { putBytes } from '../names/item-edit.ts';
import { FileType } from '../structure/dir.ts';
import { ItemType, Key, Objectid } from '../structure/key.ts';
import { RootRef } from '../structure/root.ts';
import { TreeCursor } from '../tree/cursor.ts';
import type { TreeRoot } from '../tree/root.ts';

/** True for the root directory of a subvolume. */
export function isSubvolumeTop(ip: BtrfsInode): boolean {
  return ip.ino === Objectid.FIRST_FREE;
}

/** True for what stands behind an entry that names a subvolume: its root directory, or a placeholder. */
export function isSubvolumeEntry(ip: BtrfsInode): boolean {
  return isSubvolumeTop(ip) || ip.ino === Objectid.EMPTY_SUBVOL_DIR;
}

/** The two items that say where subvolume `id` is, the one that is looked for first. */
function refKeys(id: number, parent: number): readonly Key[] {
  return [new Key(id, ItemType.ROOT_BACKREF, parent), new Key(parent, ItemType.ROOT_REF, id)];
}

/**
 * Names subvolume `root` in `dir`, under a number from takeIndex(). `offset` is that of the entry's location: the
 * ROOT_ITEM's own, or -1 for any, which is what Linux writes for a new snapshot. Inside mp.change().
 */
export function addSubvolumeName(
  dir: BtrfsInode,
  name: Uint8Array,
  root: TreeRoot,
  index: number,
  offset: number = root.keyOffset,
): void {
  const cursor = new TreeCursor(dir.mp.treeRoot);
  try {
    for (const key of refKeys(root.id, dir.root.id)) {
      cursor.insert(key, RootRef.size + name.length);
      RootRef.set.dirid(cursor.view, cursor.at, dir.ino);
      RootRef.set.sequence(cursor.view, cursor.at, index);
      RootRef.set.name_len(cursor.view, cursor.at, name.length);
      putBytes(cursor, RootRef.size, name);
    }
  } finally {
    cursor.close();
  }
  addEntry(dir, name, new Key(root.id, ItemType.ROOT_ITEM, offset), FileType.DIR, index);
}

/** Takes the name of a subvolume, or of a placeholder, out of `dir`. Inside mp.change(). @throws FsError EUCLEAN */
export function dropSubvolumeName(dir: BtrfsInode, name: Uint8Array, ip: BtrfsInode): void {
  if (!isSubvolumeTop(ip)) {
    removeEntry(dir, name, indexOfName(dir, name));
    return;
  }
  const { id } = ip.root;
  const location = dirLookup(dir, decodeName(name));
  if (location?.type !== ItemType.ROOT_ITEM || location.objectid !== id)
    throw corrupt({ structure: `directory ${dir.ino} of tree ${dir.root.id}`, rule: `no entry for subvolume ${id}` });
  removeEntry(dir, name, dropRefs(dir, id));
}

function dropRefs(dir: BtrfsInode, id: number): number {
  const cursor = new TreeCursor(dir.mp.treeRoot);
  let index = 0;
  try {
    for (const key of refKeys(id, dir.root.id)) {
      if (!cursor.search(key) || RootRef.get.dirid(cursor.view, cursor.at) !== dir.ino)
        throw corrupt({ structure: `item ${key} of the root tree`, rule: `not for directory ${dir.ino}` });
      index = RootRef.get.sequence(cursor.view, cursor.at);
      cursor.delete();
    }
    return index;
  } finally {
    cursor.close();
  }
}
