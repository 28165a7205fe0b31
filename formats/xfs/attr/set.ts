/**
 * Extended attributes as users change them: namespaces, limits and errors of Linux (kernel: fs/xattr.c, xfs_xattr.c).
 * Access control lists are more than attributes: they go with the mode (set-acl.ts).
 */
import { FsError } from '../../../core/errors.ts';
import { aclTypeOf } from '../../../core/vfs/acl.ts';
import type { XattrMode, XattrNamespace } from '../../../core/vfs/inode.ts';
import { encodeName } from '../../../core/vfs/names.ts';
import { attrRemoveBlocks } from '../alloc/space-needs.ts';
import type { XfsInode } from '../inode.ts';
import { setTimes } from '../inode-core.ts';
import { needRoom } from '../make-room.ts';
import { refuseFixed } from '../names/may.ts';
import { AttrFlag, XATTR_SIZE_MAX } from '../structure/attr.ts';
import { attrRemove, attrSet } from './edit.ts';
import { findAttr } from './read.ts';
import { needRoomToSet } from './room.ts';
import { setAcl } from './set-acl.ts';

const MAX_ATTR_NAME = 255;
const EMPTY = new Uint8Array(0);

/** Sets an attribute. */
export function setXattr(
  ip: XfsInode,
  namespace: XattrNamespace,
  name: string,
  value: Uint8Array,
  mode: XattrMode,
): void {
  if (value.length > XATTR_SIZE_MAX) throw new FsError('E2BIG');
  if (changedAcl(ip, namespace, name, value)) return;
  const { bytes, flags } = place(ip, namespace, name);
  const present = findAttr(ip, bytes, flags) !== null;
  if (present && mode === 'create') throw new FsError('EEXIST');
  if (!present && mode === 'replace') throw new FsError('ENODATA');
  needRoomToSet(ip, bytes.length, value.length, flags);
  ip.mp.transact('setxattr', (tp) => {
    attrSet(tp, ip, { flags, name: bytes, value });
    setTimes(ip, ip.mp.options.now(), 'ctime');
  });
}

/** Removes an attribute. @throws FsError ENODATA */
export function removeXattr(ip: XfsInode, namespace: XattrNamespace, name: string): void {
  if (changedAcl(ip, namespace, name, null)) return;
  const { bytes, flags } = place(ip, namespace, name);
  if (findAttr(ip, bytes, flags) === null) throw new FsError('ENODATA');
  needRoom(ip.mp, attrRemoveBlocks(ip.mp), flags === AttrFlag.ROOT);
  ip.mp.transact('removexattr', (tp) => {
    tp.modifyInode(ip);
    attrRemove(tp, ip, { flags, name: bytes, value: EMPTY });
    setTimes(ip, ip.mp.options.now(), 'ctime');
  });
}

/** Sets or removes (null) the list that a name of the system namespace means; false for any other name. */
function changedAcl(ip: XfsInode, namespace: XattrNamespace, name: string, value: Uint8Array | null): boolean {
  const type = namespace === 'system' ? aclTypeOf(name) : null;
  if (type === null) return false;
  refuseFixed(ip);
  setAcl(ip, type, value);
  return true;
}

function place(ip: XfsInode, namespace: XattrNamespace, name: string): { bytes: Uint8Array; flags: number } {
  const bytes = encodeName(name);
  if (bytes.length === 0) throw new FsError('EINVAL');
  if (bytes.length > MAX_ATTR_NAME) throw new FsError('ERANGE');
  refuseFixed(ip);
  switch (namespace) {
    case 'user':
      if (ip.kind !== 'file' && ip.kind !== 'dir') throw new FsError('EPERM');
      return { bytes, flags: 0 };
    case 'trusted':
      return { bytes, flags: AttrFlag.ROOT };
    case 'security':
      return { bytes, flags: AttrFlag.SECURE };
    case 'system':
    case 'btrfs':
      throw new FsError('EOPNOTSUPP');
  }
}
