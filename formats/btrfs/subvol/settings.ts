/** What can be set of subvolumes: which one is opened by default, and whether one is read-only (kernel: ioctl.c). */
import { FsError } from '../../../core/errors.ts';
import { encodeName } from '../../../core/vfs/names.ts';
import { findEntry } from '../dir-items.ts';
import { setIncompat } from '../incompat.ts';
import type { BtrfsMount } from '../mount.ts';
import { nameHash } from '../name-hash.ts';
import { DirItem } from '../structure/dir.ts';
import { Incompat } from '../structure/features.ts';
import { InodeFlag, InodeItem } from '../structure/inode.ts';
import { ItemType, Key } from '../structure/key.ts';
import { ROOT_SUBVOL_RDONLY } from '../structure/root.ts';
import { findSubvolume } from '../subvolume.ts';
import { removeUuid } from '../trans/uuid-tree.ts';
import { TreeCursor } from '../tree/cursor.ts';
import type { TreeRoot } from '../tree/root.ts';

const NEVER = { sec: 0, nsec: 0 };

/** Linux opens subvolume `id` from now on, unless told otherwise. @throws FsError ENOENT, EROFS, EUCLEAN */
export function setDefaultSubvolume(mp: BtrfsMount, id: number): void {
  const root = findSubvolume(mp, id);
  if (root === null) throw new FsError('ENOENT', { detail: `no subvolume ${id}` });
  const name = encodeName('default');
  mp.change('set default', 2, () => {
    const cursor = new TreeCursor(mp.treeRoot);
    try {
      const found = cursor.search(new Key(mp.sb.root_dir_objectid, ItemType.DIR_ITEM, nameHash(name)));
      if (!found) throw new FsError('ENOENT', { detail: 'the root tree names no default subvolume' });
      cursor.edit();
      const entry = findEntry(cursor, name);
      if (entry === null) throw new FsError('ENOENT', { detail: 'the root tree names no default subvolume' });
      DirItem.set.location(cursor.view, entry.at, new Key(id, ItemType.ROOT_ITEM, root.keyOffset));
    } finally {
      cursor.close();
    }
    setIncompat(mp, Incompat.DEFAULT_SUBVOL);
  });
}

/** Makes a subvolume read-only, or not. @throws FsError EROFS */
export function setReadOnly(root: TreeRoot, readOnly: boolean): void {
  const { item, mp } = root;
  if (item === null || root.readOnly === readOnly) return;
  mp.change('subvolume flags', 1, () => {
    const { flags, inode } = item;
    item.flags = readOnly ? flags | ROOT_SUBVOL_RDONLY : flags & ~ROOT_SUBVOL_RDONLY;
    item.inode = withValidFlags(inode);
    mp.trans.markRoot(root);
    mp.trans.onUndo(() => Object.assign(item, { flags, inode }));
  });
}

/** Forgets what a subvolume was received from: it may be written to now. */
export function clearReceived(root: TreeRoot): void {
  const { item, mp } = root;
  if (item === null) return;
  mp.change('received uuid', 3, () => {
    const { received_uuid, stime, rtime, stransid, rtransid } = item;
    removeUuid(mp, received_uuid, root.id, ItemType.UUID_KEY_RECEIVED_SUBVOL);
    Object.assign(item, { received_uuid: new Uint8Array(16), stime: NEVER, rtime: NEVER, stransid: 0, rtransid: 0 });
    mp.trans.markRoot(root);
    mp.trans.onUndo(() => Object.assign(item, { received_uuid, stime, rtime, stransid, rtransid }));
  });
}

/** The inode part of a ROOT_ITEM, saying that the item's flags mean something: without it Linux clears them. */
export function withValidFlags(inode: Uint8Array): Uint8Array {
  const copy = inode.slice();
  const view = new DataView(copy.buffer);
  InodeItem.set.flags(view, 0, (InodeItem.get.flags(view, 0) | InodeFlag.ROOT_ITEM_INIT) >>> 0);
  return copy;
}
