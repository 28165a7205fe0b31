/**
 * chmod, chown, utimes, chattr, extent size hints and project (kernel: notify_change, xfs_setattr_nonsize,
 * xfs_fileattr_set and the checks that they share).
 */

import { FsError } from '../../../core/errors.ts';
import type { AttrChange, FlagsChange } from '../../../core/vfs/inode.ts';
import { S_IFMT, setIdBits } from '../../../core/vfs/mode.ts';
import { aclForMode, keepAccessAcl } from '../attr/set-acl.ts';
import type { XfsInode } from '../inode.ts';
import { inodeFlags, inodeFlags2, setFlags2, setTimes } from '../inode-core.ts';
import { inodeXflags as xflagsOf } from '../stat.ts';
import { DiFlag, DiFlag2, Dinode } from '../structure/dinode.ts';
import type { Trans } from '../trans.ts';
import { validHint } from './inode-init.ts';
import { projectOf, refuseFixed } from './may.ts';

/** Changes permission bits, owners and times. @throws FsError EPERM for immutable and append-only files */
export function setAttributes(ip: XfsInode, change: AttrChange): void {
  refuseFixed(ip);
  const acl = change.mode === undefined ? null : aclForMode(ip, change.mode);
  ip.mp.transact('setattr', (tp) => {
    giveFreely(tp);
    tp.modifyInode(ip, 'core');
    const { view } = ip.buf;
    let mode = ip.mode;
    if (change.mode !== undefined) mode = (mode & S_IFMT) | (change.mode & 0o7777);
    if (change.uid !== undefined || change.gid !== undefined) {
      if (change.uid !== undefined) Dinode.set.uid(view, ip.base, change.uid);
      if (change.gid !== undefined) Dinode.set.gid(view, ip.base, change.gid);
      if (ip.kind !== 'dir' && change.mode === undefined) mode = withoutSetId(mode);
    }
    Dinode.set.mode(view, ip.base, mode);
    if (change.atime !== undefined) setTimes(ip, change.atime, 'atime');
    if (change.mtime !== undefined) setTimes(ip, change.mtime, 'mtime');
    setTimes(ip, ip.mp.options.now(), 'ctime');
    if (acl !== null) keepAccessAcl(tp, ip, acl);
  });
}

/** Root gives files to whom it will, limits or not. */
function giveFreely(tp: Trans): void {
  if (tp.mp.options.owner.uid === 0) tp.beyondLimits = true;
}

/** A new owner takes set-user-id away, and set-group-id where the group may execute. */
function withoutSetId(mode: number): number {
  return mode & ~setIdBits(mode);
}

const XFLAG = {
  REALTIME: 0x1,
  RTINHERIT: 0x100,
  EXTSIZE: 0x800,
  EXTSZINHERIT: 0x1000,
  DAX: 0x8000,
  COWEXTSIZE: 0x10000,
} as const;

/** FS_XFLAG_* to DIFLAG_*: on every file, on directories, on regular files. */
const COMMON: readonly (readonly [number, number])[] = [
  [0x8, DiFlag.IMMUTABLE],
  [0x10, DiFlag.APPEND],
  [0x20, DiFlag.SYNC],
  [0x40, DiFlag.NOATIME],
  [0x80, DiFlag.NODUMP],
  [0x2000, DiFlag.NODEFRAG],
  [0x4000, DiFlag.FILESTREAM],
];
const DIRECTORY: readonly (readonly [number, number])[] = [
  [XFLAG.RTINHERIT, DiFlag.RTINHERIT],
  [0x200, DiFlag.PROJINHERIT],
  [0x400, DiFlag.NOSYMLINKS],
  [0x1000, DiFlag.EXTSZINHERIT],
];
const REGULAR: readonly (readonly [number, number])[] = [
  [XFLAG.REALTIME, DiFlag.REALTIME],
  [XFLAG.EXTSIZE, DiFlag.EXTSIZE],
];

/** Changes flags, extent size hints and project. @throws FsError EINVAL, as Linux does for what does not fit the file */
export function setFileFlags(ip: XfsInode, change: FlagsChange): void {
  const { mp } = ip;
  const { view } = ip.buf;
  const extsize = change.extsize ?? Dinode.get.extsize(view, ip.base) * mp.blockSize;
  const cowextsize = change.cowextsize ?? (ip.version < 3 ? 0 : Dinode.get.cowextsize(view, ip.base) * mp.blockSize);
  const asked = (change.xflags ?? xflagsOf(ip)) >>> 0;
  checkKind(ip, asked);
  // A hint of nothing turns its flags off.
  let wanted = asked;
  if (extsize === 0) wanted &= ~(XFLAG.EXTSIZE | XFLAG.EXTSZINHERIT);
  if (cowextsize === 0) wanted &= ~XFLAG.COWEXTSIZE;
  checkHints(ip, wanted, extsize, cowextsize);
  const project = change.projid ?? projectOf(ip);
  if (project > 0xffff && !mp.features.projid32) throw new FsError('EINVAL');
  ip.mp.transact('chattr', (tp) => {
    giveFreely(tp);
    applyFlags(tp, ip, wanted, extsize, cowextsize, project);
  });
}

