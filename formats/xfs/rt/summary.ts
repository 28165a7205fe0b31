/**
 * The summary of the realtime bitmap: how many free runs of 2^log to 2^(log+1) - 1 extents begin in each block of it.
 *
 *     log 0: one 32-bit number a bitmap block | log 1: … | …        in host order, one after the other
 *
 * Mirrors: fs/xfs/libxfs/xfs_rtbitmap.c (xfs_rtmodify_summary), as little-endian machines write it.
 */
import { corrupt } from '../../../core/errors.ts';
import type { XfsMount } from '../mount.ts';
import type { Trans } from '../trans.ts';
import { extentsPerBlock, rtFileBlock } from './bitmap.ts';

function place(mp: XfsMount, log: number, bitmapBlock: number) {
  const at = (log * mp.sb.rbmblocks + bitmapBlock) * 4;
  const block = Math.floor(at / mp.blockSize);
  return { buf: rtFileBlock(mp, mp.sb.rsumino, 'realtime summary', block, mp.ops.rtsummary), at: at % mp.blockSize };
}

/** Sizes of free runs that are told apart, as powers of two. */
export function summaryLevels(mp: XfsMount): number {
  return mp.sb.rextslog + 1;
}

/** Free runs of `log` that begin in a block of the bitmap. */
export function summaryAt(mp: XfsMount, log: number, bitmapBlock: number): number {
  const { buf, at } = place(mp, log, bitmapBlock);
  return buf.view.getUint32(at, true);
}

/** A free run of `count` extents that begins at `start` came (1) or went (-1). @throws FsError EUCLEAN below 0 */
export function countRun(tp: Trans, start: number, count: number, change: 1 | -1): void {
  const log = Math.floor(Math.log2(count));
  const bitmapBlock = Math.floor(start / extentsPerBlock(tp.mp));
  const { buf, at } = place(tp.mp, log, bitmapBlock);
  const sum = buf.view.getUint32(at, true) + change;
  if (sum < 0) {
    throw corrupt({
      structure: 'realtime summary',
      field: `log ${log}, bitmap block ${bitmapBlock}`,
      rule: `counts no run that begins at realtime extent ${start}`,
    });
  }
  tp.modify(buf, at, 4);
  buf.view.setUint32(at, sum, true);
}
