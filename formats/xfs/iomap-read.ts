/**
 * Where a file's bytes are, for questions that change nothing: reading and bmap, FIEMAP (with shared ranges told
 * apart), lseek for data and holes (which also sees the CoW fork), and the attribute fork.
 *
 * Mirrors: fs/xfs/xfs_iomap.c (xfs_read_iomap_begin, xfs_seek_iomap_begin, xfs_xattr_iomap_begin).
 */
import { FsError } from '../../core/errors.ts';
import { IomapFlag, IomapOp, type IomapOps, IomapType, type Mapping } from '../../core/iomap/iomap.ts';
import { forkLookup } from './bmap-fork.ts';
import { Extent, HOLE } from './extent.ts';
import { readMapping, viewLookup } from './fork-view.ts';
import type { XfsInode } from './inode.ts';
import { endBlock, toIomap } from './iomap-mapping.ts';
import { reportExtents } from './report-extents.ts';
import { trimAroundShared } from './shared.ts';

const found = new Extent();
const staged = new Extent();

export const readOps: IomapOps = {
  begin(inode, pos, length, flags, iomap) {
    const ip = inode as XfsInode;
    if (ip.dataFork.format === 'local') return inlineMapping(ip, pos, length, iomap);
    const off = Math.floor(pos / ip.mp.blockSize);
    readMapping(ip, off, endBlock(ip, pos, length) - off, found);
    const report = (flags & (IomapOp.REPORT | IomapOp.DAX)) !== 0;
    const shared = report && trimAroundShared(ip, found);
    toIomap(ip, iomap, found, shared ? IomapFlag.SHARED : 0);
  },
  report: (inode, pos, length, into) => reportExtents(inode as XfsInode, pos, length, into),
};

/** A directory or link that lies in its inode; only bmap comes here, and it reports no place on the device. */
function inlineMapping(ip: XfsInode, pos: number, length: number, iomap: Mapping): void {
  if (pos >= ip.size) {
    iomap.type = IomapType.HOLE;
    iomap.offset = pos;
    iomap.length = length;
    return;
  }
  const { start, size } = ip.dataFork;
  iomap.type = IomapType.INLINE;
  iomap.offset = 0;
  iomap.length = ip.size;
  iomap.inlineData = ip.buf.bytes.subarray(start, start + Math.min(size, ip.size));
}

export const seekOps: IomapOps = {
  begin(inode, pos, length, _flags, iomap) {
    const ip = inode as XfsInode;
    const off = Math.floor(pos / ip.mp.blockSize);
    let end = Math.ceil((pos + length) / ip.mp.blockSize);
    let dataOff = endBlock(ip, pos, length);
    if (viewLookup(ip, 'data', off, found)) {
      if (found.off <= off) {
        found.trim(off, end - off);
        toIomap(ip, iomap, found, 0);
        return;
      }
      dataOff = found.off;
    }
    // A staged copy over a hole may have dirty pages: the engine asks the page cache for UNWRITTEN ranges.
    const hasStaged = ip.reserves && ip.cow.lookup(off, staged);
    if (hasStaged && staged.off <= off) {
      if (dataOff < staged.end) end = Math.min(end, dataOff);
      staged.trim(off, end - off);
      toIomap(ip, iomap, staged, IomapFlag.SHARED);
      iomap.type = IomapType.UNWRITTEN;
      return;
    }
    const next = hasStaged && staged.off < dataOff ? staged.off : dataOff;
    found.set(off, HOLE, next - off, false);
    found.trim(off, end - off);
    toIomap(ip, iomap, found, 0);
  },
};

export const xattrOps: IomapOps = {
  begin(inode, pos, length, _flags, iomap) {
    const ip = inode as XfsInode;
    const off = Math.floor(pos / ip.mp.blockSize);
    const end = Math.ceil((pos + length) / ip.mp.blockSize);
    if (!ip.hasAttrFork || ip.attrFork.nextents === 0) throw new FsError('ENOENT');
    if (!forkLookup(ip, 'attr', off, found) || found.off >= end) found.set(off, HOLE, end - off, false);
    else if (found.off > off) found.set(off, HOLE, found.off - off, false);
    else found.trim(off, end - off);
    toIomap(ip, iomap, found, IomapFlag.XATTR);
  },
};
