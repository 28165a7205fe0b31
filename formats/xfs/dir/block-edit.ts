/**
 * Writing directories in block form: entries, their hash index and a tail in one block (kernel: xfs_dir2_block.c).
 */
import type { Buf } from '../../../core/buffer-cache.ts';
import { corrupt } from '../../../core/errors.ts';
import { readBe64 } from '../../../core/struct.ts';
import { daGrow, daShrink, dirInit, dirRead, setDirType } from '../da/block.ts';
import type { XfsInode } from '../inode.ts';
import { setDiskSize, setForkFormat } from '../inode-core.ts';
import { DIR_NULL_DATAPTR, DirBlockTail, DirFtype, DirMagic } from '../structure/dir.ts';
import type { Trans } from '../trans.ts';
import {
  bestLength,
  bestOffset,
  dataEnd,
  fillEntry,
  freeLength,
  giveSpace,
  isFree,
  putEntry,
  rebuildBest,
  takeSpace,
} from './data-space.ts';
import { blockTailAt, type DirGeometry, dataEntrySize, dataptrToOffset } from './geometry.ts';
import { hashDirName, sameName, sameNameCi } from './hash.ts';
import { addressAt, hashAt, insertOverStale, searchHash, squeezePairs } from './index-entries.ts';
import { readShort, type ShortDir, shortSize, writeShort } from './short-edit.ts';

/** The one block. */
export function readBlock(dp: XfsInode, geo: DirGeometry): Buf {
  return dirRead(dp, geo, 0, dp.mp.ops.dirBlock);
}

const countOf = (geo: DirGeometry, buf: Buf): number => buf.view.getUint32(blockTailAt(geo) + DirBlockTail.at.count);
const staleOf = (geo: DirGeometry, buf: Buf): number => buf.view.getUint32(blockTailAt(geo) + DirBlockTail.at.stale);

function setTail(tp: Trans, geo: DirGeometry, buf: Buf, count: number, stale: number): void {
  const at = blockTailAt(geo);
  tp.modify(buf, at, DirBlockTail.size);
  buf.view.setUint32(at + DirBlockTail.at.count, count);
  buf.view.setUint32(at + DirBlockTail.at.stale, stale);
}

/** Adds an entry; false (nothing changed) if the block has no room for it and its hash pair. */
export function addBlock(
  tp: Trans,
  dp: XfsInode,
  geo: DirGeometry,
  name: Uint8Array,
  hash: number,
  ino: number,
  ftype: number,
): boolean {
  const buf = readBlock(dp, geo);
  const need = dataEntrySize(geo, name.length);
  const stale = staleOf(geo, buf);
  const base = dataEnd(geo, buf);
  const tag = buf.view.getUint16(base - 2);
  const endFree = tag >= geo.dataHeader && tag < base && isFree(buf, tag) ? freeLength(buf, tag) : 0;
  const rank = bestOffset(geo, buf) === tag && stale === 0 && bestLength(geo, buf) < need + 8 ? 1 : 0;
  if (stale === 0) {
    if (endFree < 8 || bestLength(geo, buf, rank) < need) return false;
    const place = bestOffset(geo, buf, rank);
    addPair(tp, geo, buf, tag, base, hash, place / 8);
    takeSpace(tp, geo, buf, place, place, need);
    putEntry(tp, geo, buf, place, name, ino, ftype);
    return true;
  }
  if (bestLength(geo, buf) >= need) {
    const place = bestOffset(geo, buf);
    const count = countOf(geo, buf);
    insertOverStale(tp, buf, base, count, searchHash(buf, base, count, hash), hash, place / 8);
    setTail(tp, geo, buf, count, stale - 1);
    takeSpace(tp, geo, buf, place, place, need);
    putEntry(tp, geo, buf, place, name, ino, ftype);
    return true;
  }
  if (stale < 2 || endFree + (stale - 1) * 8 < need) return false;
  dropStale(tp, geo, buf, base, stale - 1);
  return addBlock(tp, dp, geo, name, hash, ino, ftype);
}

/** Takes 8 bytes before the pairs for one more and puts it in its place. */
function addPair(
  tp: Trans,
  geo: DirGeometry,
  buf: Buf,
  free: number,
  base: number,
  hash: number,
  address: number,
): void {
  const count = countOf(geo, buf);
  const index = searchHash(buf, base, count, hash);
  setTail(tp, geo, buf, count + 1, 0);
  takeSpace(tp, geo, buf, free, base - 8, 8);
  tp.modify(buf, base - 8, (index + 1) * 8);
  buf.bytes.copyWithin(base - 8, base, base + index * 8);
  buf.view.setUint32(base - 8 + index * 8, hash);
  buf.view.setUint32(base - 4 + index * 8, address);
}