function checkKind(ip: XfsInode, xflags: number): void {
  const { kind } = ip;
  if ((xflags & XFLAG.EXTSIZE) !== 0 && kind !== 'file') throw new FsError('EINVAL');
  if ((xflags & XFLAG.EXTSZINHERIT) !== 0 && kind !== 'dir') throw new FsError('EINVAL');
  if ((xflags & (XFLAG.COWEXTSIZE | XFLAG.DAX)) !== 0 && kind !== 'file' && kind !== 'dir') throw new FsError('EINVAL');
  const realtime = (xflags & XFLAG.REALTIME) !== 0;
  if (realtime !== ip.realtime && kind === 'file' && (ip.dataFork.nextents > 0 || ip.delalloc.size > 0))
    throw new FsError('EINVAL');
  if (!realtime) return;
  const { mp } = ip;
  if (!mp.features.realtime || Dinode.get.extsize(ip.buf.view, ip.base) % mp.rtExtSize !== 0)
    throw new FsError('EINVAL');
}

function checkHints(ip: XfsInode, xflags: number, extsize: number, cowextsize: number): void {
  const { mp } = ip;
  const blocks = extsize / mp.blockSize;
  const now = Dinode.get.extsize(ip.buf.view, ip.base);
  if (ip.kind === 'file' && (ip.dataFork.nextents > 0 || ip.delalloc.size > 0) && blocks !== now)
    throw new FsError('EINVAL');
  const hinted = (xflags & (XFLAG.EXTSIZE | XFLAG.EXTSZINHERIT)) !== 0;
  const realtime = (xflags & XFLAG.REALTIME) !== 0;
  if (hinted && (extsize % mp.blockSize !== 0 || !validHint(ip, blocks, realtime))) throw new FsError('EINVAL');
  // What a directory gives to realtime files must fit them.
  if (hinted && (xflags & XFLAG.RTINHERIT) !== 0 && blocks % mp.rtExtSize !== 0) throw new FsError('EINVAL');
  if ((xflags & XFLAG.COWEXTSIZE) === 0) return;
  if (!mp.features.reflink || ip.version < 3 || ip.realtime) throw new FsError('EINVAL');
  if (cowextsize % mp.blockSize !== 0 || !validHint(ip, cowextsize / mp.blockSize, false)) throw new FsError('EINVAL');
}

function applyFlags(
  tp: Trans,
  ip: XfsInode,
  xflags: number,
  extsize: number,
  cowextsize: number,
  project: number,
): void {
  tp.modifyInode(ip, 'core');
  const { view } = ip.buf;
  const { blockSize } = ip.mp;
  let flags = inodeFlags(ip) & DiFlag.PREALLOC;
  const tables = [COMMON, ...(ip.kind === 'dir' ? [DIRECTORY] : []), ...(ip.kind === 'file' ? [REGULAR] : [])];
  for (const table of tables) for (const [xflag, diflag] of table) if ((xflags & xflag) !== 0) flags |= diflag;
  Dinode.set.flags(view, ip.base, flags);
  const hinted = (flags & (DiFlag.EXTSIZE | DiFlag.EXTSZINHERIT)) !== 0;
  Dinode.set.extsize(view, ip.base, hinted ? extsize / blockSize : 0);
  if (ip.version >= 3) {
    let flags2 = inodeFlags2(ip) & (DiFlag2.REFLINK | DiFlag2.BIGTIME | DiFlag2.NREXT64);
    if ((xflags & XFLAG.DAX) !== 0) flags2 |= DiFlag2.DAX;
    if ((xflags & XFLAG.COWEXTSIZE) !== 0) flags2 |= DiFlag2.COWEXTSIZE;
    setFlags2(ip, flags2);
    Dinode.set.cowextsize(view, ip.base, (flags2 & DiFlag2.COWEXTSIZE) !== 0 ? cowextsize / blockSize : 0);
  }
  Dinode.set.projid_lo(view, ip.base, project & 0xffff);
  Dinode.set.projid_hi(view, ip.base, project >>> 16);
  setTimes(ip, ip.mp.options.now(), 'ctime');
}
