/**
 * What stat(2), statx(2), FS_IOC_FSGETXATTR and FS_IOC_GETFLAGS say of an inode (kernel: ext4_getattr,
 * ext4_fileattr_get, ext4_inode_blocks, ext4_decode_extra_time).
 */
import { exactPos } from '../../core/positions.ts';
import type { Stat, Timestamp } from '../../core/vfs/inode.ts';
import type { Ext4Inode } from './inode.ts';
import { DiskInode, InodeFlag } from './structure/inode.ts';

/** The flags that FS_IOC_GETFLAGS shows: EXT4_FL_USER_VISIBLE. */
const VISIBLE = 0x725bdfff;

/** Compressed, encrypted and verity: what statx(2) tells beside what it tells of every file. */
const STATX_ATTRIBUTES = 0x100804;

/** FS_XFLAG_* by flag. */
const XFLAGS: readonly (readonly [number, number])[] = [
  [InodeFlag.IMMUTABLE, 0x8],
  [InodeFlag.APPEND, 0x10],
  [InodeFlag.SYNC, 0x20],
  [InodeFlag.NOATIME, 0x40],
  [InodeFlag.NODUMP, 0x80],
  [InodeFlag.PROJINHERIT, 0x200],
  [InodeFlag.DAX, 0x8000],
];

/** The inode's FS_*_FL bits as Linux shows them. */
export function fsFlags(ip: Ext4Inode): number {
  const shown = ip.flags & VISIBLE;
  return ip.kind === 'file' ? shown & ~InodeFlag.PROJINHERIT : shown;
}

/** The inode's FS_XFLAG_* bits. */
export function inodeXflags(ip: Ext4Inode): number {
  const flags = fsFlags(ip);
  let out = 0;
  for (const [flag, xflag] of XFLAGS) if ((flags & flag) !== 0) out |= xflag;
  return out;
}

export function inodeStat(ip: Ext4Inode): Stat {
  const { view, base, kind, mp } = ip;
  const get = DiskInode.get;
  const special = kind === 'char' || kind === 'block';
  return {
    ino: ip.ino,
    kind,
    mode: get.mode(view, base) & 0o7777,
    nlink: get.links_count(view, base),
    uid: get.uid_high(view, base) * 0x10000 + get.uid(view, base),
    gid: get.gid_high(view, base) * 0x10000 + get.gid(view, base),
    size: kind === 'symlink' && ip.has('ENCRYPT') ? ip.readlink().length : exactPos(ip.size),
    blocks: inodeSectors(ip) + inlineSectors(ip),
    blockSize: mp.blockSize,
    atime: time(get.atime(view, base), ip.extra('atime_extra')),
    mtime: time(get.mtime(view, base), ip.extra('mtime_extra')),
    ctime: time(get.ctime(view, base), ip.extra('ctime_extra')),
    btime: ip.hasExtra('crtime') ? time(ip.extra('crtime'), ip.extra('crtime_extra')) : null,
    rdev: special ? deviceNumber(view.getUint32(ip.blockAt, true), view.getUint32(ip.blockAt + 4, true)) : null,
    generation: ip.generation,
    xflags: inodeXflags(ip),
    fsflags: fsFlags(ip),
    attributes: STATX_ATTRIBUTES,
    extsize: 0,
    cowextsize: 0,
    projid: mp.roCompat('project') ? ip.extra('projid') : 0,
    nextents: 0,
    naextents: 0,
    directUnit: 512,
  };
}

/** Sectors of 512 bytes that belong to the inode. */
export function inodeSectors(ip: Ext4Inode): number {
  const { view, base, mp } = ip;
  const low = DiskInode.get.blocks_lo(view, base);
  if (!mp.roCompat('huge_file')) return low;
  const count = DiskInode.get.blocks_high(view, base) * 2 ** 32 + low;
  return ip.has('HUGE_FILE') ? count * (mp.blockSize / 512) : count;
}

/** A file without blocks whose bytes lie in the inode still looks as if it had some, for tools that skip holes. */
function inlineSectors(ip: Ext4Inode): number {
  return ip.kind === 'file' && ip.has('INLINE_DATA') ? Math.ceil(ip.size / 512) : 0;
}

/** 32 bits of seconds, signed; two more and the nanoseconds in the upper 30 bits of `extra`. */
function time(seconds: number, extra: number): Timestamp {
  return { seconds: (seconds | 0) + (extra & 3) * 2 ** 32, nanoseconds: extra >>> 2 };
}

/** The first number, in the old form of 8 and 8 bits, if it is not 0; the second has 12 bits of major and 20 of minor. */
function deviceNumber(old: number, fresh: number): { major: number; minor: number } {
  if (old !== 0) return { major: (old >>> 8) & 0xff, minor: old & 0xff };
  return { major: (fresh >>> 8) & 0xfff, minor: (fresh & 0xff) + ((fresh >>> 12) & 0xfff00) };
}
