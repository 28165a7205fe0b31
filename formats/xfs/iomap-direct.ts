/**
 * Direct writes (and buffered ones on files with an extent size hint): blocks are allocated at once, unwritten.
 * Shared blocks are staged in the CoW fork; endDirectWrite() converts, remaps and grows the size when the data is
 * on the device.
 *
 * Mirrors: fs/xfs/xfs_iomap.c (xfs_direct_write_iomap_begin), fs/xfs/xfs_reflink.c (xfs_reflink_allocate_cow),
 * fs/xfs/xfs_file.c (xfs_dio_write_end_io).
 */
import { FsError } from '../../core/errors.ts';
import { IomapFlag, IomapOp, type IomapOps, IomapType, type Mapping } from '../../core/iomap/iomap.ts';
import type { Inode } from '../../core/vfs/inode.ts';
import { allocateCow, allocateHole, convertDelalloc } from './bmap-alloc.ts';
import { forkBefore } from './bmap-fork.ts';
import { endCow, markStaged } from './cow.ts';
import { DELAY, Extent, HOLE, NULL_OFFSET } from './extent.ts';
import { readMapping } from './fork-view.ts';
import type { XfsInode } from './inode.ts';
import { isReflinked } from './inode-core.ts';
import { extentHint } from './inode-hints.ts';
import { endBlock, toIomap } from './iomap-mapping.ts';
import { eofAlignment } from './prealloc.ts';
import { trimAroundShared } from './shared.ts';
import { convertUnwritten, recordSize } from './writeback.ts';

const MAX_STEP = 1024 * 4096;

const data = new Extent();
const staged = new Extent();
const last = new Extent();

/** xfs_direct_write_iomap_begin. @throws FsError ENOSPC, EAGAIN for OVERWRITE_ONLY that cannot be served */
export function directBegin(
  ip: XfsInode,
  pos: number,
  length: number,
  flags: number,
  iomap: Mapping,
  srcmap: Mapping,
): void {
  const { blockSize } = ip.mp;
  const iomapFlags = pos + length > ip.size ? IomapFlag.DIRTY : 0;
  const off = Math.floor(pos / blockSize);
  let end = endBlock(ip, pos, length);
  let count = length;
  readMapping(ip, off, end - off, data);
  if (needsCow(ip, flags)) {
    if (stageCow(ip, (flags & (IomapOp.DIRECT | IomapOp.DAX)) !== 0)) {
      if (data.block !== HOLE) toIomap(ip, srcmap, data, 0);
      toIomap(ip, iomap, staged, IomapFlag.SHARED);
      return;
    }
    end = data.end;
    count = end * blockSize - pos;
  }
  const unmapped = data.block === HOLE || data.block === DELAY;
  if (!unmapped || (flags & IomapOp.ZERO) !== 0) {
    if ((flags & IomapOp.OVERWRITE_ONLY) !== 0) checkOverwrite(ip, pos, count, off, end);
    toIomap(ip, iomap, data, iomapFlags);
    if (data.written && !ip.realtime) ip.mp.log.beforeOverwrite(data.block, data.count);
    return;
  }
  if ((flags & IomapOp.OVERWRITE_ONLY) !== 0) throw new FsError('EAGAIN');
  count = Math.min(count, MAX_STEP);
  end = endBlock(ip, pos, count);
  if (pos + count > ip.size) end = alignLastBlock(ip, end);
  else if (data.block === HOLE) end = Math.min(end, data.end);
  allocateAt(ip, off, end - off);
  toIomap(ip, iomap, data, iomapFlags | IomapFlag.NEW);
}

