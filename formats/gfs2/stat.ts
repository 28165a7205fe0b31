/** What stat(2), statx(2) and FS_IOC_GETFLAGS say of an inode (kernel: gfs2_getattr, gfs2_fileattr_get). */
import { corrupt } from '../../core/errors.ts';
import { exactPos, slim } from '../../core/positions.ts';
import type { Stat, Timestamp } from '../../core/vfs/inode.ts';
import type { Gfs2Inode } from './inode.ts';
import { Dinode, DinodeFlag } from './structure/dinode.ts';

/** FS_*_FL and, where it has one, FS_XFLAG_* by flag. */
const FLAGS: readonly (readonly [flag: number, fsflag: number, xflag: number])[] = [
  [DinodeFlag.SYNC, 0x8, 0x20],
  [DinodeFlag.IMMUTABLE, 0x10, 0x8],
  [DinodeFlag.APPENDONLY, 0x20, 0x10],
  [DinodeFlag.NOATIME, 0x80, 0x40],
  [DinodeFlag.EXHASH, 0x1000, 0],
  [DinodeFlag.TOPDIR, 0x20000, 0],
];
const FS_JOURNAL_DATA_FL = 0x4000;

/** The inode's FS_*_FL bits as Linux shows them. */
export function fsFlags(ip: Gfs2Inode): number {
  const { flags } = ip;
  let out = 0;
  for (const [flag, fsflag] of FLAGS) if ((flags & flag) !== 0) out |= fsflag;
  // Of a directory JDATA says how its own table is kept.
  const journaled = ip.kind === 'dir' ? DinodeFlag.INHERIT_JDATA : DinodeFlag.JDATA;
  return (flags & journaled) !== 0 ? out | FS_JOURNAL_DATA_FL : out;
}

/** The inode's FS_XFLAG_* bits. */
export function inodeXflags(ip: Gfs2Inode): number {
  const { flags } = ip;
  let out = 0;
  for (const [flag, , xflag] of FLAGS) if ((flags & flag) !== 0) out |= xflag;
  return out;
}

export function inodeStat(ip: Gfs2Inode): Stat {
  const { view, kind, mp } = ip;
  const get = Dinode.get;
  const special = kind === 'char' || kind === 'block';
  return {
    ino: ip.ino,
    kind,
    mode: get.di_mode(view, 0) & 0o7777,
    nlink: get.di_nlink(view, 0),
    uid: get.di_uid(view, 0),
    gid: get.di_gid(view, 0),
    size: exactPos(ip.size),
    blocks: countedBlocks(ip) * (mp.blockSize / 512),
    blockSize: mp.blockSize,
    atime: time(view, Dinode.at.di_atime, Dinode.at.di_atime_nsec),
    mtime: time(view, Dinode.at.di_mtime, Dinode.at.di_mtime_nsec),
    ctime: time(view, Dinode.at.di_ctime, Dinode.at.di_ctime_nsec),
    btime: null,
    rdev: special ? { major: get.di_major(view, 0), minor: get.di_minor(view, 0) } : null,
    generation: Number(get.di_generation(view, 0) & 0xffffffffn),
    xflags: inodeXflags(ip),
    fsflags: fsFlags(ip),
    extsize: 0,
    cowextsize: 0,
    projid: 0,
    nextents: 0,
    naextents: 0,
    directUnit: 512,
  };
}

/** Blocks that belong to the inode: the dinode, its tree, its attributes. @throws FsError EUCLEAN for more than there are */
export function countedBlocks(ip: Gfs2Inode): number {
  const count = Dinode.get.di_blocks(ip.view, 0);
  if (count <= ip.mp.blocks) return count;
  throw corrupt({
    structure: `inode ${ip.ino}`,
    addr: ip.buf.addr,
    offset: Dinode.at.di_blocks,
    field: 'di_blocks',
    value: String(count),
    rule: `> ${ip.mp.blocks}, all blocks of the device`,
  });
}

function time(view: DataView, at: number, nsecAt: number): Timestamp {
  return { seconds: seconds(view.getBigInt64(at)), nanoseconds: view.getUint32(nsecAt) };
}

function seconds(value: bigint): number | bigint {
  return value < -(2n ** 53n) ? value : slim(value);
}
