/**
 * The packed extent record of forks and bmbt leaves, 16 bytes big-endian (kernel: struct xfs_bmbt_rec).
 *
 *     l0: 63 unwritten | 62-9 startoff (54) | 8-0 startblock, high 9
 *     l1: 63-21 startblock, low 43          | 20-0 blockcount (21)
 *
 * Each reader takes two or three 32-bit words and no bigint. Where a file begins to be far (core/positions.ts) the
 * record has real blocks and memory has labels: both differ in the upper 31 bits of startoff only.
 */
import { FsError } from '../../../core/errors.ts';
import { labelUnits, realUnits } from '../../../core/positions.ts';

const TWO11 = 0x800;
const TWO23 = 0x800000;
const TWO32 = 0x1_0000_0000;
const TWO43 = 0x800_0000_0000;

/** Chunks of positions that are their own labels: from the next on a file is far. */
const NEAR_CHUNKS = 64;

/** First file block, as a label; `blockLog`: log2 of the block size. @throws FsError EFBIG in a gap of positions */
export function bmbtStartoff(view: DataView, at: number, blockLog: number): number {
  const high = view.getUint32(at) & 0x7fffffff;
  const low = view.getUint32(at + 4) >>> 9;
  // A chunk is 2^46 bytes, and `high` counts 2^23 blocks.
  if (high >>> (23 - blockLog) >= NEAR_CHUNKS) return farStartoff(high, low, bmbtBlockcount(view, at), blockLog);
  return high * TWO23 + low;
}

function farStartoff(high: number, low: number, count: number, blockLog: number): number {
  const label = labelUnits(high, 23 - blockLog);
  const last = high + Math.floor((low + Math.max(1, count) - 1) / TWO23);
  if (label < 0 || labelUnits(last, 23 - blockLog) - label !== last - high) {
    const block = BigInt(high) * BigInt(TWO23) + BigInt(low);
    throw new FsError('EFBIG', {
      detail: `an extent at file block ${block}, between the positions that have a name here`,
    });
  }
  return label * TWO23 + low;
}

/** First file block as the record has it: a bigint where a number would round. */
export function bmbtRealStartoff(view: DataView, at: number): number | bigint {
  const high = view.getUint32(at) & 0x7fffffff;
  if (high < 0x40000000) return high * TWO23 + (view.getUint32(at + 4) >>> 9);
  return (view.getBigUint64(at) >> 9n) & 0x3f_ffff_ffff_ffffn;
}

/** The key of a btree node, or of the record at `from`: file blocks as a label. @throws FsError EFBIG */
export function bmbtKey(view: DataView, at: number, blockLog: number): number {
  const top = view.getUint32(at);
  const bottom = view.getUint32(at + 4);
  const high = top * 512 + (bottom >>> 23);
  if (high >= NEAR_CHUNKS * 2 ** (23 - blockLog)) return farStartoff(high, bottom & 0x7fffff, 1, blockLog);
  return top * TWO32 + bottom;
}

/** Writes the key of the record at `from`. */
export function copyBmbtKey(view: DataView, from: number, into: DataView, at: number): void {
  const high = view.getUint32(from) & 0x7fffffff;
  into.setUint32(at, high >>> 9);
  into.setUint32(at + 4, ((high << 23) | (view.getUint32(from + 4) >>> 9)) >>> 0);
}

/** First block on the device (an FsBlock, or a realtime block), up to 2^52. */
export function bmbtStartblock(view: DataView, at: number): number {
  return (view.getUint32(at + 4) & 0x1ff) * TWO43 + view.getUint32(at + 8) * TWO11 + (view.getUint32(at + 12) >>> 21);
}

/** Length in blocks. */
export function bmbtBlockcount(view: DataView, at: number): number {
  return view.getUint32(at + 12) & 0x1fffff;
}

/** True for preallocated, never written blocks. */
export function bmbtUnwritten(view: DataView, at: number): boolean {
  return view.getUint8(at) >= 0x80;
}

/** Writes a whole record; `startoff` is a label. */
export function writeBmbt(
  view: DataView,
  at: number,
  startoff: number,
  startblock: number,
  blockcount: number,
  unwritten: boolean,
  blockLog: number,
): void {
  let high = Math.floor(startoff / TWO23);
  if (high >>> (23 - blockLog) >= NEAR_CHUNKS) high = realUnits(high, 23 - blockLog);
  view.setUint32(at, unwritten ? high + 0x80000000 : high);
  view.setUint32(at + 4, (startoff % TWO23) * 512 + Math.floor(startblock / TWO43));
  view.setUint32(at + 8, Math.floor((startblock % TWO43) / TWO11) % TWO32);
  view.setUint32(at + 12, (startblock % TWO11) * 0x200000 + blockcount);
}
