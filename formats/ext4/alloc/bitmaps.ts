/**
 * The bitmaps of a group: one bit for each cluster, one for each inode. Their checksums are in the group's descriptor; a
 * bitmap that mkfs left out is made up when it is first asked for.
 *
 * Mirrors: fs/ext4/balloc.c (ext4_init_block_bitmap), ialloc.c, bitmap.c.
 */
import type { Buf, BufOps } from '../../../core/buffer-cache.ts';
import type { Damage } from '../../../core/errors.ts';
import { crc32cRaw } from '../checksum.ts';
import type { Ext4Mount } from '../mount.ts';
import { GroupDesc, GroupDescHigh, GroupFlag } from '../structure/group.ts';
import { baseMetaBlocks } from '../system-zones.ts';
import type { Changes } from './changes.ts';

type Kind = 'block' | 'inode';

/** The bitmap of a group's clusters. @throws FsError EUCLEAN, EIO */
export function blockBitmap(mp: Ext4Mount, group: number): Buf {
  return bitmap(mp, group, 'block');
}

/** The bitmap of a group's inodes. @throws FsError EUCLEAN, EIO */
export function inodeBitmap(mp: Ext4Mount, group: number): Buf {
  return bitmap(mp, group, 'inode');
}

function bitmap(mp: Ext4Mount, group: number, kind: Kind): Buf {
  const { groups } = mp;
  const block = kind === 'block' ? groups.blockBitmap(group) : groups.inodeBitmap(group);
  const left = kind === 'block' ? GroupFlag.BLOCK_UNINIT : GroupFlag.INODE_UNINIT;
  const ops = opsFor(mp, group, kind);
  const known = mp.cache.peek(block * mp.blockSize);
  if (known !== null && known.ops === ops) return known;
  const summed = mp.hasCsum || mp.roCompat('uninit_bg');
  if (!summed || (groups.flags(group) & left) === 0) return mp.block(block, ops);
  const buf = mp.cache.init(block * mp.blockSize, mp.blockSize, ops);
  fillFresh(mp, group, kind, buf.bytes);
  return buf;
}

/** Bits of a bitmap that stand for something. */
function bitCount(mp: Ext4Mount, group: number, kind: Kind): number {
  return kind === 'inode' ? mp.inodesPerGroup : Math.ceil(mp.groupSize(group) / mp.clusterBlocks);
}

function fillFresh(mp: Ext4Mount, group: number, kind: Kind, bytes: Uint8Array): void {
  const { groups } = mp;
  bytes.fill(0);
  if (kind === 'block') {
    const start = mp.groupStart(group);
    const size = mp.groupSize(group);
    const mark = (from: number, length: number): void => {
      for (let block = Math.max(from, start); block < Math.min(from + length, start + size); block++)
        setBit(bytes, Math.floor((block - start) / mp.clusterBlocks));
    };
    mark(start, baseMetaBlocks(mp, group));
    mark(groups.blockBitmap(group), 1);
    mark(groups.inodeBitmap(group), 1);
    mark(groups.inodeTable(group), mp.tableBlocks);
  }
  for (let bit = bitCount(mp, group, kind); bit < bytes.length * 8; bit++) setBit(bytes, bit);
}

const known = new WeakMap<Ext4Mount, Map<string, BufOps>>();

function opsFor(mp: Ext4Mount, group: number, kind: Kind): BufOps {
  const all = known.get(mp) ?? new Map<string, BufOps>();
  known.set(mp, all);
  const key = `${kind}${group}`;
  let ops = all.get(key);
  if (ops === undefined) {
    ops = { name: `${kind} bitmap of group ${group}`, logType: 0, verify: (buf) => damage(mp, group, kind, buf) };
    all.set(key, ops);
  }
  return ops;
}

function damage(mp: Ext4Mount, group: number, kind: Kind, buf: Buf): Damage | null {
  if (!mp.hasCsum) return null;
  const { view } = mp.groups.buf(group);
  const base = mp.groups.base(group);
  const computed = checksum(mp, kind, buf);
  const found = GroupDesc.get[`${kind}_bitmap_csum_lo`](view, base);
  const high = hasHighSum(mp)
    ? GroupDescHigh.get[`${kind}_bitmap_csum_hi`](view, base + GroupDesc.size)
    : computed >>> 16;
  if (found === (computed & 0xffff) && high === computed >>> 16) return null;
  return {
    structure: `${kind} bitmap of group ${group}`,
    addr: buf.addr,
    rule: `crc, computed 0x${computed.toString(16)}`,
  };
}

function hasHighSum(mp: Ext4Mount): boolean {
  return mp.descSize >= GroupDesc.size + GroupDescHigh.size;
}

function checksum(mp: Ext4Mount, kind: Kind, buf: Buf): number {
  const bits = kind === 'inode' ? mp.inodesPerGroup : mp.blocksPerGroup / mp.clusterBlocks;
  return crc32cRaw(mp.csumSeed, buf.bytes.subarray(0, bits / 8));
}

/** Puts a changed bitmap's checksum into the descriptor, whose own the caller sets. */
export function sumBitmap(changes: Changes, group: number, kind: Kind, buf: Buf): void {
  const { mp } = changes;
  if (!mp.hasCsum) return;
  const desc = mp.groups.buf(group);
  const base = mp.groups.base(group);
  const sum = checksum(mp, kind, buf);
  changes.modify(desc);
  GroupDesc.set[`${kind}_bitmap_csum_lo`](desc.view, base, sum & 0xffff);
  if (hasHighSum(mp)) GroupDescHigh.set[`${kind}_bitmap_csum_hi`](desc.view, base + GroupDesc.size, sum >>> 16);
}

export function hasBit(bytes: Uint8Array, bit: number): boolean {
  return (((bytes[bit >>> 3] as number) >>> (bit & 7)) & 1) !== 0;
}

export function setBit(bytes: Uint8Array, bit: number): void {
  bytes[bit >>> 3] = (bytes[bit >>> 3] as number) | (1 << (bit & 7));
}

export function clearBit(bytes: Uint8Array, bit: number): void {
  bytes[bit >>> 3] = (bytes[bit >>> 3] as number) & ~(1 << (bit & 7));
}
