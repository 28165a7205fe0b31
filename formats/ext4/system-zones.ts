/**
 * Where no file's blocks can be: the superblocks and descriptors, the bitmaps and inode tables of every group. A mapping
 * that leads there is damage. Only the journal may lie in its own blocks.
 *
 * Mirrors: fs/ext4/block_validity.c (ext4_setup_system_zone, ext4_sb_block_valid).
 */
import type { Ext4Mount } from './mount.ts';
import { Incompat } from './structure/features.ts';

export class SystemZones {
  private readonly starts: Float64Array;
  private readonly ends: Float64Array;

  constructor(mp: Ext4Mount) {
    const zones = [...systemZones(mp)].sort((a, b) => a[0] - b[0]);
    const merged: [start: number, end: number][] = [];
    for (const [start, end] of zones) {
      const last = merged[merged.length - 1];
      if (last !== undefined && start <= last[1]) last[1] = Math.max(last[1], end);
      else merged.push([start, end]);
    }
    this.starts = Float64Array.from(merged, ([start]) => start);
    this.ends = Float64Array.from(merged, ([, end]) => end);
  }

  /** True if a zone has a block of [start, end). */
  touches(start: number, end: number): boolean {
    let low = 0;
    let high = this.starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.starts[middle] as number) < end) low = middle + 1;
      else high = middle;
    }
    return low > 0 && (this.ends[low - 1] as number) > start;
  }

  /** The clusters of `size` blocks that have a block in a zone. */
  clusters(size: number): number {
    let count = 0;
    let next = 0;
    for (let i = 0; i < this.starts.length; i++) {
      const first = Math.max(next, Math.floor((this.starts[i] as number) / size));
      next = Math.ceil((this.ends[i] as number) / size);
      count += Math.max(0, next - first);
    }
    return count;
  }
}

function* systemZones(mp: Ext4Mount): IterableIterator<[start: number, end: number]> {
  const { groups } = mp;
  for (let group = 0; group < mp.groupCount; group++) {
    const start = mp.groupStart(group);
    const base = baseMetaBlocks(mp, group);
    if (base > 0) yield [start, start + base];
    yield [groups.blockBitmap(group), groups.blockBitmap(group) + 1];
    yield [groups.inodeBitmap(group), groups.inodeBitmap(group) + 1];
    yield [groups.inodeTable(group), groups.inodeTable(group) + mp.tableBlocks];
  }
}

/** Blocks at the start of a group that hold a superblock and descriptors, those reserved for more included. */
export function baseMetaBlocks(mp: Ext4Mount, group: number): number {
  const { groups, sb } = mp;
  const copy = groups.hasSuper(group) ? 1 : 0;
  const meta = (sb.feature_incompat & Incompat.meta_bg) !== 0;
  const plain = !meta || group < sb.first_meta_bg * groups.perBlock;
  const reserved = plain && copy === 1 ? sb.reserved_gdt_blocks : 0;
  return copy + groups.descBlocksIn(group) + reserved;
}
