/**
 * Creating files of every kind: an inode, its entry in the directory and (where the image has them) its parent
 * pointer, all in one transaction (kernel: xfs_create, xfs_symlink, xfs_create_tmpfile, xfs_link).
 */

import { FsError } from '../../../core/errors.ts';
import type { InheritedAcls } from '../../../core/vfs/acl.ts';
import type { DeviceNumber } from '../../../core/vfs/inode.ts';
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK } from '../../../core/vfs/mode.ts';
import { encodeName } from '../../../core/vfs/names.ts';
import { beFrugal } from '../alloc/frugal.ts';
import { allocInode } from '../alloc/inode-alloc.ts';
import { createBlocks, inodeBlocks, linkBlocks } from '../alloc/space-needs.ts';
import { addParent, initParentFork } from '../attr/parent.ts';
import { blocksToSet } from '../attr/room.ts';
import { inheritedAcls, inheritedSize, keepInherited } from '../attr/set-acl.ts';
import { dirAdd, dirMake } from '../dir/edit.ts';
import type { XfsInode } from '../inode.ts';
import { inodeFlags } from '../inode-core.ts';
import { hasRoom, needRoom, needRoomToCreate } from '../make-room.ts';
import { linkCount } from '../stat.ts';
import { DiFlag, MAXLINK, SYMLINK_MAXLEN } from '../structure/dinode.ts';
import type { Trans } from '../trans.ts';
import { addOrphan, adoptOrphan } from './inactive.ts';
import { addLinks, ftypeOfMode, initInode, type NewInode, stamp } from './inode-init.ts';
import { checkProject, mayCreate, refuseFixed } from './may.ts';
import { targetBlocks, writeTarget } from './symlink-blocks.ts';

/** Bytes of the longer name of a list on disk, SGI_ACL_DEFAULT. */
const ACL_NAME_LENGTH = 15;

/** A new inode of the kind that `wanted` says, not in any directory yet. */
function newInode(tp: Trans, dp: XfsInode, wanted: NewInode): XfsInode {
  const { mp } = dp;
  const ino = allocInode(tp, dp.ino, wanted.mode);
  tp.onAbort(() => mp.inodes.forget(ino));
  mp.inodes.forget(ino);
  const ip = mp.inodes.create(ino);
  initInode(tp, ip, dp, wanted);
  if (mp.features.parent && wanted.nlink > 0) initParentFork(tp, ip);
  return ip;
}

/** Enters an inode into the directory. */
function enter(tp: Trans, dp: XfsInode, name: Uint8Array, ip: XfsInode): void {
  dirAdd(tp, dp, name, ip.ino, ftypeOfMode(ip.mode));
  stamp(tp, dp, 'mtime', 'ctime');
  if (dp.mp.features.parent) addParent(tp, ip, dp, name);
}

/** Blocks that the lists of a new inode may take. */
function aclBlocks(dp: XfsInode, inherited: InheritedAcls): number {
  const size = inheritedSize(inherited);
  return size === 0 ? 0 : 2 * blocksToSet(dp.mp, ACL_NAME_LENGTH, size);
}

/** Creates a regular file with permission bits `mode` less the umask. */
export function createFile(dp: XfsInode, name: string, mode: number): XfsInode {
  const bytes = mayCreate(dp, name);
  const acls = inheritedAcls(dp, 'file', S_IFREG | (mode & 0o7777));
  needRoomToCreate(dp.mp, createBlocks(dp.mp, bytes.length) + aclBlocks(dp, acls));
  return dp.mp.transact('create', (tp) => {
    const ip = newInode(tp, dp, { mode: acls.mode, nlink: 1 });
    enter(tp, dp, bytes, ip);
    keepInherited(tp, ip, acls);
    return ip;
  });
}

