/**
 * Free-space caches of version 1: files of the root tree, one a group, with a group's free space as it was. They are
 * neither read nor written here, so the first commit says of each that it is out of date, as Linux does before it
 * rewrites one: its inode gets generation 0 (kernel: cache_save_setup).
 *
 *     (FREE_SPACE, 0, group)  btrfs_free_space_header, which begins with the key of the cache's inode
 */
import { corrupt } from '../../../core/errors.ts';
import type { BtrfsMount } from '../mount.ts';
import { FreeSpaceHeader } from '../structure/file-extent.ts';
import { InodeItem } from '../structure/inode.ts';
import { Key, Objectid } from '../structure/key.ts';
import { TreeCursor } from '../tree/cursor.ts';

/** Marks every cache out of date. @returns how many there are @throws FsError EUCLEAN */
export function invalidateCaches(mp: BtrfsMount): number {
  const inodes = cacheInodes(mp);
  const cursor = new TreeCursor(mp.treeRoot);
  try {
    for (const key of inodes) {
      if (!cursor.search(key)) throw corrupt({ structure: `free-space cache ${key}`, rule: 'its inode is missing' });
      if (InodeItem.get.generation(cursor.view, cursor.at) === 0) continue;
      cursor.edit();
      InodeItem.set.generation(cursor.view, cursor.at, 0);
    }
  } finally {
    cursor.close();
  }
  return inodes.length;
}

function cacheInodes(mp: BtrfsMount): Key[] {
  const keys: Key[] = [];
  const cursor = new TreeCursor(mp.treeRoot);
  try {
    cursor.search(new Key(Objectid.FREE_SPACE, 0, 0));
    for (; cursor.valid && cursor.key.objectid === Objectid.FREE_SPACE; cursor.next()) {
      if (cursor.size < FreeSpaceHeader.size) throw corrupt({ structure: 'free-space cache', rule: 'too short' });
      keys.push(new Key().read(cursor.view, cursor.at + FreeSpaceHeader.at.location));
    }
  } finally {
    cursor.close();
  }
  return keys;
}
