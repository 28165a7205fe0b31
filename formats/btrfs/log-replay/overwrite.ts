/**
 * Puts an item of the log in the place of the subvolume's. An inode's byte count stays as it is: the extents that are
 * replayed change it. So does a directory's size, which entries change. An inode that was logged with generation 0 was
 * only logged to exist: if it does, nothing but a file's size is taken from it.
 *
 * Mirrors: fs/btrfs/tree-log.c (overwrite_item).
 */
import { kindOfMode } from '../../../core/vfs/file-kind.ts';
import { bytesAt } from '../dir-items.ts';
import { InodeItem } from '../structure/inode.ts';
import { ItemType } from '../structure/key.ts';
import { TreeCursor } from '../tree/cursor.ts';
import type { LogItem } from './replay.ts';
import type { Replay } from './state.ts';

const { get, set } = InodeItem;

/** @throws FsError EUCLEAN, ENOSPC */
export function overwriteItem(replay: Replay, item: LogItem): void {
  const isInode = item.key.type === ItemType.INODE_ITEM;
  const bytes = item.bytes.slice();
  const source = new DataView(bytes.buffer);
  const cursor = new TreeCursor(replay.root);
  try {
    const there = cursor.search(item.key);
    if (
      there &&
      cursor.size === bytes.length &&
      Buffer.compare(bytesAt(cursor.view, cursor.at, cursor.size), bytes) === 0
    )
      return;
    if (isInode) keepCounts(source, there ? cursor : null);
    if (!there) cursor.insert(item.key, bytes.length);
    else if (cursor.size !== bytes.length) cursor.resize(bytes.length);
    else cursor.edit();
    if (there && isInode && get.generation(source, 0) === 0) {
      takeSize(source, cursor);
      return;
    }
    if (isInode && get.generation(source, 0) === 0) set.generation(source, 0, replay.mp.trans.id);
    bytesAt(cursor.view, cursor.at, bytes.length).set(bytes);
  } finally {
    cursor.close();
    if (isInode) replay.mp.inodes.undone();
  }
}

/** What replaying extents and entries will change starts from what the subvolume has, or from nothing. */
function keepCounts(source: DataView, cursor: TreeCursor | null): void {
  const isDir = kindOfMode(get.mode(source, 0)) === 'dir';
  if (cursor === null || cursor.size !== InodeItem.size) {
    set.nbytes(source, 0, 0);
    if (isDir) set.size(source, 0, 0);
    return;
  }
  set.nbytes(source, 0, get.nbytes(cursor.view, cursor.at));
  if (!isDir) return;
  const wasDir = kindOfMode(get.mode(cursor.view, cursor.at)) === 'dir';
  set.size(source, 0, wasDir ? get.size(cursor.view, cursor.at) : 0);
}

/** A file that was logged to exist, with a size: an append that is known, its data are not. */
function takeSize(source: DataView, cursor: TreeCursor): void {
  const size = get.size(source, 0);
  const files = [get.mode(source, 0), get.mode(cursor.view, cursor.at)].every((mode) => kindOfMode(mode) === 'file');
  if (files && size !== 0) set.size(cursor.view, cursor.at, size);
}
