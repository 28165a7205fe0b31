/**
 * Changes of a fork's mapping, one extent at a time: map blocks into a hole, take blocks out, change written to
 * unwritten and back. Each merges with the neighbours exactly as Linux does, so that FIEMAP of the result is the
 * same, keeps the inode's block count, and (where the image has one) the reverse map. None of them frees blocks or
 * changes reference counts: that is the caller's half, in the same transaction.
 *
 *     map      L    . .   R        L+new+R, L+new, new+R or L, new, R
 *     unmap    [ keep | gone | keep ]
 *     convert  L [ keep | other state | keep ] R     the middle may join L or R
 *
 * Mirrors: fs/xfs/libxfs/xfs_bmap.c (xfs_bmap_add_extent_hole_real, xfs_bmap_del_extent_real,
 * xfs_bmap_add_extent_unwritten_real).
 */
import { corrupt } from '../../core/errors.ts';
import { rmapConvert, rmapMap, rmapUnmap } from './alloc/rmap.ts';
import { forkBefore, forkLookup, spliceRecords } from './bmap-fork.ts';
import type { BtreeFork } from './btree/cursor.ts';
import { Extent, MAX_EXTENT_LENGTH } from './extent.ts';
import type { XfsInode } from './inode.ts';
import { addBlocks } from './inode-core.ts';
import { logInode } from './inode-pin.ts';
import { noteRealtime } from './quota/usage.ts';
import type { Trans } from './trans.ts';

const left = new Extent();
const right = new Extent();
const record = new Extent();
const mid = new Extent();
const old: Extent[] = [new Extent(), new Extent(), new Extent()];
const fresh: Extent[] = [new Extent(), new Extent(), new Extent(), new Extent(), new Extent()];

/** Maps real blocks into a hole of the fork. @throws FsError EUCLEAN if something is mapped there */
export function mapExtent(tp: Trans, ip: XfsInode, fork: BtreeFork, e: Extent): void {
  logInode(tp, ip);
  const hasLeft = forkBefore(ip, fork, e.off, left);
  const hasRight = forkLookup(ip, fork, e.off, right);
  if ((hasLeft && left.end > e.off) || (hasRight && right.off < e.end)) throw overlap(ip, fork, e);
  const joinsLeft = hasLeft && left.joins(e);
  const joinsRight =
    hasRight && e.joins(right) && (!joinsLeft || left.count + e.count + right.count <= MAX_EXTENT_LENGTH);
  let oldCount = 0;
  const whole = (fresh[0] as Extent).copyFrom(e);
  if (joinsLeft) {
    (old[oldCount++] as Extent).copyFrom(left);
    whole.set(left.off, left.block, left.count + whole.count, e.unwritten);
  }
  if (joinsRight) {
    (old[oldCount++] as Extent).copyFrom(right);
    whole.count += right.count;
  }
  spliceRecords(tp, ip, fork, old, oldCount, fresh, 1);
  addBlocks(ip, e.count);
  if (fork === 'data' && ip.realtime) noteRealtime(tp, ip.ino, e.count);
  if (ip.mp.features.rmapbt) rmapMap(tp, e.block, e.count, owner(ip, fork, e.off, e.unwritten));
}

/**
 * Takes [off, off + count) out of the one real record that holds it. The blocks stay as they are.
 * @throws FsError EUCLEAN if no record holds the range
 */
export function unmapExtent(tp: Trans, ip: XfsInode, fork: BtreeFork, off: number, count: number): void {
  logInode(tp, ip);
  findHolder(ip, fork, off, count);
  const block = record.block + (off - record.off);
  const { unwritten } = record;
  (old[0] as Extent).copyFrom(record);
  const n = keepEnds(off, count, 0);
  spliceRecords(tp, ip, fork, old, 1, fresh, n);
  addBlocks(ip, -count);
  if (fork === 'data' && ip.realtime) noteRealtime(tp, ip.ino, -count);
  if (ip.mp.features.rmapbt) rmapUnmap(tp, block, count, owner(ip, fork, off, unwritten));
}

/**
 * Maps written `e` in place of the real blocks that one record holds there. The old blocks stay as they are.
 * @throws FsError EUCLEAN if no record holds the range
 */
