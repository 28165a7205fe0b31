/**
 * The extent records of a data or attribute fork, read and changed where they lie: in the inode (extents format)
 * or in the bmap btree below it. Nothing is kept in memory; every question is a search in the bytes.
 *
 * One operation changes records: spliceRecords() replaces a run of neighbours by another. It also keeps the extent
 * counter, refuses counts beyond the inode's limit (or widens the counter where the file system may), and moves
 * the fork between its two formats exactly when Linux does: to a btree when the records no longer fit the inode,
 * back as soon as they fit again.
 *
 * Mirrors: fs/xfs/libxfs/xfs_bmap.c (xfs_bmap_extents_to_btree, xfs_bmap_btree_to_extents, xfs_iext_count_extend).
 */
import type { Buf } from '../../core/buffer-cache.ts';
import { corrupt, FsError } from '../../core/errors.ts';
import { readBe64, writeBe64 } from '../../core/struct.ts';
import { allocForkBlock, freeForkBlock } from './alloc/btree-blocks.ts';
import { appendRecords } from './btree/append.ts';
import { initBlock } from './btree/block.ts';
import { type BmbtExtent, bmbtCursor } from './btree/bmbt.ts';
import type { BtreeFork } from './btree/cursor.ts';
import { type Edits, editMany } from './btree/edit-many.ts';
import { Extent, RECORD_SIZE, readExtent, writeExtent } from './extent.ts';
import { ExtentRun } from './extent-run.ts';
import type { XfsInode } from './inode.ts';
import { hasLargeCounters, setExtentCount, setForkFormat, widenCounters } from './inode-core.ts';
import { logInode } from './inode-pin.ts';
import { bmbtBlockcount, bmbtStartoff, copyBmbtKey, writeBmbt } from './structure/bmbt-record.ts';
import { LONG_V4_SIZE, LONG_V5_SIZE } from './structure/btree-format.ts';
import type { Trans } from './trans.ts';

const BMDR_SIZE = 4;

const across = new Extent();

/** Records that fit the inode without a btree. */
function maxInlineRecords(ip: XfsInode, fork: BtreeFork): number {
  return Math.floor(forkOf(ip, fork).size / RECORD_SIZE);
}

function forkOf(ip: XfsInode, fork: BtreeFork) {
  return fork === 'data' ? ip.dataFork : ip.attrFork;
}

/**
 * The record that holds `off`, or the first one after it; false when there is none.
 * @throws FsError EUCLEAN for a fork that holds no extents or a damaged btree
 */
export function forkLookup(ip: XfsInode, fork: BtreeFork, off: number, out: Extent): boolean {
  const info = forkOf(ip, fork);
  if (info.format === 'extents') {
    const { view } = ip.buf;
    const { nextents } = info;
    if (nextents === 0) return false;
    const { blockLog } = ip.mp;
    const { start } = info;
    const index = inlineIndex(view, start, nextents, off, blockLog);
    if (index >= nextents) return false;
    readExtent(view, start + index * RECORD_SIZE, blockLog, out);
    return true;
  }
  if (fork === 'data' && run.lookup(ip, off, out)) return true;
  const cursor = btreeReader(ip, fork);
  // A walk through the file finds most answers beside the last one.
  const near = readerSequence === ip.sequence && cursor.lookupNear(off);
  readerSequence = ip.sequence;
  if (near && fork === 'data') loadRun(cursor, ip);
  if (near || cursor.lookup(off, 'le')) {
    fromRecord(cursor.get(), out);
    if (out.end > off) return true;
    if (!cursor.next()) return false;
  } else if (!cursor.lookup(off, 'ge')) return false;
  fromRecord(cursor.get(), out);
  return true;
}

/** The last record that starts before `off`; false when there is none. */
export function forkBefore(ip: XfsInode, fork: BtreeFork, off: number, out: Extent): boolean {
  if (off <= 0) return false;
  const info = forkOf(ip, fork);
  if (info.format === 'extents') {
    const { view } = ip.buf;
    const { nextents } = info;
    if (nextents === 0) return false;
    const { blockLog } = ip.mp;
    const { start } = info;
    let index = inlineIndex(view, start, nextents, off, blockLog);
    if (index < nextents && bmbtStartoff(view, start + index * RECORD_SIZE, blockLog) < off) index++;
    if (index === 0) return false;
    readExtent(view, start + (index - 1) * RECORD_SIZE, blockLog, out);
    return true;
  }
  const cursor = btreeReader(ip, fork);
  const near = readerSequence === ip.sequence && cursor.lookupNear(off - 1);
  readerSequence = ip.sequence;
  if (!near && !cursor.lookup(off - 1, 'le')) return false;
  fromRecord(cursor.get(), out);
  return true;
}

