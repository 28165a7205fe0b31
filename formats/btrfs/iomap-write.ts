/**
 * Buffered writes: nothing gets a place before write-back, so begin only reserves, and says where the old bytes are
 * that a write does not cover.
 *
 *     hole                        iomap DELALLOC, new
 *     data                        iomap COW without a place      srcmap where the old bytes are (INLINE: unpacked)
 *     data, may be overwritten    iomap MAPPED (chattr +C) or UNWRITTEN (preallocated) there
 *
 * Space that may be overwritten needs no reservation if there is none to be had. Zeroing leaves holes and
 * preallocated space alone.
 *
 * Mirrors: fs/btrfs/file.c (btrfs_buffered_write, btrfs_check_nocow_lock), fs/btrfs/delalloc-space.c.
 */
import { IomapFlag, IomapOp, type IomapOps, IomapType, type Mapping } from '../../core/iomap/iomap.ts';
import { roundDown, roundUp } from '../../core/units.ts';
import { endOf } from './extents.ts';
import { FileExtent } from './file-extent.ts';
import { seekExtent } from './file-extents.ts';
import type { BtrfsInode } from './inode.ts';
import { mapForRead } from './iomap-read.ts';
import { canWriteInPlace, mayWriteInPlace } from './nocow.ts';
import { TreeCursor } from './tree/cursor.ts';
import { isFull, reserveDirty, settle, withRoom } from './write-state.ts';

/** The most that one step reserves: more would ask for space that the write may never reach. */
const MAX_STEP = 16 * 1024 * 1024;

const found = new FileExtent();

function begin(ip: BtrfsInode, pos: number, length: number, flags: number, iomap: Mapping, srcmap: Mapping): void {
  const { sectorSize, space } = ip.mp;
  space.members.enableWrites();
  const start = roundDown(pos, sectorSize);
  let end = roundUp(pos + Math.min(length, MAX_STEP), sectorSize);
  const hit = findExtent(ip, pos);
  if (!hit || found.pos > pos) {
    if (hit) end = Math.min(end, found.pos);
    if ((flags & IomapOp.ZERO) !== 0) return answer(iomap, IomapType.HOLE, start, end);
    end = reserve(ip, pos, start, end);
    iomap.flags = IomapFlag.NEW;
    return answer(iomap, IomapType.DELALLOC, start, end);
  }
  end = Math.min(end, endOf(found, sectorSize));
  if (found.hole || (found.prealloc && (flags & IomapOp.ZERO) !== 0)) {
    if ((flags & IomapOp.ZERO) !== 0) {
      return answer(iomap, found.hole ? IomapType.HOLE : IomapType.UNWRITTEN, start, end);
    }
    end = reserve(ip, pos, start, end);
    iomap.flags = IomapFlag.NEW;
    return answer(iomap, IomapType.DELALLOC, start, end);
  }
  const inPlace = mayWriteInPlace(ip) && canWriteInPlace(ip, found, start, end);
  const { prealloc } = found;
  const addr = found.bytenr + found.offset + (start - found.pos);
  end = inPlace ? reserveIfPossible(ip, start, end) : reserve(ip, pos, start, end);
  if (inPlace) {
    answer(iomap, prealloc ? IomapType.UNWRITTEN : IomapType.MAPPED, start, end);
    iomap.addr = addr;
    iomap.device = ip.data;
    return;
  }
  answer(iomap, IomapType.COW, start, end);
  if (needsOldBytes(ip, pos, length, start, end)) mapForRead(ip, pos, length, srcmap);
}

function findExtent(ip: BtrfsInode, pos: number): boolean {
  const cursor = new TreeCursor(ip.root);
  try {
    return seekExtent(cursor, ip.ino, pos, found);
  } finally {
    cursor.close();
  }
}

function answer(iomap: Mapping, type: IomapType, start: number, end: number): void {
  iomap.type = type;
  iomap.offset = start;
  iomap.length = end - start;
}

/** True if a block of [start, end) is covered in part only, and not in memory: compressed data are unpacked for nothing else. */
function needsOldBytes(ip: BtrfsInode, pos: number, length: number, start: number, end: number): boolean {
  const { pages } = ip;
  if (pos !== start && !pages.isUptodate(start)) return true;
  const stop = pos + length;
  return stop < end && !pages.isUptodate(roundDown(stop, ip.mp.sectorSize));
}

/** Reserves [start, end), or as much of it as there is space for: at least the block of `pos`. @throws FsError ENOSPC */
function reserve(ip: BtrfsInode, pos: number, start: number, end: number): number {
  const { sectorSize } = ip.mp;
  for (;;) {
    try {
      withRoom(ip.mp, () => reserveDirty(ip, start, end));
      return end;
    } catch (error) {
      const noSpace = isFull(error);
      const half = roundUp(start + (end - start) / 2, sectorSize);
      if (!noSpace || half >= end || half <= pos) throw error;
      end = half;
    }
  }
}

/** Overwriting needs no space: a reservation only saves the write if the extent is shared until write-back. */
function reserveIfPossible(ip: BtrfsInode, start: number, end: number): number {
  try {
    reserveDirty(ip, start, end);
  } catch (error) {
    if (!isFull(error)) throw error;
  }
  return end;
}

export const writeOps: IomapOps = {
  begin: (inode, pos, length, flags, iomap, srcmap) => begin(inode as BtrfsInode, pos, length, flags, iomap, srcmap),
  end(inode, _pos, length, written) {
    if (written < length) settle(inode as BtrfsInode);
  },
};
