/**
 * The free-space index of directories in node form: the largest free area of each data block, in blocks of their own
 * (kernel: xfs_dir2_node.c). Free block k tells of data blocks k * freeMax and up; 0xffff means no such data block.
 */
import type { Buf } from '../../../core/buffer-cache.ts';
import { corrupt } from '../../../core/errors.ts';
import { daMap, daShrink, dataForkEnd, dirInit, dirRead, dirTryRead } from '../da/block.ts';
import type { XfsInode } from '../inode.ts';
import { DirMagic, NULLDATAOFF } from '../structure/dir.ts';
import type { Trans } from '../trans.ts';
import { bestLength } from './data-space.ts';
import type { DirGeometry } from './geometry.ts';

const valid = (geo: DirGeometry, free: Buf): number => free.view.getInt32(geo.nvalidAt);
const used = (geo: DirGeometry, free: Buf): number => free.view.getInt32(geo.nusedAt);
const bestAt = (geo: DirGeometry, index: number): number => geo.freeHeader + index * 2;

/** First file block of free block `index`. */
function freeBlock(geo: DirGeometry, index: number): number {
  return geo.freeBlock + index * geo.fsbCount;
}

function readFree(dp: XfsInode, geo: DirGeometry, index: number): Buf {
  return checked(dp, geo, dirRead(dp, geo, freeBlock(geo, index), dp.mp.ops.dirFree), index);
}

function checked(dp: XfsInode, geo: DirGeometry, free: Buf, index: number): Buf {
  const first = free.view.getInt32(geo.firstdbAt);
  if (first === index * geo.freeMax && valid(geo, free) <= geo.freeMax) return free;
  throw corrupt({
    structure: `dirFree of inode ${dp.ino}`,
    addr: free.addr,
    field: 'firstdb',
    value: String(first),
    rule: `not ${index * geo.freeMax}`,
  });
}

/** How many free blocks there can be: the number of the last one, plus one. */
export function freeBlockCount(dp: XfsInode, geo: DirGeometry): number {
  return Math.max(0, Math.ceil((dataForkEnd(dp) - geo.freeBlock) / geo.fsbCount));
}

/** A data block with `need` free bytes, looking from the end; -1 if there is none. */
export function findFree(dp: XfsInode, geo: DirGeometry, need: number): number {
  for (let k = freeBlockCount(dp, geo) - 1; k >= 0; k--) {
    const free = dirTryRead(dp, geo, freeBlock(geo, k), dp.mp.ops.dirFree);
    if (free === null) continue;
    checked(dp, geo, free, k);
    const { view } = free;
    for (let i = valid(geo, free) - 1; i >= 0; i--) {
      const best = view.getUint16(bestAt(geo, i));
      if (best >= need && best !== NULLDATAOFF) return k * geo.freeMax + i;
    }
  }
  return -1;
}

/** The largest free area of a data block, as the index has it. */
export function freeBest(dp: XfsInode, geo: DirGeometry, db: number): number {
  const free = readFree(dp, geo, Math.floor(db / geo.freeMax));
  const index = db % geo.freeMax;
  return index < valid(geo, free) ? free.view.getUint16(bestAt(geo, index)) : NULLDATAOFF;
}

/** Records the largest free area of an existing or a new data block. @throws FsError ENOSPC */
export function noteFree(tp: Trans, dp: XfsInode, geo: DirGeometry, db: number, data: Buf): void {
  const k = Math.floor(db / geo.freeMax);
  const index = db % geo.freeMax;
  const free = openFree(tp, dp, geo, k);
  const at = bestAt(geo, index);
  const value = bestLength(geo, data);
  const count = valid(geo, free);
  if (index < count && free.view.getUint16(at) === value) return;
  const fresh = index >= count || free.view.getUint16(at) === NULLDATAOFF;
  if (index >= count) {
    tp.modify(free, bestAt(geo, count), (index + 1 - count) * 2);
    for (let i = count; i <= index; i++) free.view.setUint16(bestAt(geo, i), NULLDATAOFF);
    setCounts(tp, geo, free, index + 1, used(geo, free));
  }
  tp.modify(free, at, 2);
  free.view.setUint16(at, value);
  if (fresh) setCounts(tp, geo, free, valid(geo, free), used(geo, free) + 1);
}

function openFree(tp: Trans, dp: XfsInode, geo: DirGeometry, k: number): Buf {
  const block = freeBlock(geo, k);
  const free = dirTryRead(dp, geo, block, dp.mp.ops.dirFree);
  if (free !== null) return checked(dp, geo, free, k);
  daMap(tp, dp, 'data', block, geo.fsbCount);
  const fresh = dirInit(tp, dp, geo, block, DirMagic.free[geo.v5 ? 1 : 0], dp.mp.ops.dirFree);
  fresh.view.setInt32(geo.firstdbAt, k * geo.freeMax);
  return fresh;
}

function setCounts(tp: Trans, geo: DirGeometry, free: Buf, nvalid: number, nused: number): void {
  tp.modify(free, geo.nvalidAt, 4);
  tp.modify(free, geo.nusedAt, 4);
  free.view.setInt32(geo.nvalidAt, nvalid);
  free.view.setInt32(geo.nusedAt, nused);
}

/** Forgets a data block that is gone; a free block that tells of none goes too. */
export function dropFree(tp: Trans, dp: XfsInode, geo: DirGeometry, db: number): void {
  const k = Math.floor(db / geo.freeMax);
  const index = db % geo.freeMax;
  const free = readFree(dp, geo, k);
  let count = valid(geo, free);
  if (index >= count)
    throw corrupt({
      structure: `dirFree of inode ${dp.ino}`,
      addr: free.addr,
      field: 'nvalid',
      rule: `no data block ${db}`,
    });
  tp.modify(free, bestAt(geo, index), 2);
  free.view.setUint16(bestAt(geo, index), NULLDATAOFF);
  if (index === count - 1) while (count > 0 && free.view.getUint16(bestAt(geo, count - 1)) === NULLDATAOFF) count--;
  const left = used(geo, free) - 1;
  setCounts(tp, geo, free, count, left);
  if (left === 0) daShrink(tp, dp, 'data', geo, freeBlock(geo, k), free);
}

/** Makes free block 0 from the bests of a leaf1 block. @throws FsError ENOSPC */
export function buildFree(tp: Trans, dp: XfsInode, geo: DirGeometry, leaf: Buf, bests: number, count: number): void {
  const free = openFree(tp, dp, geo, 0);
  free.bytes.set(leaf.bytes.subarray(bests, bests + count * 2), geo.freeHeader);
  let live = 0;
  for (let i = 0; i < count; i++) if (free.view.getUint16(bestAt(geo, i)) !== NULLDATAOFF) live++;
  setCounts(tp, geo, free, count, live);
}

/** The only free block and how many bests it has; null if there are several. */
export function onlyFree(tp: Trans, dp: XfsInode, geo: DirGeometry): { free: Buf; count: number } | null {
  for (let k = freeBlockCount(dp, geo) - 1; k > 0; k--) {
    const free = dirTryRead(dp, geo, freeBlock(geo, k), dp.mp.ops.dirFree);
    if (free === null) continue;
    if (used(geo, checked(dp, geo, free, k)) > 0) return null;
    daShrink(tp, dp, 'data', geo, freeBlock(geo, k), free);
  }
  const free = readFree(dp, geo, 0);
  return { free, count: valid(geo, free) };
}
