/**
 * The bitmap of the realtime section: a file whose bits, in little-endian words of 32, stand for realtime extents; 1
 * is free. Its blocks have no header and no checksum, in version 5 images neither.
 *
 *     block 0  | word 0: extents 0 … 31 | word 1: 32 … 63 | …        block 1 …
 *
 * Mirrors: fs/xfs/libxfs/xfs_rtbitmap.c, as little-endian machines write it.
 */
import type { Buf, BufOps } from '../../../core/buffer-cache.ts';
import { corrupt } from '../../../core/errors.ts';
import { forkLookup } from '../bmap-fork.ts';
import { Extent } from '../extent.ts';
import type { XfsMount } from '../mount.ts';
import type { Trans } from '../trans.ts';

const found = new Extent();

/** A block of one of the two files that say what is free on the realtime device. @throws FsError EUCLEAN, EIO */
export function rtFileBlock(mp: XfsMount, ino: number | null, name: string, block: number, ops: BufOps): Buf {
  if (ino === null) throw corrupt({ structure: 'superblock', rule: `no inode of the ${name}` });
  if (!forkLookup(mp.iget(ino), 'data', block, found) || found.off > block || !found.real) {
    throw corrupt({ structure: `${name}, inode ${ino}`, field: `block ${block}`, rule: 'is not mapped' });
  }
  return mp.cache.get(mp.fsbToAddr(found.block + (block - found.off)), mp.blockSize, ops);
}

/** Realtime extents that one block of the bitmap is about. */
export function extentsPerBlock(mp: XfsMount): number {
  return mp.blockSize * 8;
}

function bitmapBlock(mp: XfsMount, block: number): Buf {
  return rtFileBlock(mp, mp.sb.rbmino, 'realtime bitmap', block, mp.ops.rtbitmap);
}

/** True if realtime extent `rtx` is free. */
export function isFree(mp: XfsMount, rtx: number): boolean {
  const per = extentsPerBlock(mp);
  const bit = rtx % per;
  return (((bitmapBlock(mp, Math.floor(rtx / per)).bytes[bit >>> 3] as number) >>> (bit & 7)) & 1) === 1;
}

/** The first of the extents [from, end) that is not free (or, with `free` false, that is); `end` if there is none. */
export function findChange(mp: XfsMount, from: number, end: number, free: boolean): number {
  const per = extentsPerBlock(mp);
  const flip = free ? -1 : 0;
  for (let at = from; at < end; ) {
    const block = Math.floor(at / per);
    const { view } = bitmapBlock(mp, block);
    const stop = Math.min(end, (block + 1) * per) - block * per;
    for (let bit = at - block * per; bit < stop; bit = (bit | 31) + 1) {
      const word = (view.getInt32((bit >>> 5) * 4, true) ^ flip) & (-1 << (bit & 31));
      if (word === 0) continue;
      return Math.min(end, block * per + (bit & ~31) + 31 - Math.clz32(word & -word));
    }
    at = (block + 1) * per;
  }
  return end;
}

/** The first extent of the run of equal bits that ends with `rtx`. */
export function runStart(mp: XfsMount, rtx: number): number {
  const per = extentsPerBlock(mp);
  const flip = isFree(mp, rtx) ? -1 : 0;
  for (let at = rtx; at >= 0; ) {
    const block = Math.floor(at / per);
    const { view } = bitmapBlock(mp, block);
    for (let bit = at - block * per; bit >= 0; bit = (bit & ~31) - 1) {
      const kept = (bit & 31) === 31 ? -1 : (1 << ((bit & 31) + 1)) - 1;
      const word = (view.getInt32((bit >>> 5) * 4, true) ^ flip) & kept;
      if (word !== 0) return block * per + (bit & ~31) + 32 - Math.clz32(word);
    }
    at = block * per - 1;
  }
  return 0;
}

/** Marks `count` extents from `start` on free or in use. */
export function markExtents(tp: Trans, start: number, count: number, free: boolean): void {
  const { mp } = tp;
  const per = extentsPerBlock(mp);
  for (let at = start, end = start + count; at < end; ) {
    const block = Math.floor(at / per);
    const buf = bitmapBlock(mp, block);
    const first = at - block * per;
    const stop = Math.min(end, (block + 1) * per) - block * per;
    const word = first >>> 5;
    tp.modify(buf, word * 4, (((stop - 1) >>> 5) - word + 1) * 4);
    for (let bit = first; bit < stop; bit = (bit | 31) + 1) {
      const place = (bit >>> 5) * 4;
      const left = stop - (bit & ~31);
      const mask = (left >= 32 ? -1 : (1 << left) - 1) & (-1 << (bit & 31));
      const old = buf.view.getInt32(place, true);
      buf.view.setInt32(place, free ? old | mask : old & ~mask, true);
    }
    at = block * per + stop;
  }
}
