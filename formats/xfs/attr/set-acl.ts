/**
 * POSIX ACLs as users change them, what a directory's default list does to what is created in it, and what chmod does
 * to a list (kernel: xfs_acl.c: xfs_set_acl, xfs_generic_create; fs/posix_acl.c). Mode and list change together, in
 * one transaction; Linux needs two.
 */

import { FsError } from '../../../core/errors.ts';
import {
  type Acl,
  type AclType,
  aclName,
  chmodAcl,
  decodeAcl,
  type InheritedAcls,
  inheritAcl,
  planAcl,
} from '../../../core/vfs/acl.ts';
import type { FileKind } from '../../../core/vfs/inode.ts';
import { S_ISGID } from '../../../core/vfs/mode.ts';
import { encodeName } from '../../../core/vfs/names.ts';
import type { XfsInode } from '../inode.ts';
import { setTimes } from '../inode-core.ts';
import { AttrFlag, XATTR_SIZE_MAX } from '../structure/attr.ts';
import { Dinode } from '../structure/dinode.ts';
import type { Trans } from '../trans.ts';
import { aclDiskName, aclDiskSize, aclToDisk } from './acl.ts';
import { attrRemove, attrSet } from './edit.ts';
import { findAttr, getXattr } from './read.ts';
import { needRoomToSet } from './room.ts';

/** Entries that a version 4 image may keep. */
const V4_ENTRIES = 25;
const EMPTY = new Uint8Array(0);

/** The list that an inode keeps, or null. @throws FsError EUCLEAN */
function keptAcl(ip: XfsInode, type: AclType): Acl | null {
  if (!ip.hasAttrFork || (ip.attrFork.format === 'extents' && ip.attrFork.nextents === 0)) return null;
  const value = getXattr(ip, 'system', aclName(type));
  return value === null ? null : decodeAcl(value);
}

/** Sets a list from the value of its attribute, or removes it (null). @throws FsError as planAcl; E2BIG, ENOSPC */
export function setAcl(ip: XfsInode, type: AclType, value: Uint8Array | null): void {
  const plan = planAcl(type, value, ip.kind, ip.mode);
  if (plan === null) return;
  const { acl } = plan;
  if (acl !== null && ((acl.length > V4_ENTRIES && !ip.mp.features.v5) || aclDiskSize(acl.length) > XATTR_SIZE_MAX))
    throw new FsError('E2BIG');
  const name = diskName(type);
  if (acl === null && plan.mode === ip.mode && findAttr(ip, name, AttrFlag.ROOT) === null) return;
  const mode = type === 'access' && value !== null ? withoutForeignSetgid(ip, plan.mode) : plan.mode;
  if (acl !== null) needRoomToSet(ip, name.length, aclDiskSize(acl.length), AttrFlag.ROOT);
  ip.mp.transact('setacl', (tp) => {
    keepAcl(tp, ip, type, acl);
    Dinode.set.mode(ip.buf.view, ip.base, mode);
    setTimes(ip, ip.mp.options.now(), 'ctime');
  });
}

const diskName = (type: AclType): Uint8Array => encodeName(aclDiskName(aclName(type)) as string);

function keepAcl(tp: Trans, ip: XfsInode, type: AclType, acl: Acl | null): void {
  tp.modifyInode(ip);
  const attr = { flags: AttrFlag.ROOT, name: diskName(type), value: acl === null ? EMPTY : aclToDisk(acl) };
  if (acl === null) attrRemove(tp, ip, attr);
  else attrSet(tp, ip, attr);
}

/** Who is neither root nor of the file's group may not leave it set-group-id. */
function withoutForeignSetgid(ip: XfsInode, mode: number): number {
  const { uid, gid } = ip.mp.options.owner;
  return uid === 0 || gid === Dinode.get.gid(ip.buf.view, ip.base) ? mode : mode & ~S_ISGID;
}

/** What an inode of `kind`, asked for with type and permission bits `mode`, gets from its directory. */
export function inheritedAcls(dp: XfsInode, kind: FileKind, mode: number): InheritedAcls {
  return inheritAcl(keptAcl(dp, 'default'), kind, mode, dp.mp.options.owner.umask);
}

/** Bytes of the largest list that is inherited; 0 for none. */
export function inheritedSize({ access, default: standing }: InheritedAcls): number {
  return aclDiskSize(Math.max(access?.length ?? 0, standing?.length ?? 0));
}

/** Gives a new inode the lists of its directory. */
export function keepInherited(tp: Trans, ip: XfsInode, inherited: InheritedAcls): void {
  if (inherited.default !== null) keepAcl(tp, ip, 'default', inherited.default);
  if (inherited.access !== null) keepAcl(tp, ip, 'access', inherited.access);
}

/** The access list that fits `mode`, or null where there is none to change; room for it is asked for. @throws FsError ENOSPC */
export function aclForMode(ip: XfsInode, mode: number): Acl | null {
  const acl = keptAcl(ip, 'access');
  if (acl === null) return null;
  needRoomToSet(ip, diskName('access').length, aclDiskSize(acl.length), AttrFlag.ROOT);
  return chmodAcl(acl, mode);
}

/** Keeps the list that aclForMode() gave. */
export function keepAccessAcl(tp: Trans, ip: XfsInode, acl: Acl): void {
  keepAcl(tp, ip, 'access', acl);
}
