/**
 * Renaming: within and between directories, over files and empty directories, and exchanging two names; one
 * transaction. Subvolumes may move to other subvolumes, files may not (kernel: do_renameat2, btrfs_rename,
 * btrfs_rename_exchange).
 */
import { FsError } from '../../../core/errors.ts';
import { type RenameMode, sameInode } from '../../../core/vfs/inode.ts';
import { dirChild, fileTypeOf } from '../dir.ts';
import type { BtrfsInode } from '../inode.ts';
import { ItemType, Key } from '../structure/key.ts';
import { addSubvolumeName, dropSubvolumeName, isSubvolumeEntry, isSubvolumeTop } from '../subvol/names.ts';
import { withRoom } from '../write-state.ts';
import { addEntry, addLinks, stamp, takeIndex } from './dir-edit.ts';
import { evictIfUnused, leaveInode } from './evict.ts';
import { addRef } from './inode-refs.ts';
import { takeName } from './link.ts';
import { isPlaceholder, mayCreate, mayRemoveInode, mayWrite, nameBytes } from './may.ts';

const RENAME_ITEMS = 18;
/** Promised to quota groups: the inode, a reference and two entries on either side, the directories. */
const QUOTA_ITEMS = 9;
/** Directories on the way up: no path is longer. */
const MAX_DEPTH = 1_000_000;

/** One side of a rename. */
interface Side {
  readonly dir: BtrfsInode;
  readonly name: Uint8Array;
}

/** Moves `name` of `dir` to `newName` of `target`. */
export function renameName(dir: BtrfsInode, name: string, target: BtrfsInode, newName: string, mode: RenameMode): void {
  if (dir.kind !== 'dir' || target.kind !== 'dir') throw new FsError('ENOTDIR');
  if (isDots(name) || isDots(newName)) throw new FsError(mode === 'noreplace' && isDots(newName) ? 'EEXIST' : 'EBUSY');
  const from: Side = { dir, name: nameBytes(name) };
  const to: Side = { dir: target, name: nameBytes(newName) };
  const ip = dirChild(dir, name);
  if (ip === null) throw new FsError('ENOENT');
  const other = dirChild(target, newName);
  if (other !== null && mode === 'noreplace') throw new FsError('EEXIST');
  if (other === null && mode === 'exchange') throw new FsError('ENOENT');
  checkAncestors(dir, ip, target, other, mode);
  if (other !== null && sameInode(ip, other)) return;
  checkPermission(from, ip, to, newName, other, mode);
  if (mode === 'exchange') checkExchange(dir, ip, target, other as BtrfsInode);
  else checkReplace(dir, ip, target, other);
  const { mp } = dir;
  withRoom(mp, () => {
    mp.trans.quotas.limits.reserveItems(target.root.id, QUOTA_ITEMS);
    mp.change('rename', RENAME_ITEMS, () => {
      if (mode === 'exchange') exchange(from, to, ip, other as BtrfsInode);
      else move(from, to, ip, other);
    });
  });
  if (other !== null && mode !== 'exchange' && !isSubvolumeEntry(other)) evictIfUnused(other);
}

const isDots = (name: string): boolean => name === '.' || name === '..';

/** A directory may not move below itself, nor take the place of a directory that it is below. */
function checkAncestors(
  dir: BtrfsInode,
  ip: BtrfsInode,
  target: BtrfsInode,
  other: BtrfsInode | null,
  mode: RenameMode,
): void {
  if (sameInode(dir, target)) return;
  if (ip.kind === 'dir' && isBelow(target, ip)) throw new FsError('EINVAL');
  if (other?.kind === 'dir' && isBelow(dir, other)) throw new FsError(mode === 'exchange' ? 'EINVAL' : 'ENOTEMPTY');
}

/** True if `dir` is `ancestor` or below it. */
function isBelow(dir: BtrfsInode, ancestor: BtrfsInode): boolean {
  let at = dir;
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    if (sameInode(at, ancestor)) return true;
    const up = at.child('..') as BtrfsInode | null;
    if (up === null || sameInode(up, at)) return false;
    at = up;
  }
  throw new FsError('ELOOP');
}

/** The questions that Linux asks before the file system is. */
function checkPermission(
  from: Side,
  ip: BtrfsInode,
  to: Side,
  newName: string,
  other: BtrfsInode | null,
  mode: RenameMode,
): void {
  mayRemoveInode(from.dir, ip);
  if (other === null) mayCreate(to.dir, newName);
  else {
    mayRemoveInode(to.dir, other);
    if (mode !== 'exchange' && ip.kind === 'dir' && other.kind !== 'dir') throw new FsError('ENOTDIR');
    if (mode !== 'exchange' && ip.kind !== 'dir' && other.kind === 'dir') throw new FsError('EISDIR');
  }
  if (sameInode(from.dir, to.dir)) return;
  for (const moved of mode === 'exchange' ? [ip, other] : [ip]) if (moved?.kind === 'dir') mayWrite(moved);
}

function checkReplace(dir: BtrfsInode, ip: BtrfsInode, target: BtrfsInode, other: BtrfsInode | null): void {
  if (isPlaceholder(target)) throw new FsError('EPERM');
  if (!isSubvolumeTop(ip) && dir.root.id !== target.root.id) throw new FsError('EXDEV');
  if (isPlaceholder(ip) || (other !== null && isSubvolumeTop(other))) throw new FsError('ENOTEMPTY');
  if (ip.kind === 'dir' && other !== null && other.size > 0) throw new FsError('ENOTEMPTY');
}

function checkExchange(dir: BtrfsInode, ip: BtrfsInode, target: BtrfsInode, other: BtrfsInode): void {
  if (isPlaceholder(ip) || isPlaceholder(other)) throw new FsError('EPERM');
  if (dir.root.id !== target.root.id && !(isSubvolumeTop(ip) && isSubvolumeTop(other))) throw new FsError('EXDEV');
}

/** Takes the name of `ip` away without touching its count of names. */
function detach({ dir, name }: Side, ip: BtrfsInode): void {
  if (isSubvolumeEntry(ip)) dropSubvolumeName(dir, name, ip);
  else takeName(dir, name, ip);
}

/** Gives `ip` a name without touching its count of names. */
function attach({ dir, name }: Side, ip: BtrfsInode, index: number): void {
  if (isSubvolumeTop(ip)) {
    addSubvolumeName(dir, name, ip.root, index);
    return;
  }
  addRef(ip, dir.ino, name, index);
  addEntry(dir, name, new Key(ip.ino, ItemType.INODE_ITEM, 0), fileTypeOf(ip.kind), index);
}

function move(from: Side, to: Side, ip: BtrfsInode, other: BtrfsInode | null): void {
  const index = takeIndex(to.dir);
  detach(from, ip);
  if (other !== null) {
    detach(to, other);
    if (!isSubvolumeEntry(other)) {
      const left = addLinks(other, -1);
      if (left === 0) leaveInode(other);
    }
  }
  attach(to, ip, index);
  if (!isSubvolumeTop(ip)) stamp(ip, 'ctime');
}

function exchange(from: Side, to: Side, ip: BtrfsInode, other: BtrfsInode): void {
  const newIndex = takeIndex(to.dir);
  const oldIndex = takeIndex(from.dir);
  detach(from, ip);
  detach(to, other);
  attach(to, ip, newIndex);
  attach(from, other, oldIndex);
  for (const moved of [ip, other]) if (!isSubvolumeTop(moved)) stamp(moved, 'ctime');
}