/** Creates a directory. */
export function makeDirectory(dp: XfsInode, name: string, mode: number): XfsInode {
  const bytes = mayCreate(dp, name);
  if (linkCount(dp) >= MAXLINK) throw new FsError('EMLINK');
  const acls = inheritedAcls(dp, 'dir', S_IFDIR | (mode & 0o1777));
  needRoomToCreate(dp.mp, createBlocks(dp.mp, bytes.length) + aclBlocks(dp, acls));
  return dp.mp.transact('mkdir', (tp) => {
    const ip = newInode(tp, dp, { mode: acls.mode, nlink: 2 });
    dirMake(tp, ip, dp.ino);
    enter(tp, dp, bytes, ip);
    keepInherited(tp, ip, acls);
    addLinks(tp, dp, 1);
    return ip;
  });
}

const NODE_TYPES = { fifo: S_IFIFO, socket: S_IFSOCK, char: S_IFCHR, block: S_IFBLK } as const;

/** Creates a fifo, socket or device. @throws FsError EINVAL for a device number that XFS cannot store */
export function makeNode(
  dp: XfsInode,
  name: string,
  kind: keyof typeof NODE_TYPES,
  mode: number,
  device: DeviceNumber | null,
): XfsInode {
  const bytes = mayCreate(dp, name);
  const { major, minor } = device ?? { major: 0, minor: 0 };
  if (major >= 2 ** 14 || minor >= 2 ** 18 || major < 0 || minor < 0) throw new FsError('EINVAL');
  const rdev = kind === 'char' || kind === 'block' ? major * 2 ** 18 + minor : 0;
  const acls = inheritedAcls(dp, kind, NODE_TYPES[kind] | (mode & 0o7777));
  needRoomToCreate(dp.mp, createBlocks(dp.mp, bytes.length) + aclBlocks(dp, acls));
  return dp.mp.transact('mknod', (tp) => {
    const ip = newInode(tp, dp, { mode: acls.mode, nlink: 1, rdev });
    enter(tp, dp, bytes, ip);
    keepInherited(tp, ip, acls);
    return ip;
  });
}

/** Creates a symbolic link. */
export function makeSymlink(dp: XfsInode, name: string, target: string): XfsInode {
  const text = encodeName(target);
  if (text.length === 0) throw new FsError('ENOENT');
  if (text.length >= SYMLINK_MAXLEN) throw new FsError('ENAMETOOLONG');
  const bytes = mayCreate(dp, name);
  if ((inodeFlags(dp) & DiFlag.NOSYMLINKS) !== 0)
    throw new FsError('EPERM', { detail: 'the directory forbids symbolic links' });
  needRoom(dp.mp, createBlocks(dp.mp, bytes.length) + targetBlocks(dp, text.length));
  return dp.mp.transact('symlink', (tp) => {
    const ip = newInode(tp, dp, { mode: S_IFLNK | 0o777, nlink: 1 });
    writeTarget(tp, ip, text);
    enter(tp, dp, bytes, ip);
    return ip;
  });
}

/** Creates a regular file without a name. */
export function makeUnnamed(dp: XfsInode, mode: number): XfsInode {
  if (dp.kind !== 'dir') throw new FsError('ENOTDIR');
  const acls = inheritedAcls(dp, 'file', S_IFREG | (mode & 0o7777));
  needRoom(dp.mp, inodeBlocks(dp.mp) + aclBlocks(dp, acls));
  return dp.mp.transact('tmpfile', (tp) => {
    const ip = newInode(tp, dp, { mode: acls.mode, nlink: 0 });
    addOrphan(tp, ip);
    keepInherited(tp, ip, acls);
    return ip;
  });
}

/** Gives an inode another name, or its first. */
export function linkInode(dp: XfsInode, name: string, ip: XfsInode): void {
  const bytes = mayCreate(dp, name);
  if (ip.kind === 'dir') throw new FsError('EPERM');
  refuseFixed(ip);
  const count = linkCount(ip);
  if (count === 0 && !ip.inUse) throw new FsError('ENOENT');
  if (count >= MAXLINK) throw new FsError('EMLINK');
  checkProject(dp, ip);
  const room = hasRoom(dp.mp, linkBlocks(dp.mp, bytes.length));
  if (!room && dp.mp.features.parent) throw new FsError('ENOSPC');
  dp.mp.transact('link', (tp) => {
    if (!room) beFrugal(tp);
    if (count === 0) adoptOrphan(tp, ip);
    addLinks(tp, ip, 1);
    enter(tp, dp, bytes, ip);
  });
}
