/**
 * The end of an inode: when its last name and its last user are gone, its extents and then all its items go (kernel:
 * btrfs_evict_inode). A file with many extents goes in a chain of transactions and is an orphan meanwhile, so that
 * after a crash Linux goes on with it; others go in the transaction that takes their last name.
 */

import { FsError } from '../../../core/errors.ts';
import { POS_END } from '../../../core/positions.ts';
import { FileExtent } from '../file-extent.ts';
import { dropExtents, readAt } from '../file-extents.ts';
import type { BtrfsInode } from '../inode.ts';
import { updateInode } from '../inode-write.ts';
import type { BtrfsMount } from '../mount.ts';
import { InodeItem } from '../structure/inode.ts';
import { ItemType, Key } from '../structure/key.ts';
import { TreeCursor } from '../tree/cursor.ts';
import type { TreeRoot } from '../tree/root.ts';
import { settle, withRoom } from '../write-state.ts';
import { addOrphan, deleteOrphanItem, dropOrphan, isOrphan, orphanNumbers, orphansOf } from './orphans.ts';

/** Extents that go together with the last name. */
const FEW = 2;
/** Extents, or other items, dropped in one transaction. */
const BATCH = 32;
const END = POS_END;

const extent = new FileExtent();

/** The inode has lost its last name: it goes now, or waits as an orphan. Inside mp.change(). */
export function leaveInode(ip: BtrfsInode): void {
  if (ip.inUse || !isSmall(ip)) {
    addOrphan(ip);
    return;
  }
  dropExtents(ip, 0, END);
  eraseItems(ip.root, ip.ino, Number.POSITIVE_INFINITY);
  ip.mp.trans.afterwards(() => forget(ip));
}

/** True if few items are all there is. */
function isSmall(ip: BtrfsInode): boolean {
  const cursor = new TreeCursor(ip.root);
  try {
    cursor.search(new Key(ip.ino, ItemType.INODE_ITEM, 0));
    for (let items = 0; cursor.valid && cursor.key.objectid === ip.ino; cursor.next()) {
      const counts = cursor.key.type > ItemType.INODE_EXTREF;
      if (counts && ++items > FEW) return false;
    }
    return true;
  } finally {
    cursor.close();
  }
}

/** The memory of an inode that is gone. */
function forget(ip: BtrfsInode): void {
  ip.pages.truncate(0);
  settle(ip);
  ip.markGone();
  ip.mp.inodes.forget(ip.root.id, ip.ino);
}

/** Ends an inode without names that nobody uses any more; does nothing for others. */
export function evictIfUnused(ip: BtrfsInode): void {
  if (!ip.inUse && isOrphan(ip)) evict(ip);
}

/** Ends an orphan. @throws FsError EUCLEAN, ENOSPC */
function evict(ip: BtrfsInode): void {
  const { mp } = ip;
  ip.pages.truncate(0);
  settle(ip);
  while (!withRoom(mp, () => mp.change('evict', BATCH, () => dropSomeExtents(ip))));
  while (!withRoom(mp, () => mp.change('evict', BATCH, () => eraseSome(ip))));
  forget(ip);
}

/** True if no extent is left. */
function dropSomeExtents(ip: BtrfsInode): boolean {
  const { bytes, reached } = dropExtents(ip, 0, END, BATCH);
  updateInode(ip, (view) => {
    InodeItem.set.nbytes(view, 0, Math.max(0, InodeItem.get.nbytes(view, 0) - bytes));
    InodeItem.set.size(view, 0, 0);
  });
  return reached === END;
}

function eraseSome(ip: BtrfsInode): boolean {
  const done = eraseItems(ip.root, ip.ino, BATCH);
  if (done) dropOrphan(ip);
  return done;
}

/** Deletes items of an inode from the last one on, its INODE_ITEM at the end; true if none is left. */
function eraseItems(root: TreeRoot, ino: number, most: number): boolean {
  const cursor = new TreeCursor(root);
  const end = new Key(ino, 255, -1);
  try {
    for (let count = 0; count < most; count++) {
      cursor.searchBack(end);
      if (!cursor.valid || cursor.key.objectid !== ino) return true;
      // Its references would be lost.
      if (cursor.key.type === ItemType.EXTENT_DATA && readAt(cursor, ino, extent) && !extent.inline && !extent.hole)
        throw new FsError('EUCLEAN', { detail: `inode ${ino} of tree ${root.id} has an extent that was not dropped` });
      cursor.delete();
    }
    return false;
  } finally {
    cursor.close();
  }
}

/** Ends every orphan of this session: the image is closed, nobody uses anything any more. */
export function evictOrphans(mp: BtrfsMount): void {
  for (const ip of orphansOf(mp)) evict(ip);
}

/** Ends the orphans that an earlier session left in a tree; items that name no orphan go too. */
export function cleanOrphans(mp: BtrfsMount, root: TreeRoot): void {
  for (const number of orphanNumbers(root)) {
    const ip = inodeOf(mp, root, number);
    if (ip !== null && ip.nlink === 0) {
      if (!ip.inUse) {
        if (!isOrphan(ip)) mp.change('orphan', 1, () => addOrphan(ip));
        evict(ip);
      }
      continue;
    }
    mp.change('orphan', 1, () => deleteOrphanItem(root, number));
  }
}

function inodeOf(mp: BtrfsMount, root: TreeRoot, number: number): BtrfsInode | null {
  try {
    return mp.inodes.get(root, number);
  } catch (error) {
    if (error instanceof FsError && error.code === 'ENOENT') return null;
    throw error;
  }
}
