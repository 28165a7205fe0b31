/**
 * Buffered writes, zeroing and unsharing: where the bytes will go. Overwrites of blocks that this file owns alone go
 * to those blocks; holes get a delayed extent; shared blocks get a delayed extent in the CoW fork, and the old
 * blocks become the source of what the write does not cover.
 *
 *     data fork   ---RRRRSSSSSSSS-----        iomap = reservation in the CoW fork (DELALLOC, SHARED)
 *     CoW fork    -----DDDDDDDDDDDD---        srcmap = the extent of the data fork
 *
 * Mirrors: fs/xfs/xfs_iomap.c (xfs_buffered_write_iomap_begin and _end).
 */
import { FsError } from '../../core/errors.ts';
import { IomapFlag, IomapOp, type IomapOps, IomapType, type Mapping } from '../../core/iomap/iomap.ts';
import { POS_END } from '../../core/positions.ts';
import type { Inode } from '../../core/vfs/inode.ts';
import { convertDelalloc } from './bmap-alloc.ts';
import { punchDelalloc, reserveDelalloc } from './delalloc.ts';
import { DELAY, Extent } from './extent.ts';
import { type MemoryFork, viewLookup } from './fork-view.ts';
import type { XfsInode } from './inode.ts';
import { isReflinked } from './inode-core.ts';
import { extentHint } from './inode-hints.ts';
import { isPinnedDirty } from './inode-pin.ts';
import { directBegin } from './iomap-direct.ts';
import { endBlock, holeToIomap, toIomap } from './iomap-mapping.ts';
import { giveRoom } from './make-room.ts';
import { allocSizeLog, eofAlignment, preallocSize } from './prealloc.ts';
import { trimAroundShared } from './shared.ts';

/** Longest piece of a hole that one step reserves: 1024 pages. */
const MAX_HOLE_STEP = 1024 * 4096;

const data = new Extent();
const staged = new Extent();

function begin(ip: XfsInode, pos: number, length: number, flags: number, iomap: Mapping, srcmap: Mapping): void {
  ip.mp.log.claim();
  if (extentHint(ip) > 0) return directBegin(ip, pos, length, flags, iomap, srcmap);
  const off = Math.floor(pos / ip.mp.blockSize);
  let end = endBlock(ip, pos, length);
  const hasData = viewLookup(ip, 'data', off, data);
  if (!hasData) data.off = end;
  const zeroing = (flags & IomapOp.ZERO) !== 0;
  const mapped = hasData && data.off <= off;
  if (!mapped && (flags & (IomapOp.UNSHARE | IomapOp.ZERO)) !== 0) return holeToIomap(ip, iomap, off, data.off);
  if (zeroing && mapped && data.block === DELAY) {
    const eofBlock = Math.ceil(ip.size / ip.mp.blockSize);
    if (off >= eofBlock) return convertBeyondEof(ip, pos, off, iomap);
    if (end > eofBlock) {
      end = eofBlock;
      data.trim(off, end - off);
    }
  }
  const cow = isReflinked(ip);
  const hasStaged = cow && viewLookup(ip, 'cow', off, staged);
  if (hasStaged && staged.off <= off) return foundCow(ip, off, mapped, iomap, srcmap, 0);
  let fork: MemoryFork = 'data';
  let count = length;
  if (mapped) {
    if (!cow || (zeroing && data.unwritten)) return toIomap(ip, iomap, data, 0);
    data.trim(off, end - off);
    if (!trimAroundShared(ip, data)) return toIomap(ip, iomap, data, 0);
    fork = 'cow';
    end = data.end;
  } else {
    count = Math.min(count, MAX_HOLE_STEP);
    end = endBlock(ip, pos, count);
  }
  const extending = !hasData && pos + count > ip.size;
  const prealloc = extending ? eofPrealloc(ip, fork, pos, count, end) : 0;
  if (fork === 'cow') {
    reserveDelalloc(ip, 'cow', off, end - off, prealloc, staged, hasStaged);
    foundCow(ip, off, mapped, iomap, srcmap, IomapFlag.NEW);
  } else {
    reserveDelalloc(ip, 'data', off, end - off, prealloc, data, hasData);
    toIomap(ip, iomap, data, IomapFlag.NEW);
  }
}

