/**
 * Where a file's bytes are, for questions that change nothing. A block-mapped file's extents are told as MERGED; the
 * bytes of an inline file lie in its inode, which FIEMAP shows to the byte.
 *
 * Mirrors: fs/ext4/inode.c (ext4_iomap_begin_report, ext4_set_iomap), inline.c (ext4_inline_data_iomap), extents.c
 * (ext4_iomap_xattr_fiemap, ext4_fiemap).
 */
import { FsError } from '../../core/errors.ts';
import { FiemapExtent } from '../../core/iomap/fiemap.ts';
import { IomapFlag, IomapOp, type IomapOps, IomapType, type Mapping } from '../../core/iomap/iomap.ts';
import { MAX_POS } from '../../core/units.ts';
import { inlineBytes, isInline } from './inline.ts';
import type { Ext4Inode } from './inode.ts';
import { visitExtents } from './map/extents.ts';
import { largestSize } from './map/limits.ts';
import { BlockRun, MAX_FILE_BLOCKS } from './map/run.ts';
import { GOOD_OLD_INODE_SIZE } from './structure/inode.ts';
import { inodeXattrRow } from './xattr/read.ts';

const run = new BlockRun();

export const readOps: IomapOps = {
  begin(inode, pos, length, flags, iomap) {
    const ip = inode as Ext4Inode;
    const report = (flags & IomapOp.REPORT) !== 0;
    const most = report ? largestSize(ip) : MAX_POS;
    if (pos > most) throw new FsError('EFBIG');
    if (!isInline(ip)) mapBlocks(ip, pos, length, iomap, most);
    else if (report) reportInline(ip, pos, iomap);
    else {
      iomap.type = IomapType.INLINE;
      iomap.length = pos + length;
      iomap.inlineData = inlineBytes(ip);
    }
  },
  report(inode, pos, length, into) {
    const ip = inode as Ext4Inode;
    if (!ip.has('EXTENTS') || isInline(ip) || pos > largestSize(ip) || into.room === 0) return pos;
    const { blockSize } = ip.mp;
    const end = Math.min(MAX_FILE_BLOCKS, Math.ceil((pos + length) / blockSize));
    const to = visitExtents(ip, Math.floor(pos / blockSize), end, (told) => {
      const flags = told.unwritten ? FiemapExtent.UNWRITTEN : 0;
      const count = Math.min(told.length, end - told.logical);
      into.push(told.logical * blockSize, told.physical * blockSize, count * blockSize, flags);
      return into.room > 0;
    });
    return to >= end ? pos + length : to * blockSize;
  },
};

/** `most`: no position behind it is asked for next. */
function mapBlocks(ip: Ext4Inode, pos: number, length: number, iomap: Mapping, most: number): void {
  const { blockSize } = ip.mp;
  const first = Math.floor(pos / blockSize);
  const count = Math.ceil((pos + length) / blockSize) - first;
  if (first >= MAX_FILE_BLOCKS) run.set(first, count, 0, false);
  else ip.map(first, run, count);
  iomap.offset = first * blockSize;
  iomap.length = Math.min(run.length, count) * blockSize;
  iomap.type = run.physical === 0 ? IomapType.HOLE : run.unwritten ? IomapType.UNWRITTEN : IomapType.MAPPED;
  if (run.physical === 0) {
    if (iomap.offset + iomap.length >= most) iomap.length = pos + length - iomap.offset;
    return;
  }
  iomap.addr = run.physical * blockSize;
  iomap.device = ip.mp.device;
  if (!ip.has('EXTENTS')) iomap.flags = IomapFlag.MERGED;
}

/** @throws FsError ENOENT behind the bytes: there is nothing more to tell */
function reportInline(ip: Ext4Inode, pos: number, iomap: Mapping): void {
  iomap.type = IomapType.INLINE;
  iomap.flags = IomapFlag.UNALIGNED;
  iomap.addr = ip.buf.addr + ip.blockAt;
  iomap.length = Math.min(inlineBytes(ip).length, ip.size);
  if (pos >= iomap.length) throw new FsError('ENOENT');
}

/** FIEMAP of extended attributes: in the inode, or else in their block. */
export const xattrOps: IomapOps = {
  begin(inode, pos, _length, _flags, iomap) {
    const ip = inode as Ext4Inode;
    const { blockSize, inodeSize } = ip.mp;
    if (inodeXattrRow(ip) !== null) {
      // Linux tells the place that the first inode of the block would have.
      const start = GOOD_OLD_INODE_SIZE + ip.extraSize;
      iomap.addr = ip.buf.addr + start;
      iomap.length = inodeSize - start;
      iomap.type = IomapType.INLINE;
      iomap.flags = IomapFlag.UNALIGNED;
    } else if (ip.fileAcl !== 0) {
      iomap.addr = ip.fileAcl * blockSize;
      iomap.length = blockSize;
      iomap.type = IomapType.MAPPED;
    }
    if (pos >= iomap.length) throw new FsError('ENOENT');
  },
};
