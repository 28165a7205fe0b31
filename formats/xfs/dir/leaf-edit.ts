/**
 * Writing directories in leaf form: several data blocks, one leaf1 block with all hash pairs and, at its end, the
 * largest free area of each data block (kernel: xfs_dir2_leaf.c).
 *
 *     header | pairs …        free        … bests | bestcount         bests[db] = 0xffff: no such data block
 */
import type { Buf } from '../../../core/buffer-cache.ts';
import { corrupt } from '../../../core/errors.ts';
import { isFrugal } from '../alloc/frugal.ts';
import { forkBefore, holeNeedsBlock } from '../bmap-fork.ts';
import { daGrow, daInit, daRead, daShrink, dirInit, dirRead } from '../da/block.ts';
import { Extent } from '../extent.ts';
import type { XfsInode } from '../inode.ts';
import { diskSize, setDiskSize } from '../inode-core.ts';
import { DaMagic } from '../structure/da.ts';
import { DIR_NULL_DATAPTR, DirMagic, NULLDATAOFF } from '../structure/dir.ts';
import type { Trans } from '../trans.ts';
import { blockPairs, blockToData, blockToShort, dataToBlock, readBlock } from './block-edit.ts';
import { bestLength, bestOffset, giveSpace, initData, putEntry, takeSpace } from './data-space.ts';
import { type DirGeometry, dataEntrySize, dataptrToDb, dataptrToOffset, leafTailAt, toDataptr } from './geometry.ts';
import { sameName, sameNameCi } from './hash.ts';
import {
  addressAt,
  addToLeaf,
  compactLeaf,
  dropFromLeaf,
  hashAt,
  leafCount,
  leafStale,
  searchHash,
  setLeafCounts,
} from './index-entries.ts';

/** Where an entry lies: its data block and byte, and its pair in a leaf. */
export interface EntryPlace {
  readonly leaf: Buf;
  readonly index: number;
  readonly db: number;
  readonly data: Buf;
  readonly offset: number;
}

export function readLeaf(dp: XfsInode, geo: DirGeometry): Buf {
  return daRead(dp, 'data', geo, geo.leafBlock, dp.mp.ops.dirLeaf1);
}

/** Data block number `db`. */
export function readData(dp: XfsInode, geo: DirGeometry, db: number): Buf {
  return dirRead(dp, geo, db * geo.fsbCount, dp.mp.ops.dirData);
}

export const bestCount = (geo: DirGeometry, leaf: Buf): number => leaf.view.getUint32(leafTailAt(geo));
export const bestsAt = (geo: DirGeometry, leaf: Buf): number => leafTailAt(geo) - bestCount(geo, leaf) * 2;
const best = (geo: DirGeometry, leaf: Buf, db: number): number => leaf.view.getUint16(bestsAt(geo, leaf) + db * 2);

function setBest(tp: Trans, geo: DirGeometry, leaf: Buf, db: number, value: number): void {
  const at = bestsAt(geo, leaf) + db * 2;
  if (leaf.view.getUint16(at) === value) return;
  tp.modify(leaf, at, 2);
  leaf.view.setUint16(at, value);
}

function setBestCount(tp: Trans, geo: DirGeometry, leaf: Buf, count: number): void {
  tp.modify(leaf, leafTailAt(geo), 4);
  leaf.view.setUint32(leafTailAt(geo), count);
}

/** Adds an entry; false (nothing changed) if the leaf block has no room for its pair or for a new data block's best. */
export function addLeaf(
  tp: Trans,
  dp: XfsInode,
  geo: DirGeometry,
  name: Uint8Array,
  hash: number,
  ino: number,
  ftype: number,
): boolean {
  const leaf = readLeaf(dp, geo);
  const need = dataEntrySize(geo, name.length);
  const bests = bestCount(geo, leaf);
  let db = findRoom(geo, leaf, hash, need);
  const stale = leafStale(geo, leaf);
  const extra = db === bests ? 2 : 0;
  const room = bestsAt(geo, leaf) - geo.leafHeader - leafCount(geo, leaf) * 8;
  if (room < (stale > 0 ? 0 : 8) + extra) {
    if (stale === 0 || room + stale * 8 < 8 + extra) return false;
    compactLeaf(tp, geo, leaf);
  }
  let data: Buf;
  if (db === bests || best(geo, leaf, db) === NULLDATAOFF) {
    db = growData(tp, dp, geo);
    data = newData(tp, dp, geo, db);
    if (db === bests) pushBest(tp, geo, leaf);
    else if (db > bests) throw badBests(leaf, dp, db);
  } else data = readData(dp, geo, db);
  const offset = placeEntry(tp, geo, data, name, ino, ftype);
  setBest(tp, geo, leaf, db, bestLength(geo, data));
  const index = searchHash(leaf, geo.leafHeader, leafCount(geo, leaf), hash);
  addToLeaf(tp, geo, leaf, index, hash, toDataptr(geo, db, offset));
  return true;
}

