/** Creating files of every kind: an inode and its name, in one transaction (kernel: btrfs_create_common, btrfs_symlink). */

import { FsError } from '../../../core/errors.ts';
import type { DeviceNumber } from '../../../core/vfs/inode.ts';
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK } from '../../../core/vfs/mode.ts';
import { encodeName } from '../../../core/vfs/names.ts';
import { insertInline } from '../file-extents.ts';
import type { BtrfsInode } from '../inode.ts';
import { encodeDevice } from '../stat.ts';
import { maxItemSize } from '../structure/block.ts';
import { Compression, FILE_EXTENT_INLINE_START } from '../structure/file-extent.ts';
import { withRoom } from '../write-state.ts';
import { isPlaceholder, mayCreate, mayWrite } from './may.ts';
import { CREATE_ITEMS, makeInode, type NewInode } from './new-inode.ts';
import { markLinkable } from './orphans.ts';

const PATH_MAX = 4096;
/** Promised to quota groups: the inode's item, the two entries, the directory's. */
const QUOTA_ITEMS = 4;

function make(dir: BtrfsInode, what: string, wanted: NewInode, more?: (ip: BtrfsInode) => void): BtrfsInode {
  const { mp } = dir;
  return withRoom(mp, () => {
    mp.trans.quotas.limits.reserveItems(dir.root.id, QUOTA_ITEMS);
    return mp.change(what, CREATE_ITEMS, () => {
      const ip = makeInode(dir, wanted);
      more?.(ip);
      return ip;
    });
  });
}

/** Creates a regular file with permission bits `mode` less the umask. */
export function createFile(dir: BtrfsInode, name: string, mode: number): BtrfsInode {
  return make(dir, 'create', { name: mayCreate(dir, name, 'EACCES'), mode: S_IFREG | (mode & 0o7777) });
}

/** Creates a directory. */
export function makeDirectory(dir: BtrfsInode, name: string, mode: number): BtrfsInode {
  return make(dir, 'mkdir', { name: mayCreate(dir, name), mode: S_IFDIR | (mode & 0o1777) });
}

const NODE_TYPES = { fifo: S_IFIFO, socket: S_IFSOCK, char: S_IFCHR, block: S_IFBLK } as const;

/** Creates a fifo, socket or device. @throws FsError EINVAL for a device number that Linux does not have */
export function makeNode(
  dir: BtrfsInode,
  name: string,
  kind: keyof typeof NODE_TYPES,
  mode: number,
  device: DeviceNumber | null,
): BtrfsInode {
  const bytes = mayCreate(dir, name);
  const { major, minor } = device ?? { major: 0, minor: 0 };
  if (major >= 2 ** 12 || minor >= 2 ** 20 || major < 0 || minor < 0) throw new FsError('EINVAL');
  const rdev = kind === 'char' || kind === 'block' ? encodeDevice(major, minor) : 0;
  return make(dir, 'mknod', { name: bytes, mode: NODE_TYPES[kind] | (mode & 0o7777), rdev });
}

/** Creates a symbolic link: its target is an inline extent. */
export function makeSymlink(dir: BtrfsInode, name: string, target: string): BtrfsInode {
  const text = encodeName(target);
  if (text.length === 0) throw new FsError('ENOENT');
  if (text.length >= PATH_MAX) throw new FsError('ENAMETOOLONG');
  const bytes = mayCreate(dir, name);
  if (text.length > maxItemSize(dir.mp.nodeSize) - FILE_EXTENT_INLINE_START) throw new FsError('ENAMETOOLONG');
  const wanted = { name: bytes, mode: S_IFLNK | 0o777, size: text.length };
  return make(dir, 'symlink', wanted, (ip) => insertInline(ip, text, text.length, Compression.NONE));
}

/** Creates a regular file without a name. */
export function makeUnnamed(dir: BtrfsInode, mode: number): BtrfsInode {
  if (dir.kind !== 'dir') throw new FsError('ENOTDIR');
  if (isPlaceholder(dir)) throw new FsError('EOPNOTSUPP');
  mayWrite(dir);
  const ip = make(dir, 'tmpfile', { name: null, mode: S_IFREG | (mode & 0o7777) });
  markLinkable(ip);
  return ip;
}
