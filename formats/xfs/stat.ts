/** What stat(2), statx(2) and FS_IOC_FSGETXATTR say of an inode (kernel: xfs_vn_getattr, xfs_fill_fsxattr). */
import { exactPos } from '../../core/positions.ts';
import { kindOfMode } from '../../core/vfs/file-kind.ts';
import type { Stat } from '../../core/vfs/inode.ts';
import type { ForkWindow, XfsInode } from './inode.ts';
import { isReflinked } from './inode-core.ts';
import { DiFlag, DiFlag2, Dinode, dinodeFlags2, readTimestamp } from './structure/dinode.ts';

/** FS_XFLAG_* by DIFLAG, in order of the bits of `flags`. */
const XFLAGS: readonly (readonly [number, number])[] = [
  [DiFlag.REALTIME, 0x1],
  [DiFlag.PREALLOC, 0x2],
  [DiFlag.IMMUTABLE, 0x8],
  [DiFlag.APPEND, 0x10],
  [DiFlag.SYNC, 0x20],
  [DiFlag.NOATIME, 0x40],
  [DiFlag.NODUMP, 0x80],
  [DiFlag.RTINHERIT, 0x100],
  [DiFlag.PROJINHERIT, 0x200],
  [DiFlag.NOSYMLINKS, 0x400],
  [DiFlag.EXTSIZE, 0x800],
  [DiFlag.EXTSZINHERIT, 0x1000],
  [DiFlag.NODEFRAG, 0x2000],
  [DiFlag.FILESTREAM, 0x4000],
];
const XFLAG_DAX = 0x8000;
const XFLAG_COWEXTSIZE = 0x10000;
const XFLAG_HASATTR = 0x80000000;

/** The inode's FS_XFLAG_* bits. */
export function inodeXflags(ip: XfsInode): number {
  const flags = Dinode.get.flags(ip.buf.view, ip.base);
  const flags2 = dinodeFlags2(ip.buf.view, ip.base);
  let out = 0;
  if (flags !== 0) for (const [flag, xflag] of XFLAGS) if ((flags & flag) !== 0) out += xflag;
  if ((flags2 & DiFlag2.DAX) !== 0) out += XFLAG_DAX;
  if ((flags2 & DiFlag2.COWEXTSIZE) !== 0) out += XFLAG_COWEXTSIZE;
  if (ip.hasAttrFork) out += XFLAG_HASATTR;
  return out;
}

/** Links to the inode; v1 inodes count them in 16 bits elsewhere. */
export function linkCount(ip: XfsInode): number {
  const { view } = ip.buf;
  return ip.version === 1 ? Dinode.get.onlink(view, ip.base) : Dinode.get.nlink(view, ip.base);
}

export function inodeStat(ip: XfsInode): Stat {
  const { view } = ip.buf;
  const { base, mp } = ip;
  const get = Dinode.get;
  const v3 = ip.version >= 3;
  const flags2 = dinodeFlags2(view, base);
  const bigtime = (flags2 & DiFlag2.BIGTIME) !== 0;
  const mode = get.mode(view, base);
  const kind = kindOfMode(mode);
  const state = mp.inodes.peekState(ip.ino);
  const delayed = state?.reserves ? state.delalloc.blocks + state.cow.blocks : 0;
  const special = kind === 'char' || kind === 'block';
  return {
    ino: ip.ino,
    kind,
    mode: mode & 0o7777,
    nlink: linkCount(ip),
    uid: get.uid(view, base),
    gid: get.gid(view, base),
    size: exactPos(ip.size),
    blocks: (get.nblocks(view, base) + delayed) * (mp.blockSize / 512),
    blockSize: special ? 4096 : preferredSize(ip),
    atime: readTimestamp(view, base + Dinode.at.atime, bigtime),
    mtime: readTimestamp(view, base + Dinode.at.mtime, bigtime),
    ctime: readTimestamp(view, base + Dinode.at.ctime, bigtime),
    btime: v3 ? readTimestamp(view, base + Dinode.at.crtime, bigtime) : null,
    rdev: special ? deviceNumber(ip) : null,
    generation: get.gen(view, base),
    xflags: inodeXflags(ip),
    extsize: extentSizeHint(ip) * mp.blockSize,
    cowextsize: (flags2 & DiFlag2.COWEXTSIZE) !== 0 ? get.cowextsize(view, base) * mp.blockSize : 0,
    projid: ip.version === 1 ? 0 : get.projid_hi(view, base) * 0x10000 + get.projid_lo(view, base),
    nextents: forkExtents(ip.dataFork, ip.size) + (state?.reserves ? state.delalloc.size : 0),
    naextents: ip.hasAttrFork ? forkExtents(ip.attrFork, view.getUint16(ip.attrFork.start)) : 0,
    directUnit: isReflinked(ip) ? mp.blockSize : 512,
  };
}

/**
 * The extent count that FSGETXATTR shows. Of a fork that lies in the inode Linux shows its bytes divided by the size
 * of a record in memory (kernel: xfs_iext_count).
 */
function forkExtents(fork: ForkWindow, inlineBytes: number): number {
  return fork.format === 'local' ? Math.floor(inlineBytes / 16) : fork.nextents;
}

/** The hint that FSGETXATTR shows, in blocks. */
function extentSizeHint(ip: XfsInode): number {
  const flags = Dinode.get.flags(ip.buf.view, ip.base);
  if ((flags & (DiFlag.EXTSIZE | DiFlag.EXTSZINHERIT)) === 0) return 0;
  return Dinode.get.extsize(ip.buf.view, ip.base);
}

function preferredSize(ip: XfsInode): number {
  if (!ip.realtime) return Math.max(4096, ip.mp.blockSize);
  return (extentSizeHint(ip) || ip.mp.rtExtSize) * ip.mp.blockSize;
}

/** The device number at the start of the data fork: 14 bits of major, 18 of minor. */
function deviceNumber(ip: XfsInode): { major: number; minor: number } {
  const dev = ip.buf.view.getUint32(ip.dataFork.start);
  return { major: (dev >>> 18) & 0x1ff, minor: dev & 0x3ffff };
}