/** Removes all stale pairs but one and gives their space to the entries. */
function dropStale(tp: Trans, geo: DirGeometry, buf: Buf, base: number, drop: number): void {
  const count = countOf(geo, buf);
  tp.modify(buf, base, count * 8);
  const live = squeezePairs(buf, base, count);
  const fresh = base + drop * 8;
  buf.bytes.copyWithin(fresh + 8, base, base + live * 8);
  buf.view.setUint32(fresh, hashAt(buf, fresh + 8, 0));
  buf.view.setUint32(fresh + 4, DIR_NULL_DATAPTR);
  setTail(tp, geo, buf, count - drop, 1);
  giveSpace(tp, geo, buf, base, drop * 8, fresh);
}

/** Index of the pair of an entry with this name, exactly or (ascii-ci) but for case; -1 if none. */
export function findBlock(geo: DirGeometry, buf: Buf, name: Uint8Array, hash: number): number {
  const base = dataEnd(geo, buf);
  const count = countOf(geo, buf);
  let other = -1;
  for (let i = searchHash(buf, base, count, hash); i < count && hashAt(buf, base, i) === hash; i++) {
    const address = addressAt(buf, base, i);
    if (address === DIR_NULL_DATAPTR) continue;
    const at = dataptrToOffset(geo, address);
    if (sameName(name, buf.bytes, at + 9, buf.bytes[at + 8] as number)) return i;
    if (geo.asciiCi && other < 0 && sameNameCi(name, buf.bytes, at + 9, buf.bytes[at + 8] as number)) other = i;
  }
  return other;
}

/** Byte of the entry that pair `index` names. */
export function entryOf(geo: DirGeometry, buf: Buf, index: number): number {
  return dataptrToOffset(geo, addressAt(buf, dataEnd(geo, buf), index));
}

/** Removes the entry of pair `index`; the directory goes back into the inode if it fits. */
export function removeBlock(tp: Trans, dp: XfsInode, geo: DirGeometry, buf: Buf, index: number): void {
  const base = dataEnd(geo, buf);
  const at = entryOf(geo, buf, index);
  giveSpace(tp, geo, buf, at, dataEntrySize(geo, buf.bytes[at + 8] as number), base);
  tp.modify(buf, base + index * 8 + 4, 4);
  buf.view.setUint32(base + index * 8 + 4, DIR_NULL_DATAPTR);
  setTail(tp, geo, buf, countOf(geo, buf), staleOf(geo, buf) + 1);
  blockToShort(tp, dp, geo, buf);
}

/** Moves the directory into its inode if it fits there. */
export function blockToShort(tp: Trans, dp: XfsInode, geo: DirGeometry, buf: Buf): void {
  const room = dp.dataFork.size;
  // Names alone too long for the inode: no need to decode them.
  const live = countOf(geo, buf) - staleOf(geo, buf) - 2;
  if (live * (8 + (geo.ftype ? 1 : 0)) + 6 > room) return;
  const dir = decodeBlock(geo, buf, room);
  if (dir === null || shortSize(geo, dir) > room) return;
  daShrink(tp, dp, 'data', geo, 0, buf);
  tp.modifyInode(dp);
  setForkFormat(dp, 'data', 'local');
  writeShort(tp, dp, geo, dir);
}

function decodeBlock(geo: DirGeometry, buf: Buf, room: number): ShortDir | null {
  const end = dataEnd(geo, buf);
  const dir: ShortDir = { parent: 0, entries: [] };
  let size = 6;
  for (let at = geo.dataHeader; at < end && size <= room; ) {
    if (isFree(buf, at)) {
      at += Math.max(freeLength(buf, at), 8);
      continue;
    }
    const length = buf.bytes[at + 8] as number;
    const ino = readBe64(buf.view, at);
    if (at === geo.dataHeader) checkDot(buf, at, length);
    else if (at === geo.dataHeader + dataEntrySize(geo, 1)) dir.parent = ino;
    else {
      const name = buf.bytes.slice(at + 9, at + 9 + length);
      dir.entries.push({ name, offset: at, ino, ftype: geo.ftype ? (buf.bytes[at + 9 + length] as number) : 0 });
      size += 3 + length + (geo.ftype ? 1 : 0) + 4;
    }
    at += dataEntrySize(geo, length);
  }
  return size <= room ? dir : null;
}

function checkDot(buf: Buf, at: number, length: number): void {
  if (length === 1 && buf.bytes[at + 9] === 0x2e) return;
  throw corrupt({ structure: buf.ops.name, addr: buf.addr, offset: at, rule: 'the first entry is not "."' });
}

