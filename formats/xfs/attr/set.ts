/**
 * Extended attributes as users change them: namespaces, limits and errors of Linux (kernel: fs/xattr.c, xfs_xattr.c).
 * Access control lists are attributes of the trusted namespace in a form of their own (acl.ts).
 */
import { FsError } from '../../../core/errors.ts';
import type { XattrMode, XattrNamespace } from '../../../core/vfs/inode.ts';
import { encodeName } from '../../../core/vfs/names.ts';
import { attrForkBlocks, attrRemoveBlocks, attrSetBlocks } from '../alloc/space-needs.ts';
import type { XfsInode } from '../inode.ts';
import { setTimes } from '../inode-core.ts';
import { needRoom } from '../make-room.ts';
import { refuseFixed } from '../names/may.ts';
import { AttrFlag, XATTR_SIZE_MAX } from '../structure/attr.ts';
import { attrRemove, attrSet } from './edit.ts';
import { attrGeometry, localSize } from './leaf-edit.ts';
import { findAttr } from './read.ts';
import { remoteBlocks } from './remote.ts';

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
  const { bytes, flags } = place(ip, namespace, name);
  if (value.length > XATTR_SIZE_MAX) throw new FsError('E2BIG');
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
  const { bytes, flags } = place(ip, namespace, name);
  if (findAttr(ip, bytes, flags) === null) throw new FsError('ENODATA');
  needRoom(ip.mp, attrRemoveBlocks(ip.mp), flags === AttrFlag.ROOT);
  ip.mp.transact('removexattr', (tp) => {
    tp.modifyInode(ip);
    attrRemove(tp, ip, { flags, name: bytes, value: EMPTY });
    setTimes(ip, ip.mp.options.now(), 'ctime');
  });
}

/** @throws FsError ENOSPC as Linux, where the worst case would not fit; the root's attributes may use the last blocks */
function needRoomToSet(ip: XfsInode, nameLength: number, length: number, flags: number): void {
  const { mp } = ip;
  const size = localSize(nameLength, length);
  const remote = size < attrGeometry(mp).localMax ? 0 : remoteBlocks(mp, length);
  if (!ip.hasAttrFork) needRoom(mp, attrForkBlocks(mp), flags === AttrFlag.ROOT);
  needRoom(mp, attrSetBlocks(mp, size, remote), flags === AttrFlag.ROOT);
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
