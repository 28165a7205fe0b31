/**
 * The packed extent record of forks and bmbt leaves, 16 bytes big-endian (kernel: struct xfs_bmbt_rec).
 *
 *     l0: 63 unwritten | 62-9 startoff (54) | 8-0 startblock, high 9
 *     l1: 63-21 startblock, low 43          | 20-0 blockcount (21)
 *
 * Each reader takes two or three 32-bit words and no bigint. A startoff above 2^53 rounds: the checks that follow
 * reading reject it as beyond any file.
 */
const TWO11 = 0x800;
const TWO23 = 0x800000;
const TWO32 = 0x1_0000_0000;
const TWO43 = 0x800_0000_0000;

/** First file block. */
export function bmbtStartoff(view: DataView, at: number): number {
  return (view.getUint32(at) & 0x7fffffff) * TWO23 + (view.getUint32(at + 4) >>> 9);
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

/** Writes a whole record. */
export function writeBmbt(
  view: DataView,
  at: number,
  startoff: number,
  startblock: number,
  blockcount: number,
  unwritten: boolean,
): void {
  const high = Math.floor(startoff / TWO23);
  view.setUint32(at, unwritten ? high + 0x80000000 : high);
  view.setUint32(at + 4, (startoff % TWO23) * 512 + Math.floor(startblock / TWO43));
  view.setUint32(at + 8, Math.floor((startblock % TWO43) / TWO11) % TWO32);
  view.setUint32(at + 12, (startblock % TWO11) * 0x200000 + blockcount);
}
