/**
 * Writeback's questions: where dirty bytes go (mapBlocks allocates what was delayed), and what to record when the
 * device has them (endIo): CoW blocks move to the data fork, unwritten extents become written, the size on disk
 * grows to cover what was written and no further.
 *
 * Mirrors: fs/xfs/xfs_aops.c (xfs_map_blocks, xfs_end_ioend), fs/xfs/xfs_iomap.c (xfs_iomap_write_unwritten).
 */
import { FsError } from '../../core/errors.ts';
import { type IoEnd, IomapFlag, IomapType, type Mapping, type WritebackOps } from '../../core/iomap/iomap.ts';
import { convertDelalloc } from './bmap-alloc.ts';
import { convertExtent } from './bmap-edit.ts';
import { forkLookup } from './bmap-fork.ts';
import { cancelCow, endCow, endCowRuns } from './cow.ts';
import { punchDelalloc } from './delalloc.ts';
import { DELAY, Extent, HOLE } from './extent.ts';
import { viewLookup } from './fork-view.ts';
import type { XfsInode } from './inode.ts';
import { diskSize, setDiskSize } from './inode-core.ts';
import { logInode } from './inode-pin.ts';
import { toIomap } from './iomap-mapping.ts';
import type { Trans } from './trans.ts';

const found = new Extent();
const staged = new Extent();

function mapBlocks(ip: XfsInode, pos: number, iomap: Mapping): void {
  ip.truncated = false;
  // Overwritten bytes may be the first write to the image, before any transaction.
  ip.mp.log.start();
  const off = Math.floor(pos / ip.mp.blockSize);
  // Staged blocks take precedence, whatever the data fork has.
  const hasStaged = ip.cow.lookup(off, staged);
  const cowOff = hasStaged ? staged.off : Number.POSITIVE_INFINITY;
  if (cowOff <= off) {
    if (!convertDelalloc(ip, 'cow', off, found)) throw new FsError('EIO');
    toIomap(ip, iomap, found, IomapFlag.SHARED);
    return;
  }
  const mapped = viewLookup(ip, 'data', off, found);
  if (!mapped) found.set(off, HOLE, 1, false);
  else if (found.off > off) found.set(off, HOLE, found.off - off, false);
  else if (found.block === DELAY) convertDelalloc(ip, 'data', off, found);
  if (found.end > cowOff) found.count = cowOff - found.off;
  toIomap(ip, iomap, found, 0);
  if (found.written && !ip.realtime) ip.mp.log.beforeOverwrite(found.block, found.count);
}

function endIo(ioend: IoEnd): void {
  const ip = ioend.inode as XfsInode;
  if (isShared(ioend)) endCow(ip, ioend.offset, ioend.length);
  else if (ioend.type === IomapType.UNWRITTEN) {
    convertUnwritten(ip, ioend.offset, ioend.length, false);
    return;
  }
  recordSize(ip, ioend.offset + ioend.length);
}

function isShared(ioend: IoEnd): boolean {
  return (ioend.flags & IomapFlag.SHARED) !== 0;
}

/** Scattered writes over shared blocks are recorded together; what fails together is tried one by one. */
function endIos(ioends: readonly IoEnd[], failed: (pos: number, length: number, error: unknown) => void): void {
  for (let i = 0; i < ioends.length; ) {
    let next = i;
    while (next < ioends.length && isShared(ioends[next] as IoEnd)) next++;
    if (next > i + 1 && endCowTogether(ioends, i, next)) {
      i = next;
      continue;
    }
    for (const stop = Math.max(next, i + 1); i < stop; i++) {
      const ioend = ioends[i] as IoEnd;
      try {
        endIo(ioend);
      } catch (error) {
        failed(ioend.offset, ioend.length, error);
      }
    }
  }
}

function endCowTogether(ioends: readonly IoEnd[], from: number, to: number): boolean {
  const last = ioends[to - 1] as IoEnd;
  const ip = last.inode as XfsInode;
  try {
    endCowRuns(ip, ioends, from, to);
    recordSize(ip, last.offset + last.length);
    return true;
  } catch {
    return false;
  }
}

/**
 * Makes the unwritten blocks of [pos, pos + length) written and records the size they reach in the same
 * transactions. `grow`: the write also moves the size that readers see. @throws FsError ENOSPC, EFBIG
 */
export function convertUnwritten(ip: XfsInode, pos: number, length: number, grow: boolean): void {
  const { blockSize } = ip.mp;
  let off = Math.floor(pos / blockSize);
  const end = Math.ceil((pos + length) / blockSize);
  while (off < end) {
    const from = off;
    off = ip.mp.transact('unwritten', (tp) => {
      // The data is on the device: no limit may keep it from being seen.
      tp.beyondLimits = true;
      const next = convertOne(tp, ip, from, end);
      const reached = Math.min(next * blockSize, pos + length);
      if (grow && reached > ip.size) ip.growSize(reached);
      logSize(tp, ip, reached);
      return next;
    });
  }
  ip.setMemorySize(ip.size);
}

/** Converts the first unwritten record of [off, end); answers where to go on. */
function convertOne(tp: Trans, ip: XfsInode, off: number, end: number): number {
  logInode(tp, ip);
  if (!forkLookup(ip, 'data', off, found) || found.off >= end) return end;
  found.trim(off, end - off);
  if (found.unwritten) convertExtent(tp, ip, 'data', found.off, found.count, false);
  return found.end;
}

/** Sets the size on disk to `reached`, as far as the file goes, if that is more than the disk has. */
function logSize(tp: Trans, ip: XfsInode, reached: number): void {
  const size = Math.min(reached, ip.size);
  if (size <= diskSize(ip)) return;
  logInode(tp, ip);
  setDiskSize(ip, size);
}

/** Records on disk that data up to byte `reached` exists (kernel: xfs_setfilesize). */
export function recordSize(ip: XfsInode, reached: number): void {
  if (Math.min(reached, ip.size) <= diskSize(ip)) return;
  ip.mp.transact('size', (tp) => logSize(tp, ip, reached));
  ip.setMemorySize(ip.size);
}

const OPS: WritebackOps = {
  mapBlocks: (inode, pos, _length, iomap) => mapBlocks(inode as XfsInode, pos, iomap),
  endIo,
  endIos,
  stagesEmpty: true,
  valid(inode, iomap) {
    // CoW mappings stay: nothing else uses staged blocks.
    return (iomap.flags & IomapFlag.SHARED) !== 0 || iomap.cookie === (inode as XfsInode).sequence;
  },
  discard(inode, pos, length) {
    const ip = inode as XfsInode;
    const start = Math.floor(pos / ip.mp.blockSize);
    const end = Math.ceil((pos + length) / ip.mp.blockSize);
    cancelCow(ip, start, end);
    punchDelalloc(ip, 'data', start, end);
  },
};

/** Where dirty pages are written to. */
export function writebackOps(): WritebackOps {
  return OPS;
}
