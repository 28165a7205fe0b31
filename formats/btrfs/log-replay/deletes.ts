/**
 * What the log says is gone. Attributes: a logged inode has all of them in the log. Directory entries: the log names
 * ranges of positions of which it has every entry; one of the subvolume's in such a range that is not in the log was
 * removed before the fsync.
 *
 * Mirrors: fs/btrfs/tree-log.c (replay_xattr_deletes, replay_dir_deletes, find_dir_range, check_item_in_log).
 */
import { corrupt } from '../../../core/errors.ts';
import { decodeName } from '../../../core/vfs/names.ts';
import { bytesAt, namedEntries } from '../dir-items.ts';
import type { BtrfsInode } from '../inode.ts';
import { dropXattr } from '../names/xattr-edit.ts';
import { DirItem } from '../structure/dir.ts';
import { DirLogItem } from '../structure/inode.ts';
import { ItemType, Key } from '../structure/key.ts';
import { TreeCursor } from '../tree/cursor.ts';
import type { Replay } from './state.ts';
import { unlinkName } from './unlink.ts';

/** Removes the attributes of an inode that the log does not have. @throws FsError EUCLEAN */
export function replayDeletedXattrs(replay: Replay, ino: number): void {
  const names: Uint8Array[] = [];
  const cursor = new TreeCursor(replay.root);
  try {
    cursor.search(new Key(ino, ItemType.XATTR_ITEM, 0));
    for (; cursor.valid; cursor.next()) {
      if (cursor.key.type !== ItemType.XATTR_ITEM || cursor.key.objectid !== ino) break;
      for (const { nameAt, nameLength } of namedEntries(cursor))
        names.push(bytesAt(cursor.view, nameAt, nameLength).slice());
    }
  } finally {
    cursor.close();
  }
  const gone = names.filter((name) => !replay.logHasXattr(ino, name));
  if (gone.length > 0) for (const name of gone) dropXattr(replay.inode(ino), decodeName(name));
}

/** Removes the entries of a directory that the log does not have though it would; all of them with `everything`. @throws FsError */
export function replayDeletedEntries(replay: Replay, dirid: number, everything: boolean): void {
  // Deletions come before inodes: the directory may be known to the log alone.
  const dir = replay.find(dirid);
  if (dir === null) return;
  const ranges = everything ? [[0, Number.POSITIVE_INFINITY] as const] : loggedRanges(replay, dirid);
  for (const [start, end] of ranges) {
    for (let entry = entryFrom(dir, start); entry !== null && entry.position <= end; ) {
      const { position, name, ino } = entry;
      if (everything || !replay.logHasEntry(dirid, position, name)) removeEntry(replay, dir, ino, name);
      entry = entryFrom(dir, position + 1);
    }
  }
}

function removeEntry(replay: Replay, dir: BtrfsInode, ino: number | null, name: Uint8Array): void {
  // A subvolume that went away was committed at once: its entry is not the log's business.
  if (ino === null) return;
  replay.touched.add(ino);
  unlinkName(dir, replay.inode(ino), name);
}

/** The ranges of positions, first and last included, of which the log has every entry of a directory; in order. */
function loggedRanges(replay: Replay, dirid: number): (readonly [number, number])[] {
  const found: (readonly [number, number])[] = [];
  const cursor = new TreeCursor(replay.log);
  try {
    cursor.search(new Key(dirid, ItemType.DIR_LOG_INDEX, 0));
    for (; cursor.valid; cursor.next()) {
      const { key, view, at, size } = cursor;
      if (key.type !== ItemType.DIR_LOG_INDEX || key.objectid !== dirid) break;
      if (size < DirLogItem.size)
        throw corrupt({
          structure: `log item ${key}`,
          field: 'size',
          value: String(size),
          rule: `< ${DirLogItem.size}`,
        });
      const end = DirLogItem.get.end(view, at);
      found.push([key.offset, end < 0 ? Number.POSITIVE_INFINITY : end]);
    }
    return found;
  } finally {
    cursor.close();
  }
}

interface Entry {
  readonly position: number;
  readonly name: Uint8Array;
  /** Null for a subvolume. */
  readonly ino: number | null;
}

const location = new Key();

/** The first entry of a directory at or after a position. */
function entryFrom(dir: BtrfsInode, position: number): Entry | null {
  const cursor = new TreeCursor(dir.root);
  try {
    cursor.search(new Key(dir.ino, ItemType.DIR_INDEX, position));
    if (!cursor.valid || cursor.key.type !== ItemType.DIR_INDEX || cursor.key.objectid !== dir.ino) return null;
    const found = cursor.key.offset;
    if (found < 0) return null;
    for (const { at, nameAt, nameLength } of namedEntries(cursor)) {
      location.read(cursor.view, at + DirItem.at.location);
      const ino = location.type === ItemType.INODE_ITEM ? location.objectid : null;
      return { position: found, name: bytesAt(cursor.view, nameAt, nameLength).slice(), ino };
    }
    return null;
  } finally {
    cursor.close();
  }
}
