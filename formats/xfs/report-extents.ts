/**
 * FIEMAP's answers taken from a leaf of the extent btree at a time: for files of very many extents. What the mapping
 * loop has to look at more closely (few extents, delayed ones, damage) is left to it.
 */
import type { ExtentColumns } from '../../core/iomap/extent-columns.ts';
import { FiemapExtent } from '../../core/iomap/fiemap.ts';
import { findShared } from './alloc/refcount.ts';
import { leafRecords } from './bmap-fork.ts';
import { RECORD_SIZE } from './extent.ts';
import type { XfsInode } from './inode.ts';
import { isReflinked } from './inode-core.ts';
import { endBlock } from './iomap-mapping.ts';
import { bmbtBlockcount, bmbtStartblock, bmbtStartoff, bmbtUnwritten } from './structure/bmbt-record.ts';

/** As IomapOps.report, for the data fork. @throws FsError EUCLEAN, EIO */
export function reportExtents(ip: XfsInode, pos: number, length: number, into: ExtentColumns): number {
  if (ip.dataFork.format !== 'btree' || ip.realtime || ip.reserves) return pos;
  const { mp } = ip;
  const { blockSize, blockLog } = mp;
  const end = endBlock(ip, pos, length);
  let off = Math.floor(pos / blockSize);
  const records = leafRecords(ip, off);
  if (records === null) return pos + length;
  const reflinked = isReflinked(ip);
  const { view } = records;
  // The group at hand: its blocks, and what makes a place on the device of one.
  let low = 0;
  let high = 0;
  let shift = 0;
  for (let at = records.start; at < records.end && into.room > 0; at += RECORD_SIZE) {
    const startoff = bmbtStartoff(view, at, blockLog);
    if (startoff >= end) return pos + length;
    // The first record may begin before `off`; any other that does is damage, for the mapping loop to meet.
    const skip = Math.max(0, off - startoff);
    if (skip > 0 && at > records.start) break;
    const count = bmbtBlockcount(view, at) - skip;
    const block = bmbtStartblock(view, at) + skip;
    if (count < 1 || block < low || block + count > high) {
      if (!mp.validFsb(block, count)) break;
      const agno = mp.fsbToAgno(block);
      low = block;
      high = mp.agbToFsb(agno, mp.agSize(agno));
      shift = mp.agbToAddr(agno, 0) / blockSize - mp.agbToFsb(agno, 0);
    }
    const stop = Math.min(startoff + skip + count, end);
    const first = startoff + skip;
    const unwritten = bmbtUnwritten(view, at);
    if (unwritten || !reflinked) {
      const flags = unwritten ? FiemapExtent.UNWRITTEN : 0;
      into.push(first * blockSize, (block + shift) * blockSize, (stop - first) * blockSize, flags);
    } else {
      const told = tellShared(into, ip, first, block, stop - first);
      if (told < stop) {
        off = told;
        break;
      }
    }
    off = stop;
  }
  return off >= end ? pos + length : Math.max(pos, off * blockSize);
}

/** Tells shared and unshared parts of a written extent apart. Returns the file block before which all is told. */
function tellShared(into: ExtentColumns, ip: XfsInode, off: number, block: number, count: number): number {
  const { mp } = ip;
  while (count > 0 && into.room > 0) {
    const agbno = mp.fsbToAgbno(block);
    const shared = findShared(mp, mp.fsbToAgno(block), agbno, count);
    const inside = shared !== null && shared.agbno === agbno;
    const part = shared === null ? count : inside ? shared.length : shared.agbno - agbno;
    const flags = inside ? FiemapExtent.SHARED : 0;
    into.push(off * mp.blockSize, mp.fsbToAddr(block), part * mp.blockSize, flags);
    off += part;
    block += part;
    count -= part;
  }
  return off;
}
