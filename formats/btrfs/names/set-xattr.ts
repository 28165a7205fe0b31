/** Extended attributes as users change them: namespaces, limits and errors of Linux (kernel: fs/xattr.c, btrfs/xattr.c). */
import { FsError } from '../../../core/errors.ts';
import { aclTypeOf, encodeAcl, planAcl } from '../../../core/vfs/acl.ts';
import type { XattrMode, XattrNamespace } from '../../../core/vfs/inode.ts';
import { encodeName } from '../../../core/vfs/names.ts';
import type { BtrfsInode } from '../inode.ts';
import { setTimes, updateInode } from '../inode-write.ts';
import { maxItemSize } from '../structure/block.ts';
import { DirItem } from '../structure/dir.ts';
import { InodeItem } from '../structure/inode.ts';
import { withRoom } from '../write-state.ts';
import { getXattr } from '../xattr.ts';
import { isPlaceholder, refuseFixed, refuseReadOnly } from './may.ts';
import { checkCompression, putCompression } from './properties.ts';
import { dropXattr, putXattr } from './xattr-edit.ts';

const MAX_NAME = 255;
const MAX_VALUE = 65536;
const ITEMS = 3;
/** Promised to quota groups: the attribute and the inode. */
const QUOTA_ITEMS = 2;

/** Sets an attribute. */
export function setXattr(
  ip: BtrfsInode,
  namespace: XattrNamespace,
  name: string,
  value: Uint8Array,
  mode: XattrMode,
): void {
  const full = checkName(namespace, name);
  if (value.length > MAX_VALUE) throw new FsError('E2BIG');
  mayChange(ip, namespace);
  if (namespace === 'system') setAcl(ip, name, value);
  else if (namespace === 'btrfs') setProperty(ip, name, value, mode);
  else setPlain(ip, namespace, name, full, value, mode);
}

/** Removes an attribute. @throws FsError ENODATA */
export function removeXattr(ip: BtrfsInode, namespace: XattrNamespace, name: string): void {
  const full = checkName(namespace, name);
  mayChange(ip, namespace);
  if (namespace === 'system') {
    setAcl(ip, name, null);
    return;
  }
  if (namespace === 'btrfs') {
    propertyName(name);
    if (isPlainKind(ip)) change(ip, (stamp) => putCompression(ip, '', stamp));
    return;
  }
  if (getXattr(ip, namespace, name) === null) throw new FsError('ENODATA');
  change(ip, (stamp) => {
    dropXattr(ip, full);
    updateInode(ip, stamp);
  });
}

function checkName(namespace: XattrNamespace, name: string): string {
  const full = `${namespace}.${name}`;
  if (name === '') throw new FsError('EINVAL');
  if (encodeName(full).length > MAX_NAME) throw new FsError('ERANGE');
  return full;
}

function mayChange(ip: BtrfsInode, namespace: XattrNamespace): void {
  refuseFixed(ip);
  if (namespace === 'user' && ip.kind !== 'file' && ip.kind !== 'dir') throw new FsError('EPERM');
  // A place of a subvolume that is not there has no attributes at all, also where the subvolume around it is read-only.
  if (isPlaceholder(ip) && !ip.mp.readOnly) throw new FsError('EOPNOTSUPP');
  refuseReadOnly(ip);
}

/** Runs a change of attributes, which gets what it has to do to the inode item. */
function change(ip: BtrfsInode, act: (stamp: (view: DataView) => void) => void): void {
  const { mp } = ip;
  const now = mp.now();
  withRoom(mp, () => {
    mp.trans.quotas.limits.reserveItems(ip.root.id, QUOTA_ITEMS);
    mp.change('setxattr', ITEMS, () =>
      act((view) => {
        InodeItem.set.sequence(view, 0, InodeItem.get.sequence(view, 0) + 1);
        setTimes(view, now, 'ctime');
      }),
    );
  });
}

function setPlain(
  ip: BtrfsInode,
  namespace: XattrNamespace,
  name: string,
  full: string,
  value: Uint8Array,
  mode: XattrMode,
): void {
  if (DirItem.size + encodeName(full).length + value.length > maxItemSize(ip.mp.nodeSize)) throw new FsError('ENOSPC');
  if (mode !== 'any') {
    const there = getXattr(ip, namespace, name) !== null;
    if (there && mode === 'create') throw new FsError('EEXIST');
    if (!there && mode === 'replace') throw new FsError('ENODATA');
  }
  change(ip, (stamp) => {
    putXattr(ip, full, value);
    updateInode(ip, stamp);
  });
}

function isPlainKind(ip: BtrfsInode): boolean {
  return ip.kind === 'file' || ip.kind === 'dir';
}

function propertyName(name: string): void {
  if (name !== 'compression') throw new FsError('EINVAL');
}

function setProperty(ip: BtrfsInode, name: string, value: Uint8Array, mode: XattrMode): void {
  propertyName(name);
  const text = Buffer.from(value).toString('latin1');
  checkCompression(ip.flags, text);
  if (!isPlainKind(ip)) return;
  const there = getXattr(ip, 'btrfs', name) !== null;
  if (there && mode === 'create') throw new FsError('EEXIST');
  if (!there && mode === 'replace') throw new FsError('ENODATA');
  change(ip, (stamp) => putCompression(ip, text, stamp));
}

/** An access control list, or null to remove it; what permission bits can say is kept as those. */
function setAcl(ip: BtrfsInode, name: string, value: Uint8Array | null): void {
  const type = aclTypeOf(name);
  if (type === null) throw new FsError('EOPNOTSUPP');
  const plan = planAcl(type, value, ip.kind, ip.mode);
  if (plan === null) return;
  const full = `system.${name}`;
  change(ip, (stamp) => {
    if (plan.acl === null) dropXattr(ip, full);
    else putXattr(ip, full, encodeAcl(plan.acl));
    updateInode(ip, (view) => {
      InodeItem.set.mode(view, 0, plan.mode);
      stamp(view);
    });
  });
}
