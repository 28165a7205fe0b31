/**
 * Creating files: an inode, its entry in the directory and (where the image has them) its parent pointer, all in one
 * transaction (kernel: xfs_create, xfs_dir_create_child).
 */
import { FsError } from '../../../core/errors.ts';
import { encodeName } from '../../../core/vfs/names.ts';
import { allocInode } from '../alloc/inode-alloc.ts';
import { addParent, initParentFork } from '../attr/parent.ts';
import { dirAdd, dirMake } from '../dir/edit.ts';
import type { XfsInode } from '../inode.ts';
import { MAX_NAME_LENGTH } from '../structure/dir.ts';
import type { Trans } from '../trans.ts';
import { addLinks, ftypeOfMode, initInode, type NewInode, S_IFDIR, S_IFMT, S_IFREG, stamp } from './inode-init.ts';

/** The bytes of a name that may be created or removed. @throws FsError ENAMETOOLONG, ENOENT empty, EINVAL with a slash or NUL */
export function nameBytes(name: string): Uint8Array {
  const bytes = encodeName(name);
  if (bytes.length === 0) throw new FsError('ENOENT');
  if (bytes.length > MAX_NAME_LENGTH) throw new FsError('ENAMETOOLONG');
  if (bytes.includes(0) || bytes.includes(0x2f)) throw new FsError('EINVAL');
  return bytes;
}

/** @throws FsError ENOTDIR, EEXIST, ENAMETOOLONG, ENOENT for a directory that was removed */
export function mayCreate(dp: XfsInode, name: string): Uint8Array {
  if (dp.kind !== 'dir') throw new FsError('ENOTDIR');
  const bytes = nameBytes(name);
  if (name === '.' || name === '..' || dp.lookup(name) !== null) throw new FsError('EEXIST');
  if (isGone(dp)) throw new FsError('ENOENT');
  return bytes;
}

function isGone(dp: XfsInode): boolean {
  return dp.stat().nlink === 0;
}

/** A new inode of the kind that `wanted` says, not in any directory yet. */
export function newInode(tp: Trans, dp: XfsInode, wanted: NewInode): XfsInode {
  const { mp } = dp;
  const ino = allocInode(tp, dp.ino, wanted.mode);
  tp.onAbort(() => mp.inodes.forget(ino));
  mp.inodes.forget(ino);
  const ip = mp.inodes.create(ino);
  initInode(tp, ip, dp, wanted);
  if (mp.features.parent && wanted.nlink > 0) initParentFork(tp, ip);
  return ip;
}

/** Enters a new inode into the directory. */
export function enterNew(tp: Trans, dp: XfsInode, name: Uint8Array, ip: XfsInode): void {
  dirAdd(tp, dp, name, ip.ino, ftypeOfMode(ip.mode));
  stamp(tp, dp, 'mtime', 'ctime');
  if (dp.mp.features.parent) addParent(tp, ip, dp, name);
}

/** Creates a regular file with permission bits `mode` less the umask. */
export function createFile(dp: XfsInode, name: string, mode: number): XfsInode {
  const bytes = mayCreate(dp, name);
  return dp.mp.transact('create', (tp) => {
    const ip = newInode(tp, dp, { mode: S_IFREG | allowed(dp, mode), nlink: 1 });
    enterNew(tp, dp, bytes, ip);
    return ip;
  });
}

/** Permission bits that the umask leaves. */
export function allowed(dp: XfsInode, mode: number): number {
  return mode & 0o7777 & ~dp.mp.options.owner.umask;
}

/** Creates a directory. */
export function makeDirectory(dp: XfsInode, name: string, mode: number): XfsInode {
  const bytes = mayCreate(dp, name);
  return dp.mp.transact('mkdir', (tp) => {
    const ip = newInode(tp, dp, { mode: S_IFDIR | (allowed(dp, mode) & 0o1777), nlink: 2 });
    dirMake(tp, ip, dp.ino);
    enterNew(tp, dp, bytes, ip);
    addLinks(tp, dp, 1);
    return ip;
  });
}

export function isDirectory(ip: XfsInode): boolean {
  return (ip.mode & S_IFMT) === S_IFDIR;
}
