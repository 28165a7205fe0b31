/**
 * The sorted array of (hash, address) pairs that finds an entry by name: in leaf1 and leafn blocks after the header,
 * in block form before the tail. An entry that goes away stays as a stale pair with address 0, so that nothing has
 * to move; adding a name takes the nearest stale pair first (kernel: xfs_dir2_leaf.c).
 */
import type { Buf } from '../../../core/buffer-cache.ts';
import { DIR_NULL_DATAPTR } from '../structure/dir.ts';
import type { Trans } from '../trans.ts';
import type { DirGeometry } from './geometry.ts';

export const hashAt = (buf: Buf, base: number, index: number): number => buf.view.getUint32(base + index * 8);
export const addressAt = (buf: Buf, base: number, index: number): number => buf.view.getUint32(base + index * 8 + 4);

/** Index of the first of `count` pairs whose hash is not below `hash`. */
export function searchHash(buf: Buf, base: number, count: number, hash: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (hashAt(buf, base, middle) < hash) low = middle + 1;
    else high = middle;
  }
  return low;
}

function setPair(buf: Buf, base: number, index: number, hash: number, address: number): void {
  buf.view.setUint32(base + index * 8, hash);
  buf.view.setUint32(base + index * 8 + 4, address);
}

/** Puts a pair at `index`, moving the later ones up by one; the array must have room for one more. */
export function insertPair(
  tp: Trans,
  buf: Buf,
  base: number,
  count: number,
  index: number,
  hash: number,
  address: number,
): void {
  const at = base + index * 8;
  tp.modify(buf, at, (count + 1 - index) * 8);
  buf.bytes.copyWithin(at + 8, at, base + count * 8);
  setPair(buf, base, index, hash, address);
}

/** Puts a pair at `index` in the place of the nearest stale one, of which there must be one. */
export function insertOverStale(
  tp: Trans,
  buf: Buf,
  base: number,
  count: number,
  index: number,
  hash: number,
  address: number,
): void {
  let low = index - 1;
  let high = index;
  while (low >= 0 || high < count) {
    if (high < count && addressAt(buf, base, high) === DIR_NULL_DATAPTR) {
      tp.modify(buf, base + index * 8, (high + 1 - index) * 8);
      buf.bytes.copyWithin(base + (index + 1) * 8, base + index * 8, base + high * 8);
      setPair(buf, base, index, hash, address);
      return;
    }
    if (low >= 0 && addressAt(buf, base, low) === DIR_NULL_DATAPTR) {
      tp.modify(buf, base + low * 8, (index - low) * 8);
      buf.bytes.copyWithin(base + low * 8, base + (low + 1) * 8, base + index * 8);
      setPair(buf, base, index - 1, hash, address);
      return;
    }
    low--;
    high++;
  }
  throw new Error('no stale pair');
}

/** Moves the live pairs of [0, count) together at the front, in place, and answers how many they are. */
export function squeezePairs(buf: Buf, base: number, count: number): number {
  let live = 0;
  for (let i = 0; i < count; i++) {
    if (addressAt(buf, base, i) === DIR_NULL_DATAPTR) continue;
    if (i !== live) setPair(buf, base, live, hashAt(buf, base, i), addressAt(buf, base, i));
    live++;
  }
  return live;
}

export const leafCount = (geo: DirGeometry, buf: Buf): number => buf.view.getUint16(geo.leafCountAt);
export const leafStale = (geo: DirGeometry, buf: Buf): number => buf.view.getUint16(geo.leafStaleAt);

export function setLeafCounts(tp: Trans, geo: DirGeometry, buf: Buf, count: number, stale: number): void {
  tp.modify(buf, geo.leafCountAt, 4);
  buf.view.setUint16(geo.leafCountAt, count);
  buf.view.setUint16(geo.leafStaleAt, stale);
}

/** Adds a pair to a leaf block that has a stale one or room for one more. */
export function addToLeaf(tp: Trans, geo: DirGeometry, buf: Buf, index: number, hash: number, address: number): void {
  const count = leafCount(geo, buf);
  const stale = leafStale(geo, buf);
  if (stale > 0) {
    insertOverStale(tp, buf, geo.leafHeader, count, index, hash, address);
    setLeafCounts(tp, geo, buf, count, stale - 1);
  } else {
    insertPair(tp, buf, geo.leafHeader, count, index, hash, address);
    setLeafCounts(tp, geo, buf, count + 1, 0);
  }
}

/** Marks a leaf block's pair stale. */
export function dropFromLeaf(tp: Trans, geo: DirGeometry, buf: Buf, index: number): void {
  tp.modify(buf, geo.leafHeader + index * 8 + 4, 4);
  buf.view.setUint32(geo.leafHeader + index * 8 + 4, DIR_NULL_DATAPTR);
  setLeafCounts(tp, geo, buf, leafCount(geo, buf), leafStale(geo, buf) + 1);
}

/** Removes a leaf block's stale pairs. */
export function compactLeaf(tp: Trans, geo: DirGeometry, buf: Buf): void {
  if (leafStale(geo, buf) === 0) return;
  const count = leafCount(geo, buf);
  tp.modify(buf, geo.leafHeader, count * 8);
  const live = squeezePairs(buf, geo.leafHeader, count);
  setLeafCounts(tp, geo, buf, live, 0);
}