function badBests(leaf: Buf, dp: XfsInode, db: number): Error {
  return corrupt({
    structure: `dirLeaf1 of inode ${dp.ino}`,
    addr: leaf.addr,
    field: 'bestcount',
    rule: `data block ${db} has no best`,
  });
}

/** A data block with `need` free bytes: where the same hash lies, else the first; else a hole; else the next number. */
function findRoom(geo: DirGeometry, leaf: Buf, hash: number, need: number): number {
  const at = bestsAt(geo, leaf);
  const bests = bestCount(geo, leaf);
  const count = leafCount(geo, leaf);
  for (
    let i = searchHash(leaf, geo.leafHeader, count, hash);
    i < count && hashAt(leaf, geo.leafHeader, i) === hash;
    i++
  ) {
    const address = addressAt(leaf, geo.leafHeader, i);
    const db = dataptrToDb(geo, address);
    if (address === DIR_NULL_DATAPTR || db >= bests) continue;
    const room = leaf.view.getUint16(at + db * 2);
    if (room >= need && room !== NULLDATAOFF) return db;
  }
  let hole = bests;
  for (let db = 0; db < bests; db++) {
    const room = leaf.view.getUint16(at + db * 2);
    if (room === NULLDATAOFF) {
      if (hole === bests) hole = db;
    } else if (room >= need) return db;
  }
  return hole;
}

/** Maps a new data block and answers its number; the directory's size follows. */
export function growData(tp: Trans, dp: XfsInode, geo: DirGeometry): number {
  const db = daGrow(tp, dp, 'data', geo, 0) / geo.fsbCount;
  const size = (db + 1) * geo.blockSize;
  tp.modifyInode(dp);
  if (size > diskSize(dp)) setDiskSize(dp, size);
  return db;
}

/** An empty data block, already mapped. */
export function newData(tp: Trans, dp: XfsInode, geo: DirGeometry, db: number): Buf {
  const data = dirInit(tp, dp, geo, db * geo.fsbCount, DirMagic.data[geo.v5 ? 1 : 0], dp.mp.ops.dirData);
  initData(geo, data);
  return data;
}

/** Writes an entry at the start of the largest free area and answers where. */
export function placeEntry(
  tp: Trans,
  geo: DirGeometry,
  data: Buf,
  name: Uint8Array,
  ino: number,
  ftype: number,
): number {
  const offset = bestOffset(geo, data);
  takeSpace(tp, geo, data, offset, offset, dataEntrySize(geo, name.length));
  putEntry(tp, geo, data, offset, name, ino, ftype);
  return offset;
}

function pushBest(tp: Trans, geo: DirGeometry, leaf: Buf): void {
  const at = bestsAt(geo, leaf);
  const tail = leafTailAt(geo);
  tp.modify(leaf, at - 2, tail - at + 2);
  leaf.bytes.copyWithin(at - 2, at, tail);
  leaf.view.setUint16(tail - 2, NULLDATAOFF);
  setBestCount(tp, geo, leaf, bestCount(geo, leaf) + 1);
}

/** The place of the entry that a pair names, if its name is the one asked for: 'exact', 'case' (ascii-ci) or null. */
export function matchPair(
  dp: XfsInode,
  geo: DirGeometry,
  leaf: Buf,
  index: number,
  name: Uint8Array,
): { place: EntryPlace; exact: boolean } | null {
  const address = addressAt(leaf, geo.leafHeader, index);
  if (address === DIR_NULL_DATAPTR) return null;
  const db = dataptrToDb(geo, address);
  const offset = dataptrToOffset(geo, address);
  const data = readData(dp, geo, db);
  const length = data.bytes[offset + 8] as number;
  const exact = sameName(name, data.bytes, offset + 9, length);
  if (!exact && !(geo.asciiCi && sameNameCi(name, data.bytes, offset + 9, length))) return null;
  return { place: { leaf, index, db, data, offset }, exact };
}

/** The entry with this name, exactly or (ascii-ci) but for case. */
export function findLeaf(dp: XfsInode, geo: DirGeometry, name: Uint8Array, hash: number): EntryPlace | null {
  const leaf = readLeaf(dp, geo);
  const count = leafCount(geo, leaf);
  let other: EntryPlace | null = null;
  for (
    let i = searchHash(leaf, geo.leafHeader, count, hash);
    i < count && hashAt(leaf, geo.leafHeader, i) === hash;
    i++
  ) {
    const match = matchPair(dp, geo, leaf, i, name);
    if (match?.exact) return match.place;
    other ??= match?.place ?? null;
  }
  return other;
}

