/**
 * Allocating and freeing inodes. A file goes to its parent's AG, near the parent; directories are spread over the
 * AGs. An AG without a free inode gets another chunk, unless space is low: then AGs that have free inodes come first.
 * A chunk whose last inode is freed is freed itself. Mirrors xfs_dialloc, xfs_difree.
 */

import { corrupt, FsError } from '../../../core/errors.ts';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../../core/vfs/mode.ts';
import { retire } from '../btree/ag-cursor.ts';
import type { BtreeCursor } from '../btree/cursor.ts';
import { finobtCursor, holeBits, type InodeChunk, inobtCursor } from '../btree/inode.ts';
import type { XfsMount } from '../mount.ts';
import { Agf, Agi, NULLAGINO } from '../structure/ag.ts';
import { INODES_PER_CHUNK } from '../structure/btree-format.ts';
import { Superblock } from '../structure/sb.ts';
import type { Trans } from '../trans.ts';
import { addAgi, allocChunk, freeChunk, leastChunkBlocks, maxInodes } from './inode-chunk.ts';

const NEEDS_BLOCK = [S_IFDIR, S_IFREG, S_IFLNK];
/** Chunks looked at around the parent before another place is taken. */
const SEARCH_DISTANCE = 10;

type ChunkCursor = BtreeCursor<InodeChunk>;

/** Allocates an inode near `parentIno`; its bytes are those of a free inode. @throws FsError ENOSPC, EUCLEAN, EIO */
export function allocInode(tp: Trans, parentIno: number, mode: number): number {
  const { mp } = tp;
  let start = mp.inoToAgno(parentIno);
  if ((mode & S_IFMT) === S_IFDIR) {
    start = mp.space.directoryAg % mp.agCount;
    mp.space.directoryAg = (start + 1) % mp.agCount;
  }
  const limit = maxInodes(mp);
  const mayGrow = limit === 0 || Superblock.get.icount(mp.sbBuf.view, 0) + mp.inodesPerAlloc <= limit;
  const low = mp.space.available < Math.floor(mp.dataBlocks / 100);
  for (const firstPass of [true, false]) {
    const grow = mayGrow && !(low && firstPass);
    for (let step = 0; step < mp.agCount; step++) {
      const agno = (start + step) % mp.agCount;
      if (!goodAg(mp, agno, mode, firstPass, grow)) continue;
      if (Agi.get.freecount(mp.agi(agno).view, 0) === 0 && !(grow && allocChunk(tp, agno))) continue;
      return takeInode(tp, agno, parentIno);
    }
  }
  throw new FsError('ENOSPC', { detail: 'no free inode and no room for more' });
}

/** True if the AG has a free inode, or seems to have room for another chunk and a block for the file. */
function goodAg(mp: XfsMount, agno: number, mode: number, firstPass: boolean, grow: boolean): boolean {
  if (Agi.get.freecount(mp.agi(agno).view, 0) > 0) return true;
  if (!grow) return false;
  const { view } = mp.agf(agno);
  let need = leastChunkBlocks(mp);
  if (firstPass && need > 1) need += mp.clusterAlign;
  const longest = Agf.get.longest(view, 0) || Number(Agf.get.flcount(view, 0) > 0);
  const block = Number(NEEDS_BLOCK.includes(mode & S_IFMT));
  return Agf.get.freeblks(view, 0) >= need + block && longest >= need;
}

/** Takes a free inode of an AG that has one. */
function takeInode(tp: Trans, agno: number, parentIno: number): number {
  const { mp } = tp;
  const cursor = mp.features.finobt ? finobtCursor(mp, agno, tp) : inobtCursor(mp, agno, tp);
  const agi = mp.agi(agno);
  const last = Agi.get.newino(agi.view, 0);
  const sameAg = mp.inoToAgno(parentIno) === agno;
  const near = mp.inoToAgino(parentIno) || last;
  const found = (sameAg && seekNear(cursor, near, mp.features.finobt)) || seekAnywhere(cursor, last);
  if (!found)
    throw corrupt({
      structure: `agi ${agno}`,
      addr: agi.addr,
      field: 'freecount',
      rule: 'counts free inodes that no chunk has',
    });
  const record = { ...cursor.get() };
  const index = firstFree(record);
  setFree(record, index, false);
  if (mp.features.finobt) {
    if (record.freecount > 0) cursor.update(record);
    else cursor.delete();
    updateOther(tp, agno, record);
  } else {
    cursor.update(record);
  }
  retire(cursor);
  addAgi(tp, agno, 'freecount', -1);
  tp.sbDelta({ ifree: -1 });
  const ino = mp.agInoToIno(agno, record.startino + index);
  if (ino === parentIno || !mp.validIno(ino))
    throw corrupt({ structure: `inobt of AG ${agno}`, rule: `inode ${ino} cannot be free` });
  return ino;
}

/** The inobt's record must say the same as the finobt's did. */
function updateOther(tp: Trans, agno: number, record: InodeChunk): void {
  const cursor = inobtCursor(tp.mp, agno, tp);
  if (!cursor.lookup(record.startino, 'eq') || cursor.get().freecount !== record.freecount + 1)
    throw corrupt({ structure: `inobt of AG ${agno}`, rule: `chunk ${record.startino} differs from the finobt's` });
  cursor.update(record);
  retire(cursor);
}

