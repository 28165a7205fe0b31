/** Changing the bitmaps of a group; those that mkfs left out are put in place first. */
import type { Buf } from '../../../core/buffer-cache.ts';
import { crc32cRaw } from '../checksum.ts';
import { bitmapOps, blockBitmap, inodeBitmap } from '../space/bitmaps.ts';
import { GroupDesc, GroupDescHigh } from '../structure/group.ts';
import type { Changes } from './changes.ts';

/** The bitmap of a group's clusters or inodes, to be changed. @throws FsError EUCLEAN, EIO */
export function bitmapToChange(changes: Changes, group: number, kind: 'block' | 'inode'): Buf {
  const { mp } = changes;
  const { bytes, count } = kind === 'block' ? blockBitmap(mp, group) : inodeBitmap(mp, group);
  const block = kind === 'block' ? mp.groups.blockBitmap(group) : mp.groups.inodeBitmap(group);
  const known = mp.cache.peek(block * mp.blockSize);
  if (known?.bytes === bytes) {
    changes.modify(known);
    return known;
  }
  const fresh = changes.init(block, bitmapOps);
  fresh.bytes.set(bytes);
  // What lies behind the group's end is in use by nobody, and must not be free.
  for (let bit = count; bit < bytes.length * 8; bit++) flipBit(fresh.bytes, bit, true);
  return fresh;
}

/** Sets or clears a bit; false if it was so already. */
export function flipBit(bytes: Uint8Array, bit: number, set: boolean): boolean {
  const byte = bytes[bit >>> 3] as number;
  const mask = 1 << (bit & 7);
  if (((byte & mask) !== 0) === set) return false;
  bytes[bit >>> 3] = byte ^ mask;
  return true;
}

/** Puts a changed bitmap's checksum into the descriptor, whose own the caller sets. */
export function sumBitmap(changes: Changes, group: number, kind: 'block' | 'inode', { bytes }: Buf): void {
  const { mp } = changes;
  if (!mp.hasCsum) return;
  const desc = mp.groups.buf(group);
  const base = mp.groups.base(group);
  const bits = kind === 'inode' ? mp.inodesPerGroup : mp.blocksPerGroup / mp.clusterBlocks;
  const sum = crc32cRaw(mp.csumSeed, bytes.subarray(0, bits / 8));
  changes.modify(desc);
  GroupDesc.set[`${kind}_bitmap_csum_lo`](desc.view, base, sum & 0xffff);
  if (mp.groups.wide) GroupDescHigh.set[`${kind}_bitmap_csum_hi`](desc.view, base + GroupDesc.size, sum >>> 16);
}