/** Removes an entry; an empty data block is freed, and the directory becomes a block again when it can. */
export function removeLeaf(tp: Trans, dp: XfsInode, geo: DirGeometry, place: EntryPlace): void {
  const { leaf, data, db } = place;
  if (db >= bestCount(geo, leaf) || best(geo, leaf, db) !== bestLength(geo, data)) throw badBests(leaf, dp, db);
  freeEntry(tp, geo, place);
  dropFromLeaf(tp, geo, leaf, place.index);
  setBest(tp, geo, leaf, db, bestLength(geo, data));
  if (isEmptyData(geo, data) && db > 0) {
    if (shrinkData(tp, dp, geo, db, data)) {
      setBest(tp, geo, leaf, db, NULLDATAOFF);
      trimBests(tp, geo, leaf);
    }
  }
  leafToBlock(tp, dp, geo, leaf);
}

/** Gives the entry's bytes back to its data block. */
export function freeEntry(tp: Trans, geo: DirGeometry, place: EntryPlace): void {
  const { data, offset } = place;
  giveSpace(tp, geo, data, offset, dataEntrySize(geo, data.bytes[offset + 8] as number), geo.blockSize);
}

export function isEmptyData(geo: DirGeometry, data: Buf): boolean {
  return bestLength(geo, data) === geo.blockSize - geo.dataHeader;
}

/** Bests of data blocks that are gone vanish from the end. */
function trimBests(tp: Trans, geo: DirGeometry, leaf: Buf): void {
  const count = bestCount(geo, leaf);
  let keep = count;
  while (keep > 1 && best(geo, leaf, keep - 1) === NULLDATAOFF) keep--;
  if (keep === count) return;
  const at = bestsAt(geo, leaf);
  const tail = leafTailAt(geo);
  tp.modify(leaf, at, tail - at);
  leaf.bytes.copyWithin(at + (count - keep) * 2, at, at + keep * 2);
  setBestCount(tp, geo, leaf, keep);
}

const last = new Extent();

/**
 * Frees a data block; the directory's size goes back when it was the last. False on a full file system where that
 * would take a block for the extent btree: the empty block stays.
 */
export function shrinkData(tp: Trans, dp: XfsInode, geo: DirGeometry, db: number, data: Buf): boolean {
  if (isFrugal(tp) && holeNeedsBlock(dp, 'data', db * geo.fsbCount, geo.fsbCount)) return false;
  daShrink(tp, dp, 'data', geo, db * geo.fsbCount, data);
  if (diskSize(dp) > (db + 1) * geo.blockSize) return true;
  tp.modifyInode(dp);
  const end = forkBefore(dp, 'data', db * geo.fsbCount, last) ? last.end : 0;
  setDiskSize(dp, end * dp.mp.blockSize);
  return true;
}

/** Turns a leaf form directory with one data block into a block, and that into a shortform, where they fit. */
export function leafToBlock(tp: Trans, dp: XfsInode, geo: DirGeometry, leaf: Buf): void {
  while (diskSize(dp) > geo.blockSize) {
    // Empty blocks at the end are left over from removals that had no space to free them.
    const db = bestCount(geo, leaf) - 1;
    if (db < 1 || best(geo, leaf, db) !== geo.blockSize - geo.dataHeader) return;
    if (!shrinkData(tp, dp, geo, db, readData(dp, geo, db))) return;
    setBest(tp, geo, leaf, db, NULLDATAOFF);
    trimBests(tp, geo, leaf);
  }
  const data = readData(dp, geo, 0);
  const count = leafCount(geo, leaf);
  if (!dataToBlock(tp, dp, geo, data, leaf, count, count - leafStale(geo, leaf))) return;
  daShrink(tp, dp, 'data', geo, geo.leafBlock, leaf);
  blockToShort(tp, dp, geo, data);
}

/** Turns a block form directory into leaf form. @throws FsError ENOSPC */
export function blockToLeaf(tp: Trans, dp: XfsInode, geo: DirGeometry): void {
  const buf = readBlock(dp, geo);
  const block = daGrow(tp, dp, 'data', geo, geo.leafBlock);
  const leaf = daInit(tp, dp, 'data', geo, block, DaMagic.leaf1[geo.v5 ? 1 : 0], dp.mp.ops.dirLeaf1);
  const { base, count, stale } = blockPairs(geo, buf);
  leaf.bytes.set(buf.bytes.subarray(base, base + count * 8), geo.leafHeader);
  setLeafCounts(tp, geo, leaf, count, stale);
  setBestCount(tp, geo, leaf, 1);
  setBest(tp, geo, leaf, 0, blockToData(tp, dp, geo, buf));
}
