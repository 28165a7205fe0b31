/**
 * The first bytes of a new inode, and the small changes of link count and times that every name operation makes
 * (kernel: xfs_inode_util.c: xfs_inode_init, xfs_inode_inherit_flags, xfs_droplink, xfs_bumplink).
 */

import { FsError } from '../../../core/errors.ts';
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  S_ISGID,
} from '../../../core/vfs/mode.ts';
import { noteAttributes } from '../attr/feature.ts';
import type { XfsInode } from '../inode.ts';
import { setTimes } from '../inode-core.ts';
import { linkCount } from '../stat.ts';
import { DINODE_MAGIC, DiFlag, DiFlag2, Dinode, dinodeFlags2, ForkFormat, MAXLINK } from '../structure/dinode.ts';
import { DirFtype } from '../structure/dir.ts';
import type { Trans } from '../trans.ts';

/** What a new inode shall be. */
export interface NewInode {
  /** Type and permission bits, umask already applied. */
  readonly mode: number;
  readonly nlink: number;
  /** On-disk device number of device nodes. */
  readonly rdev?: number;
}

const FTYPES: Readonly<Record<number, number>> = {
  [S_IFIFO]: DirFtype.FIFO,
  [S_IFCHR]: DirFtype.CHRDEV,
  [S_IFDIR]: DirFtype.DIR,
  [S_IFBLK]: DirFtype.BLKDEV,
  [S_IFREG]: DirFtype.REG_FILE,
  [S_IFLNK]: DirFtype.SYMLINK,
  [S_IFSOCK]: DirFtype.SOCK,
};

/** The file type that a directory entry records for a mode. */
export function ftypeOfMode(mode: number): number {
  return FTYPES[mode & S_IFMT] ?? DirFtype.UNKNOWN;
}

/** True for inodes whose data fork is a device number or nothing. */
function isSpecial(mode: number): boolean {
  const type = mode & S_IFMT;
  return type === S_IFIFO || type === S_IFCHR || type === S_IFBLK || type === S_IFSOCK;
}

/**
 * Where the attribute fork starts when nothing else decides, in bytes (kernel: xfs_default_attroffset): room for six
 * minimal btree records of the data fork, or of the attribute fork in the smallest inodes.
 */
export function defaultForkOffset(ip: XfsInode): number {
  if (ip.dataFork.format === 'dev') return 8;
  const literal = ip.mp.inodeSize - ip.coreSize;
  const offset = ip.mp.inodeSize === 256 ? literal - (4 + 2 * 16) : 4 + 12 * 16;
  return offset - (offset % 8);
}

/** Fills the inode that allocInode gave. The fork of a directory or symlink is still empty after it. */
export function initInode(tp: Trans, ip: XfsInode, parent: XfsInode, wanted: NewInode): void {
  tp.modifyInode(ip);
  const { mp, base } = ip;
  const { view, bytes } = ip.buf;
  const { v5 } = mp.features;
  const generation = v5 ? randomGeneration(ip) : Dinode.get.gen(view, base);
  // Recovery passes over what the log has of a version 2 inode that counts fewer flushes than the one on disk.
  const flushes = v5 ? 0 : Dinode.get.flushiter(view, base);
  const now = mp.options.now();
  bytes.fill(0, base, base + mp.inodeSize);
  const set = Dinode.set;
  set.magic(view, base, DINODE_MAGIC);
  set.version(view, base, v5 ? 3 : 2);
  set.mode(view, base, ownMode(parent, wanted.mode));
  set.format(view, base, isSpecial(wanted.mode) ? ForkFormat.DEV : ForkFormat.EXTENTS);
  set.aformat(view, base, ForkFormat.EXTENTS);
  set.uid(view, base, mp.options.owner.uid);
  set.gid(view, base, isSetgid(parent) ? Dinode.get.gid(parent.buf.view, parent.base) : mp.options.owner.gid);
  set.nlink(view, base, wanted.nlink);
  set.gen(view, base, generation);
  if (!v5) set.flushiter(view, base, flushes);
  set.next_unlinked(view, base, 0xffffffff);
  if (v5) {
    set.changecount(view, base, 1n);
    set.ino(view, base, ip.ino);
    bytes.set(mp.uuid, base + Dinode.at.uuid);
    const flags2 = (mp.features.bigtime ? DiFlag2.BIGTIME : 0) | (mp.features.nrext64 ? DiFlag2.NREXT64 : 0);
    view.setUint32(base + Dinode.at.flags2 + 4, flags2);
  }
  setTimes(ip, now, 'atime', 'mtime', 'ctime');
  if (v5) setTimes(ip, now, 'crtime');
  if (isSpecial(wanted.mode)) view.setUint32(ip.dataFork.start, wanted.rdev ?? 0);
  inheritProject(ip, parent);
  const type = wanted.mode & S_IFMT;
  // Linux with security modules gives every new inode but a symlink an empty attribute fork at once.
  // A file without a name gets it with its first attribute.
  if ((mp.features.attr || v5) && type !== S_IFLNK && wanted.nlink > 0) {
    set.forkoff(view, base, defaultForkOffset(ip) / 8);
    noteAttributes(tp, mp);
  }
  if (type === S_IFREG || type === S_IFDIR) inheritFlags(ip, parent, type === S_IFDIR);
}