/** Maps blocks at `off` and leaves in `data` what was got. */
function allocateAt(ip: XfsInode, off: number, count: number): void {
  readMapping(ip, off, count, data);
  if (data.block === DELAY) {
    convertDelalloc(ip, 'data', off, data);
    data.trim(off, count);
    return;
  }
  // With an extent size hint and short free space a piece may end before `off`: ask again.
  const hole = data.count;
  for (let tries = 0; data.block === HOLE; tries++) {
    if (tries > 1024) throw new FsError('ENOSPC');
    allocateHole(ip, off, tries === 0 ? Math.max(hole, count) : hole, data);
  }
}

function checkOverwrite(ip: XfsInode, pos: number, count: number, off: number, end: number): void {
  const partial = pos % ip.mp.blockSize !== 0 || count % ip.mp.blockSize !== 0;
  if (data.off > off || data.end < end || (data.unwritten && partial)) throw new FsError('EAGAIN');
}

function needsCow(ip: XfsInode, flags: number): boolean {
  if (!isReflinked(ip)) return false;
  const lazy = (flags & (IomapOp.UNSHARE | IomapOp.ZERO)) !== 0;
  return !(lazy && (data.block === HOLE || data.unwritten));
}

/**
 * Finds or makes the staging extent for the start of `data` and cuts both to what they have in common.
 * @returns false when `data` (cut) is not shared and nothing is staged there
 */
function stageCow(ip: XfsInode, convertNow: boolean): boolean {
  const { off, count } = data;
  const hasStaged = ip.cow.lookup(off, staged);
  if (!hasStaged || staged.off > off) {
    if (hasStaged && staged.off < off + count) data.trim(off, staged.off - off);
    if (!trimAroundShared(ip, data)) return false;
    allocateCow(ip, data.off, data.count, staged);
  } else if (staged.block === DELAY) {
    data.trim(staged.off, staged.count);
    convertDelalloc(ip, 'cow', data.off, staged);
  }
  staged.trim(data.off, data.count);
  if (convertNow) {
    markStaged(ip, staged.off, staged.count);
    staged.unwritten = false;
  }
  return true;
}

/** Rounds the end of an allocation beyond the last extent up to the hint and stripe unit. */
function alignLastBlock(ip: XfsInode, end: number): number {
  const hint = extentHint(ip);
  let align = eofAlignment(ip);
  if (hint > 0) align = align > 0 ? Math.ceil(align / hint) * hint : hint;
  if (align === 0) return end;
  const aligned = Math.ceil(end / align) * align;
  return !forkBefore(ip, 'data', NULL_OFFSET, last) || aligned >= last.end ? aligned : end;
}

const OPS: IomapOps = {
  begin(inode, pos, length, flags, iomap, srcmap) {
    const ip = inode as XfsInode;
    // Overwritten bytes may be the first write to the image, before any transaction.
    ip.mp.log.start();
    directBegin(ip, pos, length, flags, iomap, srcmap);
  },
};

/** Where direct and DAX writes go. */
export function directOps(): IomapOps {
  return OPS;
}

/** The data of a direct write is on the device: remap staged blocks, convert unwritten ones, grow the size. */
export function endDirectWrite(inode: Inode, pos: number, written: number, type: number, flags: number): void {
  if (written <= 0) return;
  const ip = inode as XfsInode;
  const { log } = ip.mp;
  log.beginAtomic();
  try {
    if ((flags & IomapFlag.SHARED) !== 0) endCow(ip, pos, written, true);
    if (type === IomapType.UNWRITTEN) {
      convertUnwritten(ip, pos, written, true);
      return;
    }
    if (pos + written > ip.size) {
      ip.growSize(pos + written);
      recordSize(ip, pos + written);
    }
  } finally {
    log.endAtomic();
  }
}

/** A direct write that covers a block in part cannot unshare it: Linux writes it through the page cache. */
export function bounceDirect(inode: Inode, pos: number, length: number, write: boolean): boolean {
  const ip = inode as XfsInode;
  if (!write) return false;
  const { blockSize } = ip.mp;
  return (pos % blockSize !== 0 || length % blockSize !== 0) && isReflinked(ip);
}