/** Moves to a chunk with a free inode close to `agino`. */
function seekNear(cursor: ChunkCursor, agino: number, allHaveFree: boolean): boolean {
  if (allHaveFree) return seekNearest(cursor, agino);
  if (!cursor.lookup(agino, 'le')) return false;
  if (cursor.get().freecount > 0) return true;
  const right = cursor.copy();
  let goLeft = cursor.prev();
  let goRight = right.next();
  for (let steps = SEARCH_DISTANCE; steps > 1 && (goLeft || goRight); steps--) {
    const leftDistance = goLeft ? agino - (cursor.get().startino + INODES_PER_CHUNK - 1) : Number.POSITIVE_INFINITY;
    const rightDistance = goRight ? right.get().startino - agino : Number.POSITIVE_INFINITY;
    if (leftDistance < rightDistance) {
      if (cursor.get().freecount > 0) return true;
      goLeft = cursor.prev();
    } else {
      const { startino, freecount } = right.get();
      if (freecount > 0) return cursor.lookup(startino, 'eq');
      goRight = right.next();
    }
  }
  return false;
}

/** Each chunk of the finobt has a free inode: the parent's own, else the nearer of its neighbours. */
function seekNearest(cursor: ChunkCursor, agino: number): boolean {
  const hasLeft = cursor.lookup(agino, 'le');
  const left = hasLeft ? cursor.get().startino : 0;
  if (hasLeft && agino < left + INODES_PER_CHUNK) return true;
  if (!cursor.lookup(agino, 'ge')) return hasLeft && cursor.lookup(left, 'eq');
  if (!hasLeft) return true;
  const right = cursor.get().startino;
  return agino - left + INODES_PER_CHUNK - 1 > right - agino || cursor.lookup(left, 'eq');
}

/** The chunk added last, else the first with a free inode. */
function seekAnywhere(cursor: ChunkCursor, last: number): boolean {
  if (last !== NULLAGINO && cursor.lookup(last, 'eq') && cursor.get().freecount > 0) return true;
  for (let more = cursor.edge('first'); more; more = cursor.next()) if (cursor.get().freecount > 0) return true;
  return false;
}

/** Index of the first free inode that exists. */
function firstFree(record: InodeChunk): number {
  const low = record.freeLow & ~holeBits(record.holemask, 0);
  if (low !== 0) return 31 - Math.clz32(low & -low);
  const high = record.freeHigh & ~holeBits(record.holemask, 1);
  return 63 - Math.clz32(high & -high);
}

function setFree(record: InodeChunk, index: number, free: boolean): void {
  const bit = 1 << (index & 31);
  const old = index < 32 ? record.freeLow : record.freeHigh;
  const mask = (free ? old | bit : old & ~bit) >>> 0;
  if (index < 32) record.freeLow = mask;
  else record.freeHigh = mask;
  record.freecount += free ? 1 : -1;
}

function isFree(record: InodeChunk, index: number): boolean {
  return (((index < 32 ? record.freeLow : record.freeHigh) >>> (index & 31)) & 1) === 1;
}

/**
 * Frees an inode whose bytes the caller has already made those of a free one. True if its whole chunk went with it:
 * the inodes' buffers are gone then. @throws FsError EUCLEAN if it is free already or in no chunk
 */
export function freeInode(tp: Trans, ino: number): boolean {
  const { mp } = tp;
  const agno = mp.inoToAgno(ino);
  const agino = mp.inoToAgino(ino);
  const cursor = inobtCursor(mp, agno, tp);
  const found = mp.validIno(ino) && cursor.lookup(agino, 'le') ? { ...cursor.get() } : null;
  const index = found === null ? INODES_PER_CHUNK : agino - found.startino;
  if (found === null || index >= INODES_PER_CHUNK || isFree(found, index))
    throw corrupt({ structure: `inobt of AG ${agno}`, rule: `inode ${ino} is not allocated` });
  const before = found.freecount;
  setFree(found, index, true);
  const gone = found.freecount === found.count && mp.inodesPerBlock <= INODES_PER_CHUNK;
  if (gone) {
    cursor.delete();
    addAgi(tp, agno, 'count', -found.count);
    addAgi(tp, agno, 'freecount', -before);
    tp.sbDelta({ icount: -found.count, ifree: -before });
  } else {
    cursor.update(found);
    addAgi(tp, agno, 'freecount', 1);
    tp.sbDelta({ ifree: 1 });
  }
  retire(cursor);
  if (mp.features.finobt) updateFinobt(tp, agno, found, before, gone);
  if (gone) freeChunk(tp, agno, found);
  return gone;
}

function updateFinobt(tp: Trans, agno: number, record: InodeChunk, before: number, gone: boolean): void {
  const cursor = finobtCursor(tp.mp, agno, tp);
  const known = cursor.lookup(record.startino, 'eq');
  if (known !== before > 0 || (known && cursor.get().freecount !== before))
    throw corrupt({ structure: `finobt of AG ${agno}`, rule: `chunk ${record.startino} differs from the inobt's` });
  if (!known) {
    if (!gone) cursor.insert(record);
  } else if (gone) cursor.delete();
  else cursor.update(record);
  retire(cursor);
}