/** Records of a leaf of a data fork's btree, from one on. */
export interface LeafRecords {
  readonly view: DataView;
  /** Byte offsets of the first record, and behind the last. */
  readonly start: number;
  readonly end: number;
}

/**
 * In the leaf with the record that holds `off`, or with the first one after it, that record and those behind it; null
 * when there is none. @throws FsError EUCLEAN, EIO
 */
export function leafRecords(ip: XfsInode, off: number): LeafRecords | null {
  const cursor = btreeReader(ip, 'data');
  readerSequence = ip.sequence;
  if (cursor.lookup(off, 'le')) {
    fromRecord(cursor.get(), across);
    if (across.end <= off && !cursor.next()) return null;
  } else if (!cursor.lookup(off, 'ge')) return null;
  const { view } = cursor.bufs[0] as Buf;
  return { view, start: cursor.recordAt(cursor.slots[0] as number), end: cursor.recordAt(cursor.count(0)) };
}

/** Index of the first inline record that ends after `off`. */
function inlineIndex(view: DataView, start: number, count: number, off: number, blockLog: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const mid = (low + high) >> 1;
    const at = start + mid * RECORD_SIZE;
    if (bmbtStartoff(view, at, blockLog) + bmbtBlockcount(view, at) <= off) low = mid + 1;
    else high = mid;
  }
  return low;
}

/** Levels of the data fork's btree below the inode, 0 for extents in the inode. */
export function forkBtreeLevels(ip: XfsInode): number {
  const info = ip.dataFork;
  return info.format === 'btree' ? ip.buf.view.getUint16(info.start) : 0;
}

/** True if a hole of `count` blocks at `off` cuts one record in two and that takes a new btree block. */
export function holeNeedsBlock(ip: XfsInode, fork: BtreeFork, off: number, count: number): boolean {
  if (!forkLookup(ip, fork, off, across) || across.off >= off || across.end <= off + count) return false;
  const info = forkOf(ip, fork);
  if (info.format === 'extents') return info.nextents >= maxInlineRecords(ip, fork);
  const cursor = btreeReader(ip, fork);
  return cursor.lookup(off, 'le') && (cursor.bufs[0]?.view.getUint16(6) ?? 0) >= cursor.maxLeafRecords;
}

type BmbtCursor = ReturnType<typeof bmbtCursor>;

// The cursors used last: most questions and changes come in runs on one file, and making a cursor costs more than a
// lookup. Every lookup starts at the root again, so an old cursor answers as a new one.
let reader: BmbtCursor | null = null;
/** The inode's sequence when `reader` was last moved: while it lasts, the leaf there is a leaf of the tree. */
let readerSequence = -1;
/** The reader before, for work that reads two files in turn. */
let otherReader: BmbtCursor | null = null;
let otherSequence = -1;
let writer: BmbtCursor | null = null;
/** The leaf that a walk is in. */
const run = new ExtentRun();

function loadRun(cursor: BmbtCursor, ip: XfsInode): void {
  const leaf = cursor.bufs[0] as Buf;
  run.load(ip, leaf.view, cursor.recordAt(0), cursor.count(0));
}

function btreeReader(ip: XfsInode, fork: BtreeFork): BmbtCursor {
  if (forkOf(ip, fork).format !== 'btree') {
    throw corrupt({ structure: `inode ${ip.ino}, ${fork} fork`, rule: 'has no extents' });
  }
  if (reader !== null && reader.inode === ip && reader.fork === fork) return reader;
  const other = otherReader;
  const sequence = otherSequence;
  otherReader = reader;
  otherSequence = readerSequence;
  const known = other !== null && other.inode === ip && other.fork === fork;
  reader = known ? other : bmbtCursor(ip, fork, null);
  readerSequence = known ? sequence : -1;
  return reader;
}

/** A cancelled transaction put old bytes back: where the readers stand says nothing any more. */
function forgetReaders(): void {
  run.forget();
  readerSequence = -1;
  otherSequence = -1;
}

function btreeWriter(tp: Trans, ip: XfsInode, fork: BtreeFork): BmbtCursor {
  if (writer === null || writer.tp !== tp || writer.inode !== ip || writer.fork !== fork) {
    writer = bmbtCursor(ip, fork, tp);
  }
  return writer;
}

function fromRecord(record: BmbtExtent, out: Extent): void {
  out.set(record.startoff, record.startblock, record.blockcount, record.unwritten);
}

