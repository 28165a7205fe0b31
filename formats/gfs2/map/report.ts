/**
 * FIEMAP's answers taken from a block of pointers at a time: for files of very many extents. What the mapping loop has
 * to look at more closely (the end of the file, far positions, damage) is left to it.
 */
import type { Buf } from '../../../core/buffer-cache.ts';
import type { ExtentColumns } from '../../../core/iomap/extent-columns.ts';
import { FiemapExtent } from '../../../core/iomap/fiemap.ts';
import { FAR } from '../../../core/positions.ts';
import type { Gfs2Inode } from '../inode.ts';
import { readBlockNumber } from '../structure/meta.ts';
import { MetaPath, pointerAt, pointersAt } from './path.ts';

const path = new MetaPath();

/** As IomapOps.report. @throws FsError EUCLEAN, EIO */
export function reportExtents(ip: Gfs2Inode, pos: number, length: number, into: ExtentColumns): number {
  const { blockSize } = ip.mp;
  const end = Math.min(pos + length, FAR);
  if (pos >= end || !path.lookup(ip, pos - (pos % blockSize))) return pos;
  let start = pos - (pos % blockSize);
  if (path.levels < path.height || path.pointer(ip) === 0) {
    // Nothing is told behind a hole that begins beyond the end of the file.
    if (pos >= ip.size) return pos;
    if (!path.nextData(ip, end)) return end === FAR ? end : pos + length;
    start = path.position(ip);
  }
  return reportBlock(ip, start, end, into);
}

/** Tells the extents of the lowest block of pointers from the path on. Returns how far all is told. */
function reportBlock(ip: Gfs2Inode, start: number, end: number, into: ExtentColumns): number {
  const { mp, size } = ip;
  const { blockSize } = mp;
  const level = path.height - 1;
  const { view } = path.bufs[level] as Buf;
  const most = pointersAt(ip, level);
  const first = path.index[level] as number;
  let told = start;
  for (let index = first; index < most && into.room > 0; ) {
    const logical = start + (index - first) * blockSize;
    if (logical >= end) return end;
    const at = pointerAt(level, index);
    const high = view.getUint32(at);
    const low = view.getUint32(at + 4);
    if (high === 0 && low === 0) {
      if (told >= size) break;
      index++;
      continue;
    }
    let count = 1;
    for (let next = at + 8; index + count < most; next += 8, count++)
      if (view.getUint32(next) !== high || view.getUint32(next + 4) !== low + count) break;
    const block = readBlockNumber(view, at);
    if (!mp.validBlock(block, count)) break;
    into.push(logical, block * blockSize, count * blockSize, FiemapExtent.MERGED);
    index += count;
    told = start + (index - first) * blockSize;
  }
  return told;
}
