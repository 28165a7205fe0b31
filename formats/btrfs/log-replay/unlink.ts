/** Takes names away, and adds them, as a replay does: link counts come last, and times are the log's. */

import { fileTypeOf } from '../dir.ts';
import type { BtrfsInode } from '../inode.ts';
import { updateInode } from '../inode-write.ts';
import { addEntry, removeEntry, stamp } from '../names/dir-edit.ts';
import { addRef, removeRef } from '../names/inode-refs.ts';
import { InodeItem } from '../structure/inode.ts';
import { ItemType, Key } from '../structure/key.ts';

/** Takes the name of `ip` out of a directory: entry and reference. @throws FsError EUCLEAN if one of them is not there */
export function unlinkName(dir: BtrfsInode, ip: BtrfsInode, name: Uint8Array): void {
  const index = removeRef(ip, dir.ino, name);
  keepingTimes(dir, () => removeEntry(dir, name, index));
  stamp(ip, 'ctime');
}

/** Enters a name for `ip` at a position of a directory, with a reference if asked. */
export function linkName(dir: BtrfsInode, ip: BtrfsInode, name: Uint8Array, index: number, withRef: boolean): void {
  if (withRef) addRef(ip, dir.ino, name, index);
  const location = new Key(ip.ino, ItemType.INODE_ITEM, 0);
  keepingTimes(dir, () => addEntry(dir, name, location, fileTypeOf(ip.kind), index));
}

/** A directory's times are those of the fsync, or of the last commit; Linux leaves them alone here. */
function keepingTimes(dir: BtrfsInode, change: () => void): void {
  const { get, set } = InodeItem;
  const [mtime, ctime] = [get.mtime(dir.item, 0), get.ctime(dir.item, 0)];
  change();
  updateInode(dir, (view) => {
    set.mtime(view, 0, mtime);
    set.ctime(view, 0, ctime);
  });
}
