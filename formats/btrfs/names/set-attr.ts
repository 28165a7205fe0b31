/** chmod, chown, utimes, chattr (kernel: notify_change, btrfs_setattr, btrfs_fileattr_set). */

import { FsError } from '../../../core/errors.ts';
import { chmodAcl, decodeAcl, encodeAcl } from '../../../core/vfs/acl.ts';
import type { AttrChange, FlagsChange } from '../../../core/vfs/inode.ts';
import { S_IFMT, setIdBits } from '../../../core/vfs/mode.ts';
import { compressOption } from '../compression-wish.ts';
import type { BtrfsInode } from '../inode.ts';
import { setTimes, updateInode } from '../inode-write.ts';
import { FsFlag, fsFlags } from '../stat.ts';
import { Compression } from '../structure/file-extent.ts';
import { InodeFlag, InodeItem } from '../structure/inode.ts';
import { withRoom } from '../write-state.ts';
import { getXattr } from '../xattr.ts';
import { isPlaceholder, refuseFixed, refuseReadOnly } from './may.ts';

import { putCompression } from './properties.ts';
import { putXattr } from './xattr-edit.ts';

const ACCESS_ACL = 'system.posix_acl_access';

const { get, set } = InodeItem;

/** Changes permission bits, owners and times. @throws FsError EPERM for immutable and append-only files, EROFS */
export function setAttributes(ip: BtrfsInode, change: AttrChange): void {
  refuseFixed(ip);
  refuseReadOnly(ip);
  // Linux changes only what it made up in memory.
  if (isPlaceholder(ip)) return;
  if (change.mode !== undefined && ip.kind === 'symlink') throw new FsError('EOPNOTSUPP');
  const acl = change.mode === undefined ? null : getXattr(ip, 'system', 'posix_acl_access');
  const { mp } = ip;
  withRoom(mp, () =>
    mp.change('setattr', 3, () => {
      const now = mp.now();
      if (acl !== null) rewriteAcl(ip, acl, change.mode as number);
      updateInode(ip, (view) => {
        set.mode(view, 0, newMode(ip, get.mode(view, 0), change));
        if (change.uid !== undefined) set.uid(view, 0, change.uid);
        if (change.gid !== undefined) set.gid(view, 0, change.gid);
        if (change.atime !== undefined) setTimes(view, change.atime, 'atime');
        if (change.mtime !== undefined) setTimes(view, change.mtime, 'mtime');
        set.sequence(view, 0, get.sequence(view, 0) + 1);
        setTimes(view, now, 'ctime');
      });
    }),
  );
}

function rewriteAcl(ip: BtrfsInode, value: Uint8Array, mode: number): void {
  const acl = decodeAcl(value);
  if (acl !== null) putXattr(ip, ACCESS_ACL, encodeAcl(chmodAcl(acl, mode)));
}

function newMode(ip: BtrfsInode, mode: number, change: AttrChange): number {
  if (change.mode !== undefined) return (mode & S_IFMT) | (change.mode & 0o7777);
  const owned = change.uid !== undefined || change.gid !== undefined;
  return owned && ip.kind !== 'dir' ? withoutSetId(mode) : mode;
}

/** A new owner takes set-user-id away, and set-group-id where the group may execute. */
function withoutSetId(mode: number): number {
  return mode & ~setIdBits(mode);
}

/** The FS_XFLAG_* bits that btrfs has, and the FS_*_FL bits for them. */
const FROM_XFLAGS: readonly (readonly [number, number])[] = [
  [0x8, FsFlag.IMMUTABLE],
  [0x10, FsFlag.APPEND],
  [0x20, FsFlag.SYNC],
  [0x40, FsFlag.NOATIME],
  [0x80, FsFlag.NODUMP],
];
const PLAIN_FLAGS: readonly (readonly [number, number])[] = [
  [FsFlag.SYNC, InodeFlag.SYNC],
  [FsFlag.IMMUTABLE, InodeFlag.IMMUTABLE],
  [FsFlag.APPEND, InodeFlag.APPEND],
  [FsFlag.NODUMP, InodeFlag.NODUMP],
  [FsFlag.NOATIME, InodeFlag.NOATIME],
];
const SETTABLE =
  FsFlag.IMMUTABLE |
  FsFlag.APPEND |
  FsFlag.NOATIME |
  FsFlag.NODUMP |
  FsFlag.SYNC |
  FsFlag.DIRSYNC |
  FsFlag.NOCOMP |
  FsFlag.COMPR |
  FsFlag.NOCOW;

/** Changes flags. @throws FsError EOPNOTSUPP for what btrfs has not, EINVAL for flags that exclude each other, EROFS */
export function setFileFlags(ip: BtrfsInode, change: FlagsChange): void {
  refuseReadOnly(ip);
  if (isPlaceholder(ip)) throw new FsError('ENOTTY');
  if (change.extsize || change.cowextsize || change.projid) throw new FsError('EOPNOTSUPP');
  if (change.fsflags !== undefined) setAllFlags(ip, change.fsflags);
  else if (change.xflags !== undefined) setXflags(ip, change.xflags);
}

/** FS_XFLAG_* of hints about sizes, which btrfs has none of. */
const HINTS = { EXTSIZE: 0x800, INHERIT: 0x1000, COWEXTSIZE: 0x10000 } as const;

