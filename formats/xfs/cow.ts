/**
 * The CoW fork's way out: staged blocks whose data is on the device replace the shared ones in the data fork
 * (endCow), or are given back unused (cancelCow).
 *
 * Crash order: while staged, blocks have a record in the refcount btree and no owner, so that recovery frees them.
 * Taking the old extent out, dropping its count, removing that record and mapping the new extent are one
 * transaction: a crash leaves the old bytes or the new ones.
 *
 * Writeback passes exactly what it wrote through the CoW fork. A direct write may have written parts of its range
 * through the data fork while staging was widened over them: it marks what goes to staged blocks (markStaged), and
 * only that is remapped.
 *
 * Mirrors: fs/xfs/xfs_reflink.c (xfs_reflink_end_cow_extent, xfs_reflink_cancel_cow_blocks).
 */

import { FsError } from '../../core/errors.ts';
import { BlockRuns } from './alloc/block-runs.ts';
import { freeExtent } from './alloc/free.ts';
import { freeExtents } from './alloc/free-many.ts';
import { cowFree, refcountDecrease } from './alloc/refcount.ts';
import { cowFreeMany, refcountDecreaseMany } from './alloc/refcount-many.ts';
import { mayHaveBeenCut, refcountReach } from './alloc/refcount-reach.ts';
import { mapExtent, replaceExtent } from './bmap-edit.ts';
import { replaceExtents } from './bmap-replace.ts';
import { punchDelalloc } from './delalloc.ts';
import { Extent, MAX_EXTENT_LENGTH } from './extent.ts';
import { readMapping } from './fork-view.ts';
import type { XfsInode } from './inode.ts';
import { logInode } from './inode-pin.ts';
import type { Trans } from './trans.ts';

/** Extents remapped in one transaction, if the log is large; given back in one transaction. */
const MOST = 512;
const BATCH = 128;
/** So many are given back one by one. */
const FEW = 16;

const staged = new Extent();
/** What the data fork has there: of the piece at hand, and from there on. */
const old = new Extent();
const holder = new Extent();
const moved: Extent[] = Array.from({ length: MOST }, () => new Extent());
/** What the data fork has in the place of each of `moved`. */
const oldBlocks = new Float64Array(MOST);
const blockRuns = new BlockRuns(MOST);

/** A byte range of a file. */
interface Run {
  readonly offset: number;
  readonly length: number;
}

/**
 * Moves the staged blocks of byte range [pos, pos + length) into the data fork; `marked`: only those that
 * markStaged() was called for. @throws FsError ENOSPC, EFBIG
 */
export function endCow(ip: XfsInode, pos: number, length: number, marked = false): void {
  endCowRuns(ip, [{ offset: pos, length }], 0, 1, marked);
}

/**
 * endCow() of runs[from … to), as many in one transaction as it may hold. After an error it can be asked again: what
 * was moved stays so. @throws FsError ENOSPC, EFBIG
 */
export function endCowRuns(ip: XfsInode, runs: readonly Run[], from: number, to: number, marked = false): void {
  const { blockSize, logBlocks } = ip.mp;
  // At worst each changes some KiB of as many btree blocks.
  const most = Math.min(MOST, Math.max(BATCH, (logBlocks * blockSize) >>> 17));
  let at = from;
  let done = 0;
  while (at < to) {
    let count = 0;
    ip.mp.transact('end cow', (tp) => {
      tp.beyondLimits = true;
      logInode(tp, ip);
      let together = 0;
      holder.count = 0;
      while (at < to && count < most) {
        const run = runs[at] as Run;
        const off = Math.max(done, Math.floor(run.offset / blockSize));
        const end = Math.ceil((run.offset + run.length) / blockSize);
        const piece = moved[count] as Extent;
        if (off >= end || !nextStaged(ip, off, end, piece, marked)) {
          at++;
          continue;
        }
        if (piece.off < holder.off || piece.off >= holder.end) readMapping(ip, piece.off, MAX_EXTENT_LENGTH, holder);
        old.copyFrom(holder).trim(piece.off, piece.count);
        piece.count = old.count;
        if (mayGoTogether(ip, old)) {
          if (together < count) break;
          oldBlocks[together++] = old.block;
        } else {
          if (together > 0) break;
          remap(tp, ip, piece);
          holder.count = 0;
        }
        done = piece.end;
        count++;
        if (mayHaveBeenCut(piece.count)) break;
      }
      if (together > 0) remapTogether(tp, ip, together);
    });
    for (let i = 0; i < count; i++) forgetStaged(ip, moved[i] as Extent);
  }
}

/** True if nothing special is to be said of what the data fork has there. */
function mayGoTogether(ip: XfsInode, here: Extent): boolean {
  return here.real && ip.dataFork.format === 'btree' && !mayHaveBeenCut(here.count) && ip.mp.features.reflink;
}