/** Turns a shortform directory, given decoded, into a block. @throws FsError ENOSPC */
export function shortToBlock(tp: Trans, dp: XfsInode, geo: DirGeometry, dir: ShortDir = readShort(dp, geo)): Buf {
  tp.modifyInode(dp);
  const fork = dp.dataFork;
  dp.buf.bytes.fill(0, fork.start, fork.start + fork.size);
  setForkFormat(dp, 'data', 'extents');
  const block = daGrow(tp, dp, 'data', geo, 0);
  setDiskSize(dp, geo.blockSize);
  const buf = dirInit(tp, dp, geo, block, DirMagic.block[geo.v5 ? 1 : 0], dp.mp.ops.dirBlock);
  const dot = Uint8Array.of(0x2e);
  const dotdot = Uint8Array.of(0x2e, 0x2e);
  const dotdotAt = geo.dataHeader + dataEntrySize(geo, 1);
  const all = [
    { name: dot, offset: geo.dataHeader, ino: dp.ino, ftype: DirFtype.DIR },
    { name: dotdot, offset: dotdotAt, ino: dir.parent, ftype: DirFtype.DIR },
    ...dir.entries,
  ];
  const end = blockTailAt(geo) - all.length * 8;
  const pairs: { hash: number; address: number }[] = [];
  let at = geo.dataHeader;
  for (const entry of all) {
    if (entry.offset < at || entry.offset % 8 !== 0) throw badOffset(dp, entry.offset);
    gap(buf, at, entry.offset - at);
    fillEntry(geo, buf, entry.offset, entry.name, entry.ino, entry.ftype);
    pairs.push({ hash: hashDirName(entry.name, geo.asciiCi), address: entry.offset / 8 });
    at = entry.offset + dataEntrySize(geo, entry.name.length);
  }
  if (at > end) throw badOffset(dp, at);
  gap(buf, at, end - at);
  pairs.sort((a, b) => a.hash - b.hash);
  for (let i = 0; i < pairs.length; i++) {
    const pair = pairs[i] as { hash: number; address: number };
    buf.view.setUint32(end + i * 8, pair.hash);
    buf.view.setUint32(end + i * 8 + 4, pair.address);
  }
  buf.view.setUint32(blockTailAt(geo), pairs.length);
  rebuildBest(tp, geo, buf);
  return buf;
}

function gap(buf: Buf, at: number, length: number): void {
  if (length === 0) return;
  buf.view.setUint16(at, 0xffff);
  buf.view.setUint16(at + 2, length);
  buf.view.setUint16(at + length - 2, at);
}

function badOffset(dp: XfsInode, offset: number): Error {
  return corrupt({
    structure: `shortform directory ${dp.ino}`,
    field: 'offset',
    value: String(offset),
    rule: 'out of order',
  });
}

/** Turns the block into a data block, whose pairs the caller has copied; answers the length of its largest free area. */
export function blockToData(tp: Trans, dp: XfsInode, geo: DirGeometry, buf: Buf): number {
  const base = dataEnd(geo, buf);
  setDirType(tp, buf, DirMagic.data[geo.v5 ? 1 : 0], dp.mp.ops.dirData);
  giveSpace(tp, geo, buf, base, geo.blockSize - base, geo.blockSize);
  return bestLength(geo, buf);
}

/** Turns the only data block into a block form block with these live pairs; false if its end is not free. */
export function dataToBlock(
  tp: Trans,
  dp: XfsInode,
  geo: DirGeometry,
  buf: Buf,
  leaf: Buf,
  leafEntries: number,
  live: number,
): boolean {
  const need = DirBlockTail.size + live * 8;
  const tag = buf.view.getUint16(geo.blockSize - 2);
  if (tag < geo.dataHeader || tag >= geo.blockSize || !isFree(buf, tag) || freeLength(buf, tag) < need) return false;
  const base = geo.blockSize - need;
  // The tail first: it tells takeSpace where the entries end now.
  setDirType(tp, buf, DirMagic.block[geo.v5 ? 1 : 0], dp.mp.ops.dirBlock);
  setTail(tp, geo, buf, live, 0);
  takeSpace(tp, geo, buf, tag, base, need);
  tp.modify(buf, base, live * 8);
  let to = 0;
  for (let i = 0; i < leafEntries; i++) {
    if (addressAt(leaf, geo.leafHeader, i) === DIR_NULL_DATAPTR) continue;
    buf.bytes.set(leaf.bytes.subarray(geo.leafHeader + i * 8, geo.leafHeader + i * 8 + 8), base + to * 8);
    to++;
  }
  return true;
}

/** The pairs of a block form block, stale ones included: where they start and how many. */
export function blockPairs(geo: DirGeometry, buf: Buf): { base: number; count: number; stale: number } {
  return { base: dataEnd(geo, buf), count: countOf(geo, buf), stale: staleOf(geo, buf) };
}