const record: BmbtExtent = { startoff: 0, startblock: 0, blockcount: 0, unwritten: false };

function toRecord(e: Extent): BmbtExtent {
  record.startoff = e.off;
  record.startblock = e.block;
  record.blockcount = e.count;
  record.unwritten = e.unwritten;
  return record;
}

/**
 * Replaces the neighbouring records old[0 … oldCount) by fresh[0 … freshCount), which cover no other record's range.
 * With oldCount 0 the new ones go where their offsets belong.
 * @throws FsError EFBIG too many extents, ENOSPC no block for the btree, EUCLEAN
 */
export function spliceRecords(
  tp: Trans,
  ip: XfsInode,
  fork: BtreeFork,
  old: readonly Extent[],
  oldCount: number,
  fresh: readonly Extent[],
  freshCount: number,
): void {
  const info = forkOf(ip, fork);
  const count = info.nextents + freshCount - oldCount;
  logInode(tp, ip);
  tp.onAbort(forgetReaders);
  if (freshCount > oldCount) checkExtentCount(ip, fork, count);
  if (info.format === 'extents' && count > maxInlineRecords(ip, fork)) extentsToBtree(tp, ip, fork);
  if (forkOf(ip, fork).format === 'extents') spliceInline(ip, fork, old, oldCount, fresh, freshCount);
  else spliceBtree(tp, ip, fork, old, oldCount, fresh, freshCount);
  setExtentCount(ip, fork, count);
  if (forkOf(ip, fork).format === 'btree' && count <= maxInlineRecords(ip, fork)) btreeToExtents(tp, ip, fork);
  ip.mappingsChanged();
}

/** Changes records of a data fork in btree format. @throws FsError EFBIG too many extents, ENOSPC, EUCLEAN */
export function editRecords(tp: Trans, ip: XfsInode, edits: Edits<BmbtExtent>): void {
  const { nextents } = ip.dataFork;
  logInode(tp, ip);
  tp.onAbort(forgetReaders);
  const cursor = btreeWriter(tp, ip, 'data');
  let count = nextents;
  try {
    count += editMany(cursor, edits);
  } finally {
    cursor.close();
  }
  if (count > nextents) checkExtentCount(ip, 'data', count);
  setExtentCount(ip, 'data', count);
  if (count <= maxInlineRecords(ip, 'data')) btreeToExtents(tp, ip, 'data');
  ip.mappingsChanged();
}

/**
 * Maps written extents behind the last one of a data fork in btree format, which none of them touches. Columns of
 * file blocks, device blocks and lengths, in file order. @throws FsError EFBIG, ENOSPC, EUCLEAN
 */
export function appendExtents(tp: Trans, ip: XfsInode, extents: ExtentColumns): void {
  const { off, block, length, count } = extents;
  const { blockLog } = ip.mp;
  const total = ip.dataFork.nextents + count;
  logInode(tp, ip);
  tp.onAbort(forgetReaders);
  checkExtentCount(ip, 'data', total);
  const cursor = bmbtCursor(ip, 'data', tp);
  try {
    appendRecords(cursor, count, (view, at, i) =>
      writeBmbt(view, at, off[i] as number, block[i] as number, length[i] as number, false, blockLog),
    );
  } finally {
    cursor.close();
  }
  setExtentCount(ip, 'data', total);
  ip.mappingsChanged();
}

/** Extents as columns, the first `count` of each. */
export interface ExtentColumns {
  readonly off: Float64Array;
  readonly block: Float64Array;
  readonly length: Float64Array;
  readonly count: number;
}

function spliceInline(
  ip: XfsInode,
  fork: BtreeFork,
  old: readonly Extent[],
  oldCount: number,
  fresh: readonly Extent[],
  freshCount: number,
): void {
  const info = forkOf(ip, fork);
  const { view, bytes } = ip.buf;
  const { blockLog } = ip.mp;
  const key = (oldCount > 0 ? old[0] : fresh[0]) as Extent;
  const index = inlineIndex(view, info.start, info.nextents, key.off, blockLog);
  const at = info.start + index * RECORD_SIZE;
  const end = info.start + info.nextents * RECORD_SIZE;
  const from = at + oldCount * RECORD_SIZE;
  const to = at + freshCount * RECORD_SIZE;
  bytes.copyWithin(to, from, end);
  if (to < from) bytes.fill(0, end - (from - to), end);
  for (let i = 0; i < freshCount; i++) writeExtent(view, at + i * RECORD_SIZE, blockLog, fresh[i] as Extent);
}

