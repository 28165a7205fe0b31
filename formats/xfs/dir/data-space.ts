/**
 * Entries and free space of one directory data block (kernel: xfs_dir2_data.c).
 *
 *     header | entry | free | entry | entry | free …            (block form: … | leaf entries | tail)
 *
 * Everything between header and end is tiled by entries and free areas, multiples of 8 bytes, each ending in a tag
 * that holds its own start; two free areas are never neighbours. The header's bestfree names the three largest free
 * areas, longest first; while it has an empty slot it names all of them.
 */
import type { Buf } from '../../../core/buffer-cache.ts';
import { corrupt } from '../../../core/errors.ts';
import { writeBe64 } from '../../../core/struct.ts';
import { DIR_DATA_FREE_TAG, DirBlockTail, DirMagic } from '../structure/dir.ts';
import type { Trans } from '../trans.ts';
import { blockTailAt, type DirGeometry, dataEntrySize } from './geometry.ts';

/** First byte after the entries of a data or block-form block. */
export function dataEnd(geo: DirGeometry, buf: Buf): number {
  const magic = buf.view.getUint32(0);
  if (magic !== DirMagic.block[0] && magic !== DirMagic.block[1]) return geo.blockSize;
  const tail = blockTailAt(geo);
  return tail - buf.view.getUint32(tail + DirBlockTail.at.count) * 8;
}

/** Length of the block's `rank`th largest free area (0 to 2), 0 if there is none. */
export function bestLength(geo: DirGeometry, buf: Buf, rank = 0): number {
  return buf.view.getUint16(geo.bestAt + rank * 4 + 2);
}

/** Offset of the block's `rank`th largest free area. */
export function bestOffset(geo: DirGeometry, buf: Buf, rank = 0): number {
  return buf.view.getUint16(geo.bestAt + rank * 4);
}

/** True if a free area starts at `at`. */
export function isFree(buf: Buf, at: number): boolean {
  return buf.view.getUint16(at) === DIR_DATA_FREE_TAG;
}

/** Length of the free area at `at`. */
export function freeLength(buf: Buf, at: number): number {
  return buf.view.getUint16(at + 2);
}

/** Makes the body [header, end) one free area; the block's header is already there and the buffer fully logged. */
export function initData(geo: DirGeometry, buf: Buf): void {
  putFree(buf, geo.dataHeader, geo.blockSize - geo.dataHeader);
  buf.view.setUint16(geo.bestAt, geo.dataHeader);
  buf.view.setUint16(geo.bestAt + 2, geo.blockSize - geo.dataHeader);
}

/** Takes [at, at + length) out of the free area at `free`. @throws FsError EUCLEAN if it does not lie inside */
export function takeSpace(tp: Trans, geo: DirGeometry, buf: Buf, free: number, at: number, length: number): void {
  const freeEnd = free + (isFree(buf, free) ? freeLength(buf, free) : 0);
  if (at < free || at + length > freeEnd) {
    throw corrupt({
      structure: buf.ops.name,
      addr: buf.addr,
      offset: free,
      rule: 'free space is not where bestfree says',
    });
  }
  const before = at - free;
  const after = freeEnd - at - length;
  if (before > 0) logFree(tp, buf, free, before);
  if (after > 0) logFree(tp, buf, at + length, after);
  if (noteBest(tp, geo, buf, free, -1, free, before, at + length, after)) findBest(geo, buf, at, length);
}

/** Gives [at, at + length) back, joining free neighbours. */
export function giveSpace(tp: Trans, geo: DirGeometry, buf: Buf, at: number, length: number, end: number): void {
  let start = at;
  let stop = at + length;
  let previous = -1;
  let next = -1;
  if (at > geo.dataHeader) {
    const tag = buf.view.getUint16(at - 2);
    if (tag >= geo.dataHeader && tag < at && isFree(buf, tag)) previous = start = tag;
  }
  if (stop < end && isFree(buf, stop)) {
    next = stop;
    stop += freeLength(buf, stop);
  }
  logFree(tp, buf, start, stop - start);
  if (noteBest(tp, geo, buf, previous, next, start, stop - start, 0, 0)) findBest(geo, buf, -1, 0);
}

function putFree(buf: Buf, at: number, length: number): void {
  buf.view.setUint16(at, DIR_DATA_FREE_TAG);
  buf.view.setUint16(at + 2, length);
  buf.view.setUint16(at + length - 2, at);
}