/** The number that tells this use of the inode from earlier ones. */
function randomGeneration(ip: XfsInode): number {
  return Math.floor(ip.mp.options.random() * 0x1_0000_0000) >>> 0;
}

function isSetgid(parent: XfsInode): boolean {
  return (parent.mode & S_ISGID) !== 0;
}

/** Directories below a setgid directory are setgid too. */
function ownMode(parent: XfsInode, mode: number): number {
  return isSetgid(parent) && (mode & S_IFMT) === S_IFDIR ? mode | S_ISGID : mode;
}

function inheritProject(ip: XfsInode, parent: XfsInode): void {
  if ((Dinode.get.flags(parent.buf.view, parent.base) & DiFlag.PROJINHERIT) === 0) return;
  Dinode.set.projid_lo(ip.buf.view, ip.base, Dinode.get.projid_lo(parent.buf.view, parent.base));
  Dinode.set.projid_hi(ip.buf.view, ip.base, Dinode.get.projid_hi(parent.buf.view, parent.base));
}

const INHERITED =
  DiFlag.NOATIME | DiFlag.NODUMP | DiFlag.SYNC | DiFlag.NOSYMLINKS | DiFlag.NODEFRAG | DiFlag.FILESTREAM;

function inheritFlags(ip: XfsInode, parent: XfsInode, directory: boolean): void {
  const { view } = ip.buf;
  const from = Dinode.get.flags(parent.buf.view, parent.base);
  const extsize = Dinode.get.extsize(parent.buf.view, parent.base);
  let flags = from & INHERITED;
  if ((from & DiFlag.RTINHERIT) !== 0) {
    if (directory) flags |= DiFlag.RTINHERIT;
    else if (ip.mp.features.realtime) flags |= DiFlag.REALTIME;
  }
  if (directory) flags |= from & DiFlag.PROJINHERIT;
  const realtime = (flags & DiFlag.REALTIME) !== 0;
  if ((from & DiFlag.EXTSZINHERIT) !== 0 && extsize > 0 && validHint(ip, extsize, realtime)) {
    flags |= directory ? DiFlag.EXTSZINHERIT : DiFlag.EXTSIZE;
    Dinode.set.extsize(view, ip.base, extsize);
  }
  Dinode.set.flags(view, ip.base, flags);
  if (ip.version < 3) return;
  const from2 = dinodeFlags2(parent.buf.view, parent.base);
  let flags2 = dinodeFlags2(view, ip.base) | (from2 & DiFlag2.DAX);
  const cow = Dinode.get.cowextsize(parent.buf.view, parent.base);
  if ((from2 & DiFlag2.COWEXTSIZE) !== 0 && ip.mp.features.reflink && cow > 0 && validHint(ip, cow, false)) {
    flags2 |= DiFlag2.COWEXTSIZE;
    Dinode.set.cowextsize(view, ip.base, cow);
  }
  view.setUint32(ip.base + Dinode.at.flags2 + 4, flags2);
}

const MAX_EXTENT = 0x1fffff;

/** An extent size hint in blocks that Linux would accept, for data on the realtime device if so. */
export function validHint(ip: XfsInode, blocks: number, realtime: boolean): boolean {
  if (realtime) return blocks <= MAX_EXTENT && blocks % ip.mp.rtExtSize === 0;
  return blocks <= MAX_EXTENT && blocks <= ip.mp.agBlocks / 2;
}

/** The inode has these times now. */
export function stamp(tp: Trans, ip: XfsInode, ...names: ('atime' | 'mtime' | 'ctime')[]): void {
  tp.modifyInode(ip, 'core');
  setTimes(ip, ip.mp.options.now(), ...names);
}

/** Adds to the number of names and sets ctime. @throws FsError EMLINK */
export function addLinks(tp: Trans, ip: XfsInode, change: number): number {
  tp.modifyInode(ip, 'core');
  const count = linkCount(ip) + change;
  const { view } = ip.buf;
  if (count > MAXLINK || (ip.version === 1 && count > 0xffff && !ip.mp.features.nlink)) throw new FsError('EMLINK');
  if (ip.version === 1) {
    // A version 1 inode becomes version 2 when it is written where the image may have those.
    Dinode.set.version(view, ip.base, 2);
    Dinode.set.onlink(view, ip.base, 0);
  }
  Dinode.set.nlink(view, ip.base, Math.max(0, count));
  setTimes(ip, ip.mp.options.now(), 'ctime');
  return count;
}
