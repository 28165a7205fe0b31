/**
 * gfs2's answers to the engine, one for every question of what lies where. Data in the dinode is INLINE and has an
 * address there; an extent goes as far as one block of pointers tells, and is MERGED; beyond the end of a file there is
 * nothing to report (ENOENT).
 *
 * Mirrors: fs/gfs2/bmap.c (__gfs2_iomap_get).
 */
import { FsError } from '../../core/errors.ts';
import {
  type InodeIomapOps,
  IomapFlag,
  IomapOp,
  type IomapOps,
  IomapType,
  type Mapping,
} from '../../core/iomap/iomap.ts';
import { islandEnd } from '../../core/positions.ts';
import { REFUSED_CHANGES } from '../../core/vfs/unwritable.ts';
import type { Gfs2Inode } from './inode.ts';
import { MetaPath } from './map/path.ts';
import { reportExtents } from './map/report.ts';
import { DINODE_SIZE } from './structure/dinode.ts';

const path = new MetaPath();

const readOps: IomapOps = {
  begin(inode, pos, length, flags, iomap) {
    const ip = inode as Gfs2Inode;
    iomap.device = ip.mp.device;
    if (ip.height === 0) inlineMapping(ip, pos, length, flags, iomap);
    else blockMapping(ip, pos, length, flags, iomap);
    if (ip.has('JDATA')) iomap.flags |= IomapFlag.BUFFER_HEAD;
  },
  report: (inode, pos, length, into) => reportExtents(inode as Gfs2Inode, pos, length, into),
};

function inlineMapping(ip: Gfs2Inode, pos: number, length: number, flags: number, iomap: Mapping): void {
  const { size } = ip;
  if (pos >= size) {
    if ((flags & IomapOp.REPORT) !== 0) throw new FsError('ENOENT');
    iomap.type = IomapType.HOLE;
    iomap.offset = pos;
    iomap.length = length;
    return;
  }
  iomap.type = IomapType.INLINE;
  iomap.offset = 0;
  iomap.length = size;
  iomap.addr = ip.buf.addr + DINODE_SIZE;
  iomap.inlineData = ip.buf.bytes.subarray(DINODE_SIZE, DINODE_SIZE + size);
  iomap.flags = IomapFlag.UNALIGNED;
}

function blockMapping(ip: Gfs2Inode, pos: number, length: number, flags: number, iomap: Mapping): void {
  const { blockSize } = ip.mp;
  const { size } = ip;
  const start = pos - (pos % blockSize);
  const end = Math.ceil((pos + length) / blockSize) * blockSize;
  iomap.offset = start;
  const within = path.lookup(ip, start);
  if (within && path.levels === path.height) {
    const block = path.pointer(ip);
    if (block !== 0) {
      iomap.type = IomapType.MAPPED;
      iomap.flags |= IomapFlag.MERGED;
      iomap.addr = block * blockSize;
      iomap.length = Math.min(path.extentLength(ip) * blockSize, islandEnd(start) - start);
      return;
    }
  }
  iomap.type = IomapType.HOLE;
  const report = (flags & IomapOp.REPORT) !== 0;
  if (report && pos >= size) throw new FsError('ENOENT');
  if (within && pos < size) iomap.length = (path.nextData(ip, end) ? namedPosition(ip) : end) - start;
  else iomap.length = (report ? size : end) - start;
}

/** Where the path leads. @throws FsError EFBIG where no position has a name */
function namedPosition(ip: Gfs2Inode): number {
  if (path.hasName(ip)) return path.position(ip);
  throw new FsError('EFBIG', { detail: `data of inode ${ip.ino} lies between the positions that have a name here` });
}

export const gfs2IomapOps: InodeIomapOps = {
  read: readOps,
  seek: readOps,
  ...REFUSED_CHANGES,
};
