/** Marking clusters and inodes as used or free, with the counts and checksums of their groups. */
import type { Buf } from '../../../core/buffer-cache.ts';
import { GroupDesc, GroupDescHigh, GroupFlag } from '../structure/group.ts';
import { bitmapToChange, flipBit, sumBitmap } from './bitmap-edit.ts';
import type { Changes } from './changes.ts';

/** Changes the counts of a group, then sets its descriptor's checksum. */
export function countGroup(
  changes: Changes,
  group: number,
  by: { readonly clusters?: number; readonly inodes?: number; readonly dirs?: number },
): void {
  const { groups } = changes.mp;
  const desc = groups.buf(group);
  changes.modify(desc);
  const add = (
    name: 'free_blocks_count' | 'free_inodes_count' | 'used_dirs_count',
    value: number | undefined,
  ): void => {
    if (value === undefined || value === 0) return;
    const base = groups.base(group);
    const high = groups.wide ? GroupDescHigh.get[`${name}_hi`](desc.view, base + GroupDesc.size) : 0;
    const count = Math.max(0, high * 0x10000 + GroupDesc.get[`${name}_lo`](desc.view, base) + value);
    GroupDesc.set[`${name}_lo`](desc.view, base, count & 0xffff);
    if (groups.wide) GroupDescHigh.set[`${name}_hi`](desc.view, base + GroupDesc.size, count >>> 16);
  };
  add('free_blocks_count', by.clusters);
  add('free_inodes_count', by.inodes);
  add('used_dirs_count', by.dirs);
  sealGroup(changes, group, desc);
}

/** Sets the checksum of a group's descriptor. */
function sealGroup(changes: Changes, group: number, desc: Buf): void {
  const { groups, hasCsum } = changes.mp;
  if (!hasCsum && !changes.mp.roCompat('uninit_bg')) return;
  GroupDesc.set.checksum(desc.view, groups.base(group), groups.checksum(group, desc));
}

/**
 * Marks the clusters of `count` blocks from `block` on, which are counted only where that changes something. Returns how
 * many clusters changed. @throws FsError EUCLEAN, EIO
 */
export function markBlocks(changes: Changes, block: number, count: number, used: boolean): number {
  const { mp } = changes;
  let changed = 0;
  for (let at = block; at < block + count; ) {
    const group = mp.groupOfBlock(at);
    const start = mp.groupStart(group);
    const end = Math.min(block + count, start + mp.groupSize(group));
    const first = Math.floor((at - start) / mp.clusterBlocks);
    changed += markClusters(changes, group, first, Math.floor((end - 1 - start) / mp.clusterBlocks), used);
    at = end;
  }
  return changed;
}

function markClusters(changes: Changes, group: number, first: number, last: number, used: boolean): number {
  const bitmap = bitmapToChange(changes, group, 'block');
  let changed = 0;
  for (let bit = first; bit <= last; bit++) if (flipBit(bitmap.bytes, bit, used)) changed++;
  startGroup(changes, group, GroupFlag.BLOCK_UNINIT);
  sumBitmap(changes, group, 'block', bitmap);
  countGroup(changes, group, { clusters: used ? -changed : changed });
  return changed;
}

/** What mkfs left out is there from now on. */
function startGroup(changes: Changes, group: number, left: number): void {
  const { groups } = changes.mp;
  const flags = groups.flags(group);
  if ((flags & left) === 0) return;
  const desc = groups.buf(group);
  changes.modify(desc);
  GroupDesc.set.flags(desc.view, groups.base(group), flags & ~left);
}

/** Marks an inode as used or free, which counts only where that changes something; `dir`: it is a directory. */
export function markInode(changes: Changes, ino: number, used: boolean, dir: boolean): void {
  const { mp } = changes;
  const group = mp.groupOfIno(ino);
  const index = (ino - 1) % mp.inodesPerGroup;
  const bitmap = bitmapToChange(changes, group, 'inode');
  const changed = flipBit(bitmap.bytes, index, used);
  startGroup(changes, group, GroupFlag.INODE_UNINIT);
  if (used) touchTable(changes, group, index);
  sumBitmap(changes, group, 'inode', bitmap);
  const step = !changed ? 0 : used ? -1 : 1;
  countGroup(changes, group, { inodes: step, dirs: dir ? -step : 0 });
}

/** The part of a group's table that was never used begins behind this inode. */
function touchTable(changes: Changes, group: number, index: number): void {
  const { mp } = changes;
  if (!mp.hasCsum && !mp.roCompat('uninit_bg')) return;
  const left = mp.inodesPerGroup - index - 1;
  if (mp.groups.unusedInodes(group) <= left) return;
  const desc = mp.groups.buf(group);
  const base = mp.groups.base(group);
  changes.modify(desc);
  GroupDesc.set.itable_unused_lo(desc.view, base, left & 0xffff);
  if (mp.groups.wide) GroupDescHigh.set.itable_unused_hi(desc.view, base + GroupDesc.size, left >>> 16);
}