export function replaceExtent(tp: Trans, ip: XfsInode, fork: BtreeFork, e: Extent): void {
  logInode(tp, ip);
  findHolder(ip, fork, e.off, e.count);
  const block = record.block + (e.off - record.off);
  const { unwritten } = record;
  mid.copyFrom(e);
  const joinsLeft = record.off === e.off && forkBefore(ip, fork, e.off, left) && left.joins(mid);
  let joinsRight = record.end === e.end && forkLookup(ip, fork, e.end, right) && mid.joins(right);
  if (joinsLeft && joinsRight && left.count + mid.count + right.count > MAX_EXTENT_LENGTH) joinsRight = false;
  spliceConverted(tp, ip, fork, joinsLeft, joinsRight);
  if (!ip.mp.features.rmapbt) return;
  rmapUnmap(tp, block, e.count, owner(ip, fork, e.off, unwritten));
  rmapMap(tp, e.block, e.count, owner(ip, fork, e.off, e.unwritten));
}

/** Changes [off, off + count), which lies in one record, to unwritten or to written. */
export function convertExtent(
  tp: Trans,
  ip: XfsInode,
  fork: BtreeFork,
  off: number,
  count: number,
  unwritten: boolean,
): void {
  logInode(tp, ip);
  findHolder(ip, fork, off, count);
  if (record.unwritten === unwritten) return;
  const block = record.block + (off - record.off);
  mid.set(off, block, count, unwritten);
  const leftFilling = record.off === off;
  const rightFilling = record.end === off + count;
  const joinsLeft = leftFilling && forkBefore(ip, fork, off, left) && left.joins(mid);
  let joinsRight = rightFilling && forkLookup(ip, fork, off + count, right) && mid.joins(right);
  if (joinsLeft && joinsRight && left.count + count + right.count > MAX_EXTENT_LENGTH) joinsRight = false;
  spliceConverted(tp, ip, fork, joinsLeft, joinsRight);
  if (ip.mp.features.rmapbt) rmapConvert(tp, block, count, owner(ip, fork, off, unwritten));
}

/** Writes `record` with `mid` changed in it, joined to `left` and `right` as found. */
function spliceConverted(tp: Trans, ip: XfsInode, fork: BtreeFork, joinsLeft: boolean, joinsRight: boolean): void {
  let oldCount = 0;
  let n = 0;
  if (joinsLeft) (old[oldCount++] as Extent).copyFrom(left);
  (old[oldCount++] as Extent).copyFrom(record);
  if (joinsRight) (old[oldCount++] as Extent).copyFrom(right);
  if (record.off < mid.off)
    (fresh[n++] as Extent).set(record.off, record.block, mid.off - record.off, record.unwritten);
  const whole = (fresh[n++] as Extent).copyFrom(mid);
  if (joinsLeft) whole.set(left.off, left.block, left.count + whole.count, mid.unwritten);
  if (joinsRight) whole.count += right.count;
  if (record.end > mid.end) {
    const rest = record.end - mid.end;
    (fresh[n++] as Extent).set(mid.end, record.block + (mid.end - record.off), rest, record.unwritten);
  }
  spliceRecords(tp, ip, fork, old, oldCount, fresh, n);
}

/** What of `record` lies before and after [off, off + count), put to fresh[from …]; answers the new length. */
function keepEnds(off: number, count: number, from: number): number {
  let n = from;
  if (record.off < off) (fresh[n++] as Extent).set(record.off, record.block, off - record.off, record.unwritten);
  const end = off + count;
  if (record.end > end) {
    (fresh[n++] as Extent).set(end, record.block + (end - record.off), record.end - end, record.unwritten);
  }
  return n;
}

function findHolder(ip: XfsInode, fork: BtreeFork, off: number, count: number): void {
  if (!forkLookup(ip, fork, off, record) || record.off > off || record.end < off + count) {
    throw corrupt({
      structure: `inode ${ip.ino}, ${fork} fork`,
      field: `file block ${off}`,
      rule: `no extent holds ${count} blocks here`,
    });
  }
}

function owner(ip: XfsInode, fork: BtreeFork, offset: number, unwritten: boolean) {
  return { ino: ip.ino, offset, fork, unwritten };
}

function overlap(ip: XfsInode, fork: BtreeFork, e: Extent) {
  return corrupt({
    structure: `inode ${ip.ino}, ${fork} fork`,
    field: `file block ${e.off}`,
    rule: 'an extent is already mapped here',
  });
}