/** The write goes to the staging extent; `data` is where the old bytes are, if anywhere. */
function foundCow(ip: XfsInode, off: number, mapped: boolean, iomap: Mapping, srcmap: Mapping, flags: number): void {
  if (mapped) toIomap(ip, srcmap, data, 0);
  else staged.trim(off, data.off - off);
  toIomap(ip, iomap, staged, flags | IomapFlag.SHARED);
}

/** Blocks to reserve beyond `end`, so that the reservation ends at a multiple of the preallocation unit. */
function eofPrealloc(ip: XfsInode, fork: MemoryFork, pos: number, count: number, end: number): number {
  const { mp } = ip;
  const blocks = preallocSize(ip, fork, pos);
  if (blocks === 0) return 0;
  const unit = 2 ** allocSizeLog(mp);
  let last = (Math.floor((pos + count - 1) / unit) * unit) / mp.blockSize + blocks;
  const stripe = eofAlignment(ip);
  if (stripe > 0) last = Math.ceil(last / stripe) * stripe;
  return Math.min(last, POS_END / mp.blockSize) - end;
}

/** Zeroing of preallocation beyond EOF makes it real: unwritten blocks read as zeros. */
function convertBeyondEof(ip: XfsInode, pos: number, off: number, iomap: Mapping): void {
  // What the cache knows of the rest of a page that begins before, which is zeros, Linux keeps (truncate_pagecache).
  const { pageSize } = ip.pages;
  ip.pages.invalidate(Math.ceil(pos / pageSize) * pageSize, POS_END);
  const dirty = isPinnedDirty(ip);
  if (!convertDelalloc(ip, 'data', off, data)) throw new FsError('EAGAIN');
  toIomap(ip, iomap, data, 0);
  // Linux fills the mapping before the transaction that allocates is committed.
  if (!dirty) iomap.flags &= ~IomapFlag.DIRTY;
}

/** Reservations of blocks that the write did not reach are given back, unless a page there is dirty. */
function end(ip: XfsInode, pos: number, length: number, written: number, iomap: Mapping): void {
  if (iomap.type !== IomapType.DELALLOC || (iomap.flags & IomapFlag.NEW) === 0) return;
  const { blockSize } = ip.mp;
  const start = written === 0 ? Math.floor(pos / blockSize) : Math.ceil((pos + written) / blockSize);
  const stop = Math.ceil((pos + length) / blockSize);
  const fork = (iomap.flags & IomapFlag.SHARED) !== 0 ? 'cow' : 'data';
  // A dirty page still needs its reservation: it was written through this mapping before.
  let from = start;
  for (let block = start; block < stop; block++) {
    if (!ip.pages.hasDirty(block * blockSize, (block + 1) * blockSize)) continue;
    if (block > from) punchDelalloc(ip, fork, from, block);
    from = block + 1;
  }
  if (stop > from) punchDelalloc(ip, fork, from, stop);
}

const OPS: IomapOps = {
  begin(inode, pos, length, flags, iomap, srcmap) {
    begin(inode as XfsInode, pos, length, flags, iomap, srcmap);
  },
  end: (inode, pos, length, written, _flags, iomap) => end(inode as XfsInode, pos, length, written, iomap),
};

/** Space ended before the first byte of a write: all files are written back and idle blocks freed. @throws `error` if it says something else */
export function makeRoom(inode: Inode, error: unknown): void {
  giveRoom((inode as XfsInode).mp, error);
}

/** Where buffered writes go. */
export function writeOps(): IomapOps {
  return OPS;
}
