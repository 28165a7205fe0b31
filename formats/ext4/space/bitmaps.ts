/**
 * The bitmaps of a group: a bit for each cluster, and one for each inode, set where it is in use. What mkfs left for
 * later (BLOCK_UNINIT, INODE_UNINIT) is not on the device yet: there the format's own blocks are all that is in use.
 *
 * Mirrors: fs/ext4/balloc.c (ext4_init_block_bitmap, ext4_validate_block_bitmap), ialloc.c, bitmap.c.
 */
import type { Buf, BufOps } from '../../../core/buffer-cache.ts';
import { corrupt } from '../../../core/errors.ts';
import { crc32cRaw } from '../checksum.ts';
import type { Ext4Mount } from '../mount.ts';
import { GroupFlag } from '../structure/group.ts';
import { baseMetaBlocks } from '../system-zones.ts';

/** The bits of a group. A bit behind the group's end says nothing. */
export interface Bitmap {
  readonly bytes: Uint8Array;
  /** How many bits the group has. */
  readonly count: number;
}

/** Bitmaps are judged by what the group's descriptor says. */
export const bitmapOps: BufOps = { name: 'bitmap', logType: 0, verify: () => null };

/** The bits of a group's clusters. @throws FsError EUCLEAN, EIO */
export function blockBitmap(mp: Ext4Mount, group: number): Bitmap {
  const count = Math.ceil(mp.groupSize(group) / mp.clusterBlocks);
  if ((mp.groups.flags(group) & GroupFlag.BLOCK_UNINIT) !== 0) return { bytes: freshBlocks(mp, group), count };
  const buf = mp.block(mp.groups.blockBitmap(group), bitmapOps);
  verify(mp, 'block', group, buf, mp.blocksPerGroup / mp.clusterBlocks);
  return { bytes: buf.bytes, count };
}

/** The bits of a group's inodes. @throws FsError EUCLEAN, EIO */
export function inodeBitmap(mp: Ext4Mount, group: number): Bitmap {
  const count = mp.inodesPerGroup;
  if ((mp.groups.flags(group) & GroupFlag.INODE_UNINIT) !== 0) return { bytes: new Uint8Array(mp.blockSize), count };
  const buf = mp.block(mp.groups.inodeBitmap(group), bitmapOps);
  verify(mp, 'inode', group, buf, count);
  return { bytes: buf.bytes, count };
}

/** True if a bit is set. */
export function isSet({ bytes }: Bitmap, bit: number): boolean {
  return (((bytes[bit >>> 3] as number) >>> (bit & 7)) & 1) === 1;
}

/** The first bit from `bit` on that is set (or is not), or the bitmap's end. */
export function nextBit({ bytes, count }: Bitmap, bit: number, set: boolean): number {
  const skip = set ? 0 : 0xff;
  let at = bit;
  while (at < count) {
    const byte = bytes[at >>> 3] as number;
    if (byte === skip) at = (at | 7) + 1;
    else if (((byte >>> (at & 7)) & 1) === (set ? 1 : 0)) return at;
    else at++;
  }
  return count;
}

function verify(mp: Ext4Mount, kind: 'block' | 'inode', group: number, buf: Buf, bits: number): void {
  if (!mp.hasCsum) return;
  const whole = crc32cRaw(mp.csumSeed, buf.bytes.subarray(0, bits / 8));
  const computed = mp.groups.wide ? whole : whole & 0xffff;
  const found = mp.groups.bitmapChecksum(group, kind);
  if (found === computed) return;
  const [value, rule] = [`0x${found.toString(16)}`, `crc, computed 0x${computed.toString(16)}`];
  throw corrupt({ structure: `${kind} bitmap of group ${group}`, addr: buf.addr, field: 'checksum', value, rule });
}

/** What is in use in a group that no block was taken from yet. */
function freshBlocks(mp: Ext4Mount, group: number): Uint8Array {
  const bytes = new Uint8Array(mp.blockSize);
  const start = mp.groupStart(group);
  const end = start + mp.groupSize(group);
  const take = (from: number, to: number): void => {
    const [first, stop] = [Math.max(from, start), Math.min(to, end)];
    for (let block = first; block < stop; block++) {
      const bit = Math.floor((block - start) / mp.clusterBlocks);
      bytes[bit >>> 3] = (bytes[bit >>> 3] as number) | (1 << (bit & 7));
    }
  };
  take(start, start + baseMetaBlocks(mp, group));
  const { groups } = mp;
  take(groups.blockBitmap(group), groups.blockBitmap(group) + 1);
  take(groups.inodeBitmap(group), groups.inodeBitmap(group) + 1);
  take(groups.inodeTable(group), groups.inodeTable(group) + mp.tableBlocks);
  return bytes;
}
