/** Who may change a directory: the questions that Linux asks before any file system is (kernel: fs/namei.c). */
import { type Errno, FsError } from '../../../core/errors.ts';
import { encodeName } from '../../../core/vfs/names.ts';
import { dirChild } from '../dir.ts';
import type { BtrfsInode } from '../inode.ts';
import { InodeFlag, NAME_MAX } from '../structure/inode.ts';
import { Objectid } from '../structure/key.ts';
import { findName } from './dir-edit.ts';

/** The bytes of a name that may be created or removed. @throws FsError ENAMETOOLONG, ENOENT empty, EINVAL with a slash or NUL */
export function nameBytes(name: string): Uint8Array {
  const bytes = encodeName(name);
  if (bytes.length === 0) throw new FsError('ENOENT');
  if (bytes.length > NAME_MAX) throw new FsError('ENAMETOOLONG');
  if (bytes.includes(0) || bytes.includes(0x2f)) throw new FsError('EINVAL');
  return bytes;
}

/** @throws FsError EROFS if the file system or the subvolume is read-only */
export function refuseReadOnly(ip: BtrfsInode): void {
  if (ip.mp.readOnly || ip.root.readOnly) throw new FsError('EROFS');
}

/** Writing into a directory, or moving one. @throws FsError EPERM immutable, EROFS */
export function mayWrite(ip: BtrfsInode): void {
  if ((ip.flags & InodeFlag.IMMUTABLE) !== 0) throw new FsError('EPERM', { detail: 'immutable' });
  refuseReadOnly(ip);
}

/** @throws FsError EPERM for immutable and append-only inodes: no name of theirs, or in them, may go */
export function refuseFixed(ip: BtrfsInode): void {
  if ((ip.flags & (InodeFlag.IMMUTABLE | InodeFlag.APPEND)) !== 0)
    throw new FsError('EPERM', { detail: 'immutable or append-only' });
}

/** True for what stands where a subvolume is named that is gone: Linux lets nobody change it. */
export function isPlaceholder(ip: BtrfsInode): boolean {
  return ip.ino === Objectid.EMPTY_SUBVOL_DIR;
}

/** True for a directory that was removed while it was in use. */
function isDead(dir: BtrfsInode): boolean {
  return dir.nlink === 0 || dir.root.refs === 0;
}

/**
 * The bytes of a name that may be entered.
 * @throws FsError ENOTDIR, EEXIST, ENAMETOOLONG, EPERM immutable, EROFS, ENOENT for a directory that was removed,
 * EOVERFLOW if too many names have its hash, `inPlaceholder` where a subvolume is gone
 */
export function mayCreate(dir: BtrfsInode, name: string, inPlaceholder: Errno = 'EPERM'): Uint8Array {
  if (dir.kind !== 'dir') throw new FsError('ENOTDIR');
  const bytes = nameBytes(name);
  if (name === '.' || name === '..') throw new FsError('EEXIST');
  if (isPlaceholder(dir)) throw new FsError(inPlaceholder);
  const found = findName(dir, bytes);
  if (found === 'there') throw new FsError('EEXIST');
  if (isDead(dir)) throw new FsError('ENOENT');
  mayWrite(dir);
  if (found === 'full') throw new FsError('EOVERFLOW', { detail: 'too many names of one hash' });
  return bytes;
}

/** The inode behind a name that shall go. @throws FsError ENOTDIR, ENOENT, ENAMETOOLONG, EPERM, EROFS */
export function mayRemove(dir: BtrfsInode, name: string): BtrfsInode {
  if (dir.kind !== 'dir') throw new FsError('ENOTDIR');
  nameBytes(name);
  const ip = dirChild(dir, name);
  if (ip === null) throw new FsError('ENOENT');
  mayRemoveInode(dir, ip);
  return ip;
}

/** @throws FsError EPERM, EROFS */
export function mayRemoveInode(dir: BtrfsInode, ip: BtrfsInode): void {
  mayWrite(dir);
  if ((dir.flags & InodeFlag.APPEND) !== 0) throw new FsError('EPERM', { detail: 'append-only' });
  refuseFixed(ip);
}
