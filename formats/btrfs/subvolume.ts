/**
 * Subvolumes as directories. An entry that names one counts only if the tree root's ROOT_REF says the same; in a
 * snapshot of the directory it does not, and neither when the subvolume is gone: an empty directory stands there then.
 * Which subvolume an image opens in: the default one, or the one asked for.
 *
 * Mirrors: fs/btrfs/inode.c (fixup_tree_root_location, new_simple_dir), super.c (get_default_subvol_objectid).
 */
import { corrupt, FsError } from '../../core/errors.ts';
import { decodeName, encodeName } from '../../core/vfs/names.ts';
import { bytesAt, findEntry } from './dir-items.ts';
import type { BtrfsInode } from './inode.ts';
import type { BtrfsMount } from './mount.ts';
import { nameHash } from './name-hash.ts';
import { DirItem } from './structure/dir.ts';
import { ItemType, Key, Objectid } from './structure/key.ts';
import { RootRef } from './structure/root.ts';
import { TreeCursor } from './tree/cursor.ts';
import type { TreeRoot } from './tree/root.ts';

/** The inode number of the root directory of every subvolume. */
export const SUBVOLUME_ROOT_INO: number = Objectid.FIRST_FREE;

/** Where a subvolume is: in which tree, which directory, by which name. */
export interface SubvolumePlace {
  readonly parent: number;
  readonly dirid: number;
  readonly name: string;
}

/** True for ids that subvolumes have: the first tree and those that users made. */
export function isSubvolumeId(id: number): boolean {
  return id === Objectid.FS_TREE || id >= Objectid.FIRST_FREE;
}

/** The tree of a subvolume, or null if there is none any more. @throws FsError EUCLEAN */
export function findSubvolume(mp: BtrfsMount, id: number): TreeRoot | null {
  if (!isSubvolumeId(id)) return null;
  try {
    const root = mp.root(id);
    return root.refs === 0 ? null : root;
  } catch (error) {
    if (error instanceof FsError && error.code === 'ENOENT') return null;
    throw error;
  }
}

/** The root directory of a subvolume. @throws FsError ENOENT, EUCLEAN */
export function subvolumeTop(mp: BtrfsMount, id: number): BtrfsInode {
  const root = findSubvolume(mp, id);
  if (root === null) throw new FsError('ENOENT', { detail: `no subvolume ${id}` });
  return mp.inodes.get(root, SUBVOLUME_ROOT_INO);
}

/** What the entry `name` of `dir` for subvolume `id` leads to. @throws FsError EUCLEAN */
export function enterSubvolume(dir: BtrfsInode, name: string, id: number): BtrfsInode {
  const place = readPlace(dir.mp, dir.root.id, ItemType.ROOT_REF, id);
  const root = place?.dirid === dir.ino && place.name === name ? findSubvolume(dir.mp, id) : null;
  return root === null ? dir.mp.inodes.placeholder(dir) : dir.mp.inodes.get(root, SUBVOLUME_ROOT_INO);
}

/** Where a subvolume is, or null for the first one and those that have no name. @throws FsError EUCLEAN */
export function placeOf(mp: BtrfsMount, id: number): SubvolumePlace | null {
  const cursor = new TreeCursor(mp.treeRoot);
  let parent: number;
  try {
    cursor.search(new Key(id, ItemType.ROOT_BACKREF, 0));
    if (!cursor.valid || cursor.key.objectid !== id || cursor.key.type !== ItemType.ROOT_BACKREF) return null;
    parent = cursor.key.offset;
  } finally {
    cursor.close();
  }
  return readPlace(mp, id, ItemType.ROOT_BACKREF, parent);
}

function readPlace(mp: BtrfsMount, objectid: number, type: number, offset: number): SubvolumePlace | null {
  const cursor = new TreeCursor(mp.treeRoot);
  try {
    if (!cursor.search(new Key(objectid, type, offset))) return null;
    const { view, at, size } = cursor;
    const length = size < RootRef.size ? -1 : RootRef.get.name_len(view, at);
    if (length < 0 || RootRef.size + length > size)
      throw corrupt({
        structure: `item ${cursor.key}`,
        field: 'name_len',
        value: String(length),
        rule: 'beyond the item',
      });
    const parent = type === ItemType.ROOT_REF ? objectid : offset;
    const name = decodeName(bytesAt(view, at + RootRef.size, length));
    return { parent, dirid: RootRef.get.dirid(view, at), name };
  } finally {
    cursor.close();
  }
}

/** The directory that the root directory of a subvolume is in; itself where there is none. @throws FsError EUCLEAN */
export function subvolumeParent(top: BtrfsInode): BtrfsInode {
  const place = placeOf(top.mp, top.root.id);
  const root = place === null ? null : findSubvolume(top.mp, place.parent);
  return place === null || root === null ? top : top.mp.inodes.get(root, place.dirid);
}

/** The id of the subvolume that Linux mounts unless told otherwise. @throws FsError EUCLEAN */
export function defaultSubvolume(mp: BtrfsMount): number {
  const name = encodeName('default');
  const cursor = new TreeCursor(mp.treeRoot);
  try {
    if (!cursor.search(new Key(mp.sb.root_dir_objectid, ItemType.DIR_ITEM, nameHash(name)))) return Objectid.FS_TREE;
    const entry = findEntry(cursor, name);
    if (entry === null) return Objectid.FS_TREE;
    return new Key().read(cursor.view, entry.at + DirItem.at.location).objectid;
  } finally {
    cursor.close();
  }
}

/**
 * The id of the subvolume that a user means: an id, or a path from the top of the first subvolume. A number is an id
 * (as a path it would be `./5`). @throws FsError ENOENT, ENOTDIR, EINVAL if it is no subvolume
 */
export function subvolumeNamed(mp: BtrfsMount, wanted: string): number {
  if (/^\d+$/.test(wanted)) {
    const id = Number(wanted) || Objectid.FS_TREE;
    if (findSubvolume(mp, id) === null) throw new FsError('ENOENT', { detail: `no subvolume has the id ${wanted}` });
    return id;
  }
  let here = subvolumeTop(mp, Objectid.FS_TREE);
  for (const name of wanted.split('/')) {
    if (name === '' || name === '.') continue;
    const next = here.child(name) as BtrfsInode | null;
    if (next === null) throw new FsError('ENOENT', { path: wanted });
    here = next;
  }
  if (here.ino !== SUBVOLUME_ROOT_INO) throw new FsError('EINVAL', { path: wanted, detail: 'not a subvolume' });
  return here.root.id;
}
