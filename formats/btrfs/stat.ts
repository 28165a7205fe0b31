/**
 * What stat(2), statx(2), FS_IOC_FSGETXATTR and FS_IOC_GETFLAGS say of an inode (kernel: btrfs_getattr,
 * btrfs_inode_flags_to_fsflags, fileattr_fill_flags).
 */
import { exactPos } from '../../core/positions.ts';
import { roundUp } from '../../core/units.ts';
import { kindOfMode } from '../../core/vfs/file-kind.ts';
import type { Stat, Timestamp } from '../../core/vfs/inode.ts';
import type { BtrfsInode } from './inode.ts';
import { INODE_RO_VERITY, InodeFlag, InodeItem } from './structure/inode.ts';
import { delayedBytes } from './write-state.ts';

/** FS_*_FL bits (include/uapi/linux/fs.h) that btrfs has. */
export const FsFlag = {
  COMPR: 0x4,
  SYNC: 0x8,
  IMMUTABLE: 0x10,
  APPEND: 0x20,
  NODUMP: 0x40,
  NOATIME: 0x80,
  NOCOMP: 0x400,
  DIRSYNC: 0x10000,
  VERITY: 0x100000,
  NOCOW: 0x800000,
} as const;

const FS_FLAGS: readonly (readonly [number, number])[] = [
  [InodeFlag.SYNC, FsFlag.SYNC],
  [InodeFlag.IMMUTABLE, FsFlag.IMMUTABLE],
  [InodeFlag.APPEND, FsFlag.APPEND],
  [InodeFlag.NODUMP, FsFlag.NODUMP],
  [InodeFlag.NOATIME, FsFlag.NOATIME],
  [InodeFlag.DIRSYNC, FsFlag.DIRSYNC],
  [InodeFlag.NODATACOW, FsFlag.NOCOW],
];

/** The few of them that FS_XFLAG_* can say. */
const XFLAGS: readonly (readonly [number, number])[] = [
  [InodeFlag.IMMUTABLE, 0x8],
  [InodeFlag.APPEND, 0x10],
  [InodeFlag.SYNC, 0x20],
  [InodeFlag.NOATIME, 0x40],
  [InodeFlag.NODUMP, 0x80],
];

function translate(flags: number, table: readonly (readonly [number, number])[]): number {
  let out = 0;
  for (const [own, linux] of table) if ((flags & own) !== 0) out |= linux;
  return out;
}

/** The inode's FS_*_FL bits. */
export function fsFlags(ip: BtrfsInode): number {
  const { flags } = ip;
  let out = translate(flags, FS_FLAGS);
  if ((InodeItem.get.ro_flags(ip.item, 0) & INODE_RO_VERITY) !== 0) out |= FsFlag.VERITY;
  if ((flags & InodeFlag.NOCOMPRESS) !== 0) out |= FsFlag.NOCOMP;
  else if ((flags & InodeFlag.COMPRESS) !== 0) out |= FsFlag.COMPR;
  return out;
}

export function inodeStat(ip: BtrfsInode): Stat {
  const { item, mp } = ip;
  const get = InodeItem.get;
  const mode = get.mode(item, 0);
  const kind = kindOfMode(mode);
  const special = kind === 'char' || kind === 'block';
  return {
    ino: ip.ino,
    kind,
    mode: mode & 0o7777,
    nlink: get.nlink(item, 0),
    uid: get.uid(item, 0),
    gid: get.gid(item, 0),
    size: exactPos(ip.size),
    blocks: (roundUp(ip.nbytes, mp.sectorSize) + delayedBytes(ip)) / 512,
    blockSize: mp.sectorSize,
    atime: time(get.atime(item, 0)),
    mtime: time(get.mtime(item, 0)),
    ctime: time(get.ctime(item, 0)),
    btime: time(get.otime(item, 0)),
    rdev: special ? deviceNumber(get.rdev(item, 0)) : null,
    // ioctl(FS_IOC_GETVERSION) has 32 bits for it.
    generation: ip.generation % 2 ** 32,
    xflags: inodeXflags(ip),
    fsflags: fsFlags(ip),
    extsize: 0,
    cowextsize: 0,
    projid: 0,
    nextents: 0,
    naextents: 0,
    directUnit: mp.sectorSize,
  };
}

/** The inode's FS_XFLAG_* bits. */
export function inodeXflags(ip: BtrfsInode): number {
  return translate(ip.flags, XFLAGS);
}

function time({ sec, nsec }: { readonly sec: number | bigint; readonly nsec: number }): Timestamp {
  return { seconds: sec, nanoseconds: nsec };
}

/** The kernel's own form: 12 bits of major before 20 of minor. */
function deviceNumber(rdev: number): { major: number; minor: number } {
  return { major: Math.floor(rdev / 0x100000) % 0x1000, minor: rdev % 0x100000 };
}

/** The form in which the tree keeps a device number. */
export function encodeDevice(major: number, minor: number): number {
  return major * 0x100000 + minor;
}