function spliceBtree(
  tp: Trans,
  ip: XfsInode,
  fork: BtreeFork,
  old: readonly Extent[],
  oldCount: number,
  fresh: readonly Extent[],
  freshCount: number,
): void {
  const cursor = btreeWriter(tp, ip, fork);
  try {
    const common = Math.min(oldCount, freshCount);
    // Deletions first: then no key is ever out of order, whatever the new extents cover.
    for (let i = common; i < oldCount; i++) {
      locate(cursor, ip, fork, (old[i] as Extent).off);
      cursor.delete();
    }
    for (let i = 0; i < common; i++) {
      locate(cursor, ip, fork, (old[i] as Extent).off);
      cursor.update(toRecord(fresh[i] as Extent));
    }
    for (let i = common; i < freshCount; i++) cursor.insert(toRecord(fresh[i] as Extent));
  } finally {
    cursor.close();
  }
}

function locate(cursor: BmbtCursor, ip: XfsInode, fork: BtreeFork, off: number): void {
  if (!cursor.lookup(off, 'eq')) {
    throw corrupt({ structure: `inode ${ip.ino}, ${fork} fork`, rule: `no extent record at file block ${off}` });
  }
}

const MAX_DATA_EXTENTS = 2 ** 31 - 1;
const MAX_ATTR_EXTENTS = 2 ** 15 - 1;
const MAX_DATA_EXTENTS_LARGE = 2 ** 48 - 1;
const MAX_ATTR_EXTENTS_LARGE = 2 ** 32 - 1;

/** Widens the counters of the inode if the file system has NREXT64 and they would overflow. */
function checkExtentCount(ip: XfsInode, fork: BtreeFork, count: number): void {
  const data = fork === 'data';
  if (!hasLargeCounters(ip)) {
    if (count <= (data ? MAX_DATA_EXTENTS : MAX_ATTR_EXTENTS)) return;
    if (!ip.mp.features.nrext64) throw new FsError('EFBIG', { detail: `more than ${count - 1} extents` });
    widenCounters(ip);
  }
  if (count > (data ? MAX_DATA_EXTENTS_LARGE : MAX_ATTR_EXTENTS_LARGE)) throw new FsError('EFBIG');
}

/** The root in the inode gets one key and pointer, to a new leaf with all records. */
export function extentsToBtree(tp: Trans, ip: XfsInode, fork: BtreeFork): void {
  const { mp, buf } = ip;
  const info = forkOf(ip, fork);
  const home = mp.agbToFsb(mp.inoToAgno(ip.ino), mp.inoToAgbno(ip.ino));
  const fsb = allocForkBlock(tp, ip, fork, home);
  const leaf = initBlock(bmbtCursor(ip, fork, tp), fsb, 0);
  leaf.view.setUint16(6, info.nextents);
  const start = mp.features.v5 ? LONG_V5_SIZE : LONG_V4_SIZE;
  const end = info.start + info.nextents * RECORD_SIZE;
  leaf.bytes.set(buf.bytes.subarray(info.start, end), start);
  const room = Math.floor((info.size - BMDR_SIZE) / 16);
  buf.bytes.fill(0, info.start, info.start + info.size);
  buf.view.setUint16(info.start, 1);
  buf.view.setUint16(info.start + 2, 1);
  copyBmbtKey(leaf.view, start, buf.view, info.start + BMDR_SIZE);
  writeBe64(buf.view, info.start + BMDR_SIZE + room * 8, fsb);
  setForkFormat(ip, fork, 'btree');
}

/** The records of the only leaf come back into the inode. */
function btreeToExtents(tp: Trans, ip: XfsInode, fork: BtreeFork): void {
  const { mp, buf } = ip;
  const info = forkOf(ip, fork);
  const { view } = buf;
  if (view.getUint16(info.start) !== 1 || view.getUint16(info.start + 2) !== 1) return;
  const room = Math.floor((info.size - BMDR_SIZE) / 16);
  const fsb = readBe64(view, info.start + BMDR_SIZE + room * 8);
  const leaf = mp.cache.get(mp.fsbToAddr(fsb), mp.blockSize, mp.ops.bmbt);
  const count = leaf.view.getUint16(6);
  const start = mp.features.v5 ? LONG_V5_SIZE : LONG_V4_SIZE;
  buf.bytes.fill(0, info.start, info.start + info.size);
  buf.bytes.set(leaf.bytes.subarray(start, start + count * RECORD_SIZE), info.start);
  setForkFormat(ip, fork, 'extents');
  freeForkBlock(tp, ip, fork, fsb);
  tp.binval(leaf);
}
