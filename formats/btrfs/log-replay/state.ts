/** What a replay of one log tree carries along, and how it looks into the log. */
import { FsError } from '../../../core/errors.ts';
import { findEntry } from '../dir-items.ts';
import type { BtrfsInode } from '../inode.ts';
import type { BtrfsMount } from '../mount.ts';
import { nameHash } from '../name-hash.ts';
import { ItemType, Key } from '../structure/key.ts';
import { TreeCursor } from '../tree/cursor.ts';
import type { TreeRoot } from '../tree/root.ts';
import { refsIn } from './refs.ts';

export class Replay {
  readonly mp: BtrfsMount;
  /** The subvolume's tree. */
  readonly root: TreeRoot;
  readonly log: TreeRoot;
  /** Inodes whose links are counted in the end. */
  readonly touched = new Set<number>();
  /** Data extents that nobody refers to yet; shared by all replays of an image. */
  readonly fresh: Set<number>;

  constructor(mp: BtrfsMount, root: TreeRoot, log: TreeRoot, fresh: Set<number>) {
    this.mp = mp;
    this.fresh = fresh;
    this.root = root;
    this.log = log;
  }

  /** An inode of the subvolume. @throws FsError ENOENT, EUCLEAN */
  inode(ino: number): BtrfsInode {
    return this.mp.inodes.get(this.root, ino);
  }

  /** An inode of the subvolume, or null if there is none. @throws FsError EUCLEAN */
  find(ino: number): BtrfsInode | null {
    try {
      return this.inode(ino);
    } catch (error) {
      if (error instanceof FsError && error.code === 'ENOENT') return null;
      throw error;
    }
  }

  /** True if the log has this name at this position of a directory. */
  logHasEntry(dirid: number, position: number, name: Uint8Array): boolean {
    return this.logLooks(new Key(dirid, ItemType.DIR_INDEX, position), (cursor) => findEntry(cursor, name) !== null);
  }

  /** True if the log has this attribute (full name) of an inode. */
  logHasXattr(ino: number, name: Uint8Array): boolean {
    const key = new Key(ino, ItemType.XATTR_ITEM, nameHash(name));
    return this.logLooks(key, (cursor) => findEntry(cursor, name) !== null);
  }

  /** True if the log's item of references `key` has this name in directory `parent`. */
  logHasRef(key: Key, parent: number, name: Uint8Array): boolean {
    return this.logLooks(key, (cursor) => {
      for (const ref of refsIn(cursor.key, cursor.view, cursor.at, cursor.size))
        if (ref.parent === parent && Buffer.compare(ref.name, name) === 0) return true;
      return false;
    });
  }

  private logLooks(key: Key, look: (cursor: TreeCursor) => boolean): boolean {
    const cursor = new TreeCursor(this.log);
    try {
      return cursor.search(key) && look(cursor);
    } finally {
      cursor.close();
    }
  }
}