function logFree(tp: Trans, buf: Buf, at: number, length: number): void {
  tp.modify(buf, at, 4);
  tp.modify(buf, at + length - 2, 2);
  putFree(buf, at, length);
}

/**
 * Brings bestfree up to date: the areas at gone1 and gone2 are gone (-1: none), (offset, length) of up to two new
 * ones came. When a full table loses an entry, a smaller area that it did not name may belong in it now: unless all
 * three slots still beat the old third, the block must be searched: then the answer is true.
 */
function noteBest(
  tp: Trans,
  geo: DirGeometry,
  buf: Buf,
  gone1: number,
  gone2: number,
  offset1: number,
  length1: number,
  offset2: number,
  length2: number,
): boolean {
  const view = buf.view;
  const at = geo.bestAt;
  const oldThird = view.getUint16(at + 10);
  tp.modify(buf, at, 12);
  let lost = false;
  for (let rank = 2; rank >= 0; rank--) {
    const offset = view.getUint16(at + rank * 4);
    if (offset === 0 || (offset !== gone1 && offset !== gone2)) continue;
    buf.bytes.copyWithin(at + rank * 4, at + rank * 4 + 4, at + 12);
    view.setUint32(at + 8, 0);
    lost = true;
  }
  if (length1 > 0) insertBest(view, at, offset1, length1);
  if (length2 > 0) insertBest(view, at, offset2, length2);
  return lost && oldThird > 0 && view.getUint16(at + 10) < oldThird;
}

function insertBest(view: DataView, at: number, offset: number, length: number): void {
  let rank = 3;
  while (rank > 0 && length > view.getUint16(at + (rank - 1) * 4 + 2)) rank--;
  for (let i = 2; i > rank; i--) view.setUint32(at + i * 4, view.getUint32(at + (i - 1) * 4));
  if (rank === 3) return;
  view.setUint16(at + rank * 4, offset);
  view.setUint16(at + rank * 4 + 2, length);
}

/** Searches all free areas; what was just taken at [taken, taken + length) may still look like one. */
function findBest(geo: DirGeometry, buf: Buf, taken: number, length: number): void {
  const end = dataEnd(geo, buf);
  buf.bytes.fill(0, geo.bestAt, geo.bestAt + 12);
  // Every step is at least 8 bytes: a zero length would not end.
  for (let at = geo.dataHeader; at < end; ) {
    if (at === taken) at += length;
    else if (isFree(buf, at)) {
      insertBest(buf.view, geo.bestAt, at, freeLength(buf, at));
      at += Math.max(freeLength(buf, at), 8);
    } else at += dataEntrySize(geo, buf.bytes[at + 8] as number);
  }
}

/** Searches all free areas and names the largest in the header, which is already logged. */
export function rebuildBest(tp: Trans, geo: DirGeometry, buf: Buf): void {
  tp.modify(buf, geo.bestAt, 12);
  findBest(geo, buf, -1, 0);
}

/** Writes an entry into space that takeSpace took. */
export function putEntry(
  tp: Trans,
  geo: DirGeometry,
  buf: Buf,
  at: number,
  name: Uint8Array,
  ino: number,
  ftype: number,
): void {
  const size = dataEntrySize(geo, name.length);
  tp.modify(buf, at, size);
  fillEntry(geo, buf, at, name, ino, ftype);
}

/** As putEntry, in a buffer that is logged as a whole. */
export function fillEntry(geo: DirGeometry, buf: Buf, at: number, name: Uint8Array, ino: number, ftype: number): void {
  const size = dataEntrySize(geo, name.length);
  writeBe64(buf.view, at, ino);
  buf.bytes[at + 8] = name.length;
  buf.bytes.set(name, at + 9);
  if (geo.ftype) buf.bytes[at + 9 + name.length] = ftype;
  buf.view.setUint16(at + size - 2, at);
}

/** Makes the entry at `at` name another inode. */
export function setEntry(tp: Trans, geo: DirGeometry, buf: Buf, at: number, ino: number, ftype: number): void {
  tp.modify(buf, at, 8);
  writeBe64(buf.view, at, ino);
  if (!geo.ftype) return;
  const place = at + 9 + (buf.bytes[at + 8] as number);
  tp.modify(buf, place, 1);
  buf.bytes[place] = ftype;
}