/** The first allocated (and marked) staging extent in [off, end), cut to it. */
function nextStaged(ip: XfsInode, off: number, end: number, out: Extent, marked = false): boolean {
  let from = off;
  while (ip.cow.lookup(from, out) && out.off < end) {
    if (marked ? out.written : out.real) {
      out.trim(off, end - off);
      return true;
    }
    from = out.end;
  }
  return false;
}

/** Replaces `old`, which the data fork has there, by `piece`; cuts `piece` to what one step can replace. */
function remap(tp: Trans, ip: XfsInode, piece: Extent): void {
  const { block, real } = old;
  piece.count = real ? refcountReach(ip.mp, block, old.count, 'start') : old.count;
  cowFree(tp, piece.block, piece.count);
  piece.unwritten = false;
  if (!real) {
    mapExtent(tp, ip, 'data', piece);
    return;
  }
  replaceExtent(tp, ip, 'data', piece);
  refcountDecrease(tp, block, piece.count);
}

/** As remap(), for the first `count` of `moved`, whose old blocks are in `oldBlocks`. */
function remapTogether(tp: Trans, ip: XfsInode, count: number): void {
  blockRuns.clear();
  for (let i = 0; i < count; i++) {
    const piece = moved[i] as Extent;
    piece.unwritten = false;
    blockRuns.add(piece.block, piece.count);
  }
  cowFreeMany(tp, blockRuns);
  replaceExtents(tp, ip, moved, count);
  blockRuns.clear();
  for (let i = 0; i < count; i++) blockRuns.add(oldBlocks[i] as number, (moved[i] as Extent).count);
  refcountDecreaseMany(tp, blockRuns);
}

/** Takes a remapped (or freed) range out of the CoW fork. */
function forgetStaged(ip: XfsInode, piece: Extent): void {
  punchDelalloc(ip, 'data', piece.off, piece.end);
  removeReal(ip, piece.off, piece.end);
  ip.mappingsChanged();
}

/** Data goes directly to the staged blocks of [off, off + count): endCow() may remap them. */
export function markStaged(ip: XfsInode, off: number, count: number): void {
  const piece = new Extent();
  for (let at = off; nextStaged(ip, at, off + count, piece); at = piece.end) {
    if (!piece.unwritten) continue;
    removeReal(ip, piece.off, piece.end);
    piece.unwritten = false;
    ip.cow.insert(piece, 0);
  }
}

/** Removes [off, end), which lies in one allocated staging extent. */
function removeReal(ip: XfsInode, off: number, end: number): void {
  const { cow } = ip;
  if (!cow.lookup(off, staged)) return;
  const { off: start, block, end: stop, unwritten } = staged;
  if (start < off) cow.replace(start, staged.set(start, block, off - start, unwritten), 0);
  else cow.remove(start);
  if (stop > end) cow.insert(staged.set(end, block + (end - start), stop - end, unwritten), 0);
}

/**
 * Gives back what is staged in file blocks [startFsb, endFsb): reservations, and (unless `delayedOnly`) allocated
 * blocks. @throws FsError EIO
 */
export function cancelCow(ip: XfsInode, startFsb: number, endFsb: number, delayedOnly = false): void {
  if (ip.cow.size === 0) return;
  punchDelalloc(ip, 'cow', startFsb, endFsb);
  if (delayedOnly) return;
  for (let off = startFsb; off < endFsb; ) {
    const count = gatherStaged(ip, off, endFsb);
    if (count === 0) break;
    freeStaged(ip, count);
    for (let i = 0; i < count; i++) removeReal(ip, (moved[i] as Extent).off, (moved[i] as Extent).end);
    ip.mappingsChanged();
    off = (moved[count - 1] as Extent).end;
  }
}

/** Puts what is staged in [off, endFsb) into `moved`, as much of it as one transaction takes; answers how many. */
function gatherStaged(ip: XfsInode, off: number, endFsb: number): number {
  let count = 0;
  for (let at = off; count < BATCH && at < endFsb; count++) {
    const piece = moved[count] as Extent;
    if (!nextStaged(ip, at, endFsb, piece)) break;
    at = piece.end;
  }
  return count;
}

/** Frees the staged blocks of the first `count` of `moved`. */
function freeStaged(ip: XfsInode, count: number): void {
  const { mp } = ip;
  blockRuns.clear();
  for (let i = 0; i < count; i++) blockRuns.add((moved[i] as Extent).block, (moved[i] as Extent).count);
  if (count >= FEW) {
    try {
      mp.transact('cancel cow', (tp) => {
        cowFreeMany(tp, blockRuns);
        freeExtents(tp, blockRuns);
      });
      return;
    } catch (error) {
      // The trees grew at more places than the free list is made for.
      if (!(error instanceof FsError) || error.code !== 'ENOSPC') throw error;
    }
  }
  mp.transact('cancel cow', (tp) => {
    for (let i = 0; i < count; i++) {
      const piece = moved[i] as Extent;
      cowFree(tp, piece.block, piece.count);
      freeExtent(tp, piece.block, piece.count, 'skip');
    }
  });
}