/** FS_XFLAG_* that only report something: setting them is no mistake, and does nothing. */
const REPORTED = { PREALLOC: 0x2, HASATTR: 0x8000_0000 } as const;

/** FS_IOC_FSSETXATTR: only what its flags can say. */
function setXflags(ip: BtrfsInode, xflags: number): void {
  // What asks for a size that is nought asks for nothing.
  if ((xflags & HINTS.EXTSIZE) !== 0 && ip.kind !== 'file') throw new FsError('EINVAL');
  if ((xflags & HINTS.INHERIT) !== 0 && ip.kind !== 'dir') throw new FsError('EINVAL');
  xflags &= ~(HINTS.EXTSIZE | HINTS.INHERIT | HINTS.COWEXTSIZE | REPORTED.PREALLOC | REPORTED.HASATTR);
  const known = FROM_XFLAGS.reduce((all, [bit]) => all | bit, 0);
  if ((xflags & ~known) !== 0) throw new FsError('EOPNOTSUPP');
  let wanted = 0;
  for (const [bit, flag] of FROM_XFLAGS) if ((xflags & bit) !== 0) wanted |= flag;
  const before = fsFlags(ip);
  checkFlags(before, (before & ~(PLAIN_FLAGS.reduce((all, [flag]) => all | flag, 0) | FsFlag.VERITY)) | wanted);
  apply(ip, plainFlags(ip.flags, wanted), null);
}

/** FS_IOC_SETFLAGS: all of them. */
function setAllFlags(ip: BtrfsInode, fsflags: number): void {
  const wanted = forKind(ip, fsflags & ~(fsFlags(ip) & FsFlag.VERITY));
  checkFlags(fsFlags(ip), wanted);
  let flags = plainFlags(ip.flags, wanted) & ~InodeFlag.DIRSYNC;
  if ((wanted & FsFlag.DIRSYNC) !== 0) flags |= InodeFlag.DIRSYNC;
  flags = withNocow(ip, flags, (wanted & FsFlag.NOCOW) !== 0);
  flags &= ~(InodeFlag.COMPRESS | InodeFlag.NOCOMPRESS);
  if ((wanted & FsFlag.NOCOMP) !== 0) flags |= InodeFlag.NOCOMPRESS;
  else if ((wanted & FsFlag.COMPR) !== 0) flags |= InodeFlag.COMPRESS;
  const compression = (wanted & FsFlag.COMPR) !== 0 && (wanted & FsFlag.NOCOMP) === 0 ? compressionOf(ip) : '';
  apply(ip, flags, compression);
}

/** Flags that make no sense for a kind of file are left out, as Linux does. */
function forKind(ip: BtrfsInode, fsflags: number): number {
  if (ip.kind === 'dir') return fsflags;
  if (ip.kind === 'file') return fsflags & ~FsFlag.DIRSYNC;
  return fsflags & (FsFlag.NODUMP | FsFlag.NOATIME);
}

/** @throws FsError EOPNOTSUPP, EINVAL */
function checkFlags(before: number, wanted: number): void {
  if ((wanted & ~SETTABLE) !== 0) throw new FsError('EOPNOTSUPP');
  const compression = FsFlag.COMPR | FsFlag.NOCOMP;
  const both = (wanted & compression) === compression;
  if (both || ((wanted & FsFlag.COMPR) !== 0 && (wanted & FsFlag.NOCOW) !== 0)) throw new FsError('EINVAL');
  if ((before & FsFlag.NOCOW) !== 0 && (wanted & compression) !== 0) throw new FsError('EINVAL');
  if ((wanted & FsFlag.NOCOW) !== 0 && (before & compression) !== 0) throw new FsError('EINVAL');
}

function plainFlags(flags: number, wanted: number): number {
  let out = flags;
  for (const [flag, own] of PLAIN_FLAGS) out = (wanted & flag) !== 0 ? out | own : out & ~own;
  return out;
}

/** Whether data are copied on write can change only while a file is empty: its extents would have no checksums. */
function withNocow(ip: BtrfsInode, flags: number, wanted: boolean): number {
  if (ip.kind !== 'file') return wanted ? flags | InodeFlag.NODATACOW : flags & ~InodeFlag.NODATACOW;
  if (ip.size > 0) return flags;
  const both = InodeFlag.NODATACOW | InodeFlag.NODATASUM;
  return wanted ? flags | both : flags & ~both;
}

const NAMES: Readonly<Record<number, string>> = {
  [Compression.ZLIB]: 'zlib',
  [Compression.LZO]: 'lzo',
  [Compression.ZSTD]: 'zstd',
};

/** What chattr +c means: what the run was told, or zlib. */
function compressionOf(ip: BtrfsInode): string {
  return NAMES[compressOption(ip.mp.options)?.kind ?? Compression.ZLIB] ?? 'zlib';
}

/** Sets flags and, unless null, the property of compression that goes with them. */
function apply(ip: BtrfsInode, flags: number, compression: string | null): void {
  const { mp } = ip;
  const stampItem = (view: DataView): void => {
    set.flags(view, 0, flags >>> 0);
    set.sequence(view, 0, get.sequence(view, 0) + 1);
    setTimes(view, mp.now(), 'ctime');
  };
  withRoom(mp, () =>
    mp.change('chattr', 3, () => {
      if (compression === null) updateInode(ip, stampItem);
      else putCompression(ip, compression, stampItem);
    }),
  );
}
