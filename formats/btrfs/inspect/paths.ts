/** From numbers to names: the names of an inode, the path of a directory, of a subvolume. */
import { corrupt } from '../../../core/errors.ts';
import { decodeName } from '../../../core/vfs/names.ts';
import { bytesAt } from '../dir-items.ts';
import type { BtrfsMount } from '../mount.ts';
import { InodeExtref, InodeRef } from '../structure/inode.ts';
import { ItemType, Key, Objectid } from '../structure/key.ts';
import { findSubvolume, placeOf } from '../subvolume.ts';
import { TreeCursor } from '../tree/cursor.ts';
import type { TreeRoot } from '../tree/root.ts';

/** Directories on the way up, and subvolumes: no path is longer. */
const MAX_DEPTH = 100_000;

/** One name of an inode. */
export interface InodeName {
  /** The directory's inode number. */
  readonly parent: number;
  readonly name: string;
}

/** All names of an inode, as it keeps them itself. @throws FsError EUCLEAN */
export function namesOf(root: TreeRoot, ino: number): InodeName[] {
  const names: InodeName[] = [];
  const cursor = new TreeCursor(root);
  try {
    cursor.search(new Key(ino, ItemType.INODE_REF, 0));
    for (; cursor.valid && cursor.key.objectid === ino; cursor.next()) {
      if (cursor.key.type === ItemType.INODE_REF) addNames(cursor, false, names);
      else if (cursor.key.type === ItemType.INODE_EXTREF) addNames(cursor, true, names);
      else break;
    }
    return names;
  } finally {
    cursor.close();
  }
}

function addNames({ view, at, size, key }: TreeCursor, extended: boolean, into: InodeName[]): void {
  const header = extended ? InodeExtref.size : InodeRef.size;
  for (let cur = at; cur + header <= at + size; ) {
    const length = extended ? InodeExtref.get.name_len(view, cur) : InodeRef.get.name_len(view, cur);
    if (cur + header + length > at + size) throw corrupt({ structure: `item ${key}`, rule: 'a name beyond its end' });
    const parent = extended ? InodeExtref.get.parent_objectid(view, cur) : key.offset;
    into.push({ parent, name: decodeName(bytesAt(view, cur + header, length)) });
    cur += header + length;
  }
}

/** The path of a directory from the top of its tree: '' for the top, else `a/b`. @throws FsError EUCLEAN */
export function directoryPath(root: TreeRoot, ino: number): string {
  const parts: string[] = [];
  for (let at = ino; at !== Objectid.FIRST_FREE; ) {
    const [name] = namesOf(root, at);
    if (name === undefined || parts.length > MAX_DEPTH)
      throw corrupt({ structure: `directory ${ino} of tree ${root.id}`, rule: 'no path leads to it' });
    parts.unshift(name.name);
    at = name.parent;
  }
  return parts.join('/');
}

/** The paths of an inode from the top of its tree. @throws FsError EUCLEAN */
export function inodePaths(root: TreeRoot, ino: number): string[] {
  if (ino === Objectid.FIRST_FREE) return [''];
  return namesOf(root, ino).map(({ parent, name }) => joined(directoryPath(root, parent), name));
}

const joined = (path: string, name: string): string => (path === '' ? name : `${path}/${name}`);

/**
 * The path of a subvolume from the top of the first one: '' for that, null if none leads to it.
 * @throws FsError EUCLEAN
 */
export function subvolumePath(mp: BtrfsMount, id: number): string | null {
  let path = '';
  for (let at = id, depth = 0; at !== Objectid.FS_TREE; depth++) {
    const place = placeOf(mp, at);
    const parent = place === null ? null : findSubvolume(mp, place.parent);
    if (place === null || parent === null || depth > MAX_DEPTH) return null;
    const here = joined(directoryPath(parent, place.dirid), place.name);
    path = path === '' ? here : `${here}/${path}`;
    at = place.parent;
  }
  return path;
}
