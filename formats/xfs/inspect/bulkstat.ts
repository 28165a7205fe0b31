/**
 * What XFS_IOC_BULKSTAT and XFS_IOC_INUMBERS answer, for all inodes in the order of their numbers (kernel:
 * xfs_itable.c). Inodes of the file system's own (quota, realtime maps, the metadata directory) are passed over, as
 * Linux does; health is what an unmounted image has: nothing was checked yet.
 */

import { FsError } from '../../../core/errors.ts';
import { exactPos } from '../../../core/positions.ts';
import type { XfsMount } from '../mount.ts';
import { inodeStat } from '../stat.ts';
import { DiFlag2, Dinode, dinodeFlags2, ForkFormat } from '../structure/dinode.ts';
import { allocatedInodes, type InodeGroup, inodeGroups } from './inode-walk.ts';

/** Part of the image to walk: inode numbers from `start` on, in one group or in all. */
export interface InodeRange {
  readonly start: number;
  readonly agno: number | null;
}

/** One inode; the names are those of struct xfs_bulkstat. Sizes in bytes, blocks in blocks of the file system. */
export interface Bulkstat {
  readonly ino: number;
  readonly size: number | bigint;
  readonly blocks: number;
  readonly xflags: number;
  readonly atime: string;
  readonly ctime: string;
  readonly mtime: string;
  readonly btime: string;
  readonly gen: number;
  readonly uid: number;
  readonly gid: number;
  readonly projectid: number;
  readonly blksize: number;
  readonly rdev: number;
  readonly cowextsizeBlks: number;
  readonly extsizeBlks: number;
  readonly nlink: number;
  readonly aextents: number;
  readonly forkoff: number;
  readonly mode: number;
  readonly extents: number;
}

/** Inodes that one step of a walk gathers: enough to pay for its descent of the tree. */
const STEP = 256;
const DEVICE_IO_SIZE = 4096;

/** The inodes in use. @throws FsError EINVAL for a range that Linux refuses, EUCLEAN, EIO */
export function* bulkstat(mp: XfsMount, range: InodeRange): Generator<Bulkstat> {
  for (const ino of inSteps<number>(mp, range, allocatedInodes, (ino) => [ino, ino + 1])) {
    if (isInternal(mp, ino)) continue;
    const stat = statOf(mp, ino);
    if (stat !== null) yield stat;
  }
}

/** The chunks of inodes, the one that holds the start included. @throws FsError EINVAL, EUCLEAN, EIO */
export function inumbers(mp: XfsMount, range: InodeRange): Generator<InodeGroup> {
  return inSteps<InodeGroup>(mp, range, inodeGroups, (group) => [{ ...group }, group.startino + 64]);
}

type Walk<R> = (mp: XfsMount, from: number, visit: (row: R) => boolean) => void;

function* inSteps<R>(mp: XfsMount, range: InodeRange, walk: Walk<R>, keep: (row: R) => [R, number]): Generator<R> {
  let from = firstOf(mp, range);
  const end = range.agno === null ? Number.MAX_SAFE_INTEGER : mp.agInoToIno(range.agno + 1, 0);
  while (from < end && mp.inoToAgno(from) < mp.agCount) {
    const rows: R[] = [];
    let next = end;
    walk(mp, from, (row) => {
      const [kept, after] = keep(row);
      if (after > end) return false;
      rows.push(kept);
      if (rows.length < STEP) return true;
      next = after;
      return false;
    });
    yield* rows;
    from = next;
  }
}

function firstOf(mp: XfsMount, { start, agno }: InodeRange): number {
  if (agno === null) return start;
  if (start === 0) return mp.agInoToIno(agno, 0);
  if (mp.inoToAgno(start) < agno) throw new FsError('EINVAL');
  return start;
}

function isInternal(mp: XfsMount, ino: number): boolean {
  const { sb } = mp;
  if (ino === sb.rbmino || ino === sb.rsumino) return true;
  return mp.features.quota && (ino === sb.uquotino || ino === sb.gquotino || ino === sb.pquotino);
}

function statOf(mp: XfsMount, ino: number): Bulkstat | null {
  let ip: ReturnType<typeof mp.inodes.get>;
  try {
    ip = mp.inodes.get(ino);
  } catch (error) {
    if (error instanceof FsError && error.code === 'ENOENT') return null;
    throw error;
  }
  const { view } = ip.buf;
  const stat = inodeStat(ip);
  const format = Dinode.get.format(view, ip.base);
  const hasBlocks = format !== ForkFormat.DEV && format !== ForkFormat.LOCAL;
  const hasCowHint = (dinodeFlags2(view, ip.base) & DiFlag2.COWEXTSIZE) !== 0;
  return {
    ino,
    size: exactPos(ip.size),
    blocks: hasBlocks ? stat.blocks / (mp.blockSize / 512) : 0,
    xflags: stat.xflags,
    atime: time(stat.atime),
    ctime: time(stat.ctime),
    mtime: time(stat.mtime),
    btime: time(stat.btime),
    gen: stat.generation,
    uid: stat.uid,
    gid: stat.gid,
    projectid: stat.projid,
    blksize: format === ForkFormat.DEV ? DEVICE_IO_SIZE : mp.blockSize,
    rdev: stat.rdev === null ? 0 : stat.rdev.major * 0x40000 + stat.rdev.minor,
    cowextsizeBlks: hasCowHint ? Dinode.get.cowextsize(view, ip.base) : 0,
    extsizeBlks: Dinode.get.extsize(view, ip.base),
    nlink: stat.nlink,
    aextents: ip.hasAttrFork ? ip.attrFork.nextents : 0,
    forkoff: Dinode.get.forkoff(view, ip.base) * 8,
    mode: Dinode.get.mode(view, ip.base),
    extents: ip.dataFork.nextents + (mp.inodes.peekState(ino)?.delalloc.size ?? 0),
  };
}

/** Seconds as the unsigned number that the ioctl has, a point, and nanoseconds without leading zeros, as xfs_io prints. */
function time(at: { readonly seconds: number | bigint; readonly nanoseconds: number } | null): string {
  return at === null ? '0.0' : `${BigInt.asUintN(64, BigInt(at.seconds))}.${at.nanoseconds}`;
}
