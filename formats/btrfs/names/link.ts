/** Giving and taking names: link, unlink, rmdir (kernel: btrfs_link, btrfs_unlink, btrfs_rmdir). */
import { FsError } from '../../../core/errors.ts';
import { fileTypeOf } from '../dir.ts';
import type { BtrfsInode } from '../inode.ts';
import { ItemType, Key } from '../structure/key.ts';
import { deleteSubvolume } from '../subvol/delete.ts';
import { dropSubvolumeName, isSubvolumeEntry, isSubvolumeTop } from '../subvol/names.ts';
import { withRoom } from '../write-state.ts';
import { addEntry, addLinks, removeEntry, takeIndex } from './dir-edit.ts';
import { evictIfUnused, leaveInode } from './evict.ts';
import { addRef, removeRef } from './inode-refs.ts';
import { mayCreate, mayRemove, nameBytes, refuseFixed } from './may.ts';
import { dropOrphan, isLinkable } from './orphans.ts';

const MAX_LINKS = 65535;
const LINK_ITEMS = 6;
/** Promised to quota groups: a reference, two entries, the inode and the directory. */
const QUOTA_ITEMS = 5;
/** Two entries, reference, directory, inode, orphan, and the items of a small inode. */
export const UNLINK_ITEMS = 10;

/** Gives an inode another name, or its first. */
export function linkInode(dir: BtrfsInode, name: string, ip: BtrfsInode): void {
  const bytes = mayCreate(dir, name);
  refuseFixed(ip);
  if (ip.kind === 'dir') throw new FsError('EPERM');
  const count = ip.nlink;
  if (count === 0 && !isLinkable(ip)) throw new FsError('ENOENT');
  if (dir.root.id !== ip.root.id) throw new FsError('EXDEV');
  if (count >= MAX_LINKS) throw new FsError('EMLINK');
  const { mp } = dir;
  withRoom(mp, () => {
    mp.trans.quotas.limits.reserveItems(dir.root.id, QUOTA_ITEMS);
    mp.change('link', LINK_ITEMS, () => {
      const index = takeIndex(dir);
      addRef(ip, dir.ino, bytes, index);
      addEntry(dir, bytes, new Key(ip.ino, ItemType.INODE_ITEM, 0), fileTypeOf(ip.kind), index);
      addLinks(ip, 1);
      if (count === 0) dropOrphan(ip);
    });
  });
}

/** Takes a name of `ip` out of `dir`, and stamps both. Inside mp.change(). */
export function takeName(dir: BtrfsInode, name: Uint8Array, ip: BtrfsInode): void {
  removeEntry(dir, name, removeRef(ip, dir.ino, name));
}

/** Removes a name that is no directory's. */
export function unlinkName(dir: BtrfsInode, name: string): void {
  if (dir.kind === 'dir' && (name === '.' || name === '..')) throw new FsError('EISDIR');
  const ip = mayRemove(dir, name);
  if (ip.kind === 'dir') throw new FsError('EISDIR');
  const bytes = nameBytes(name);
  const { mp } = dir;
  withRoom(mp, () =>
    mp.change('unlink', UNLINK_ITEMS, () => {
      takeName(dir, bytes, ip);
      if (addLinks(ip, -1) === 0) leaveInode(ip);
    }),
  );
  evictIfUnused(ip);
}

/** Removes an empty directory, or a subvolume without any files. */
export function removeDirectory(dir: BtrfsInode, name: string): void {
  if (name === '.') throw new FsError('EINVAL');
  if (name === '..') throw new FsError('ENOTEMPTY');
  const ip = mayRemove(dir, name);
  if (ip.kind !== 'dir') throw new FsError('ENOTDIR');
  if (ip.size > 0) throw new FsError('ENOTEMPTY');
  const bytes = nameBytes(name);
  const { mp } = dir;
  if (isSubvolumeEntry(ip)) {
    if (isSubvolumeTop(ip)) deleteSubvolume(dir, bytes, ip);
    else withRoom(mp, () => mp.change('rmdir', UNLINK_ITEMS, () => dropSubvolumeName(dir, bytes, ip)));
    return;
  }
  withRoom(mp, () =>
    mp.change('rmdir', UNLINK_ITEMS, () => {
      takeName(dir, bytes, ip);
      addLinks(ip, -1);
      leaveInode(ip);
    }),
  );
  evictIfUnused(ip);
}
