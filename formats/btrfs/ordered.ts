/**
 * The end of an ordered extent: its data are on the device, now the trees say so. One transaction, so that a crash
 * shows the old bytes or the new ones. Parts that could not be written are left out; an extent of which nothing was
 * written goes back to free space.
 *
 * Mirrors: fs/btrfs/inode.c (btrfs_finish_one_ordered, insert_ordered_extent_file_extent, __cow_file_range_inline).
 */
import { insertCsums } from './csum-items.ts';
import { FileExtent, FileExtentType } from './file-extent.ts';
import { dropExtents, insertExtent, insertInline, markWritten } from './file-extents.ts';
import type { BtrfsInode } from './inode.ts';
import { recordData } from './inode-write.ts';
import type { Ordered } from './write-state.ts';

/** Items that finishing one touches: cuts at both edges, the new extent, the inode, a run of checksums. */
const ITEMS = 6;

const fresh = new FileExtent();

/** Records what was written. @throws FsError ENOSPC, EIO; then nothing was */
export function finishOrdered(ip: BtrfsInode, ordered: Ordered): void {
  const { mp } = ip;
  const parts = written(ordered);
  const cow = ordered.kind === 'cow';
  if (parts.length === 0 || (ordered.compression !== 0 && ordered.lost.length > 0)) {
    if (cow) mp.groups.giveBack(ordered.bytenr, ordered.diskLength);
    return;
  }
  const csums = takeCsums(ip, ordered, parts);
  try {
    mp.change('write', ITEMS * parts.length, () => {
      let added = 0;
      if (ordered.kind === 'inline') added = putInline(ip, ordered);
      else if (ordered.kind === 'prealloc') for (const [start, end] of parts) markWritten(ip, start, end);
      else if (cow) added = putNew(ip, ordered, parts);
      for (const { bytenr, bytes } of csums) insertCsums(mp, bytenr, bytes);
      recordData(ip, added);
    });
  } catch (error) {
    if (cow) mp.groups.giveBack(ordered.bytenr, ordered.diskLength);
    throw error;
  }
  ip.mappingsChanged();
}

/** The ranges of file positions that were written. */
function written({ pos, length, lost }: Ordered): [number, number][] {
  const parts: [number, number][] = [];
  let at = pos;
  for (let i = 0; i < lost.length; i += 2) {
    if ((lost[i] as number) > at) parts.push([at, lost[i] as number]);
    at = lost[i + 1] as number;
  }
  if (at < pos + length) parts.push([at, pos + length]);
  return parts;
}

interface Sums {
  readonly bytenr: number;
  readonly bytes: Uint8Array;
}

/** The checksums of what was written, by address; nothing where the file has none. */
function takeCsums(ip: BtrfsInode, ordered: Ordered, parts: readonly [number, number][]): Sums[] {
  if (ordered.kind === 'inline' || ip.noDataSum) return [];
  const { data } = ip.mp.space;
  const take = (bytenr: number, length: number): Sums => {
    const taken = data.takeCsums(bytenr, length);
    return { bytenr, bytes: taken.length === 1 ? (taken[0] as Uint8Array) : Buffer.concat(taken) };
  };
  return ordered.compression !== 0
    ? [take(ordered.bytenr, ordered.diskLength)]
    : parts.map(([start, end]) => take(ordered.bytenr + (start - ordered.pos), end - start));
}

/** The new extent takes the place of what was there; returns by how much nbytes grows. */
function putNew(ip: BtrfsInode, ordered: Ordered, parts: readonly [number, number][]): number {
  const owner = { root: ip.root.id, ino: ip.ino, offset: ordered.pos };
  let added = 0;
  for (const [i, [start, end]] of parts.entries()) {
    added += end - start - dropExtents(ip, start, end).bytes;
    fresh.pos = start;
    fresh.type = FileExtentType.REG;
    fresh.compression = ordered.compression;
    fresh.bytenr = ordered.bytenr;
    fresh.diskLength = ordered.diskLength;
    fresh.offset = start - ordered.pos;
    fresh.length = end - start;
    fresh.ramBytes = ordered.length;
    insertExtent(ip, fresh);
    ip.mp.refs.addData(ordered.bytenr, ordered.diskLength, owner, i === 0);
  }
  return added;
}

function putInline(ip: BtrfsInode, ordered: Ordered): number {
  const { sectorSize } = ip.mp;
  const size = Math.min(ip.size, sectorSize);
  const dropped = dropExtents(ip, 0, sectorSize).bytes;
  insertInline(ip, ordered.data as Uint8Array, size, ordered.compression);
  return size - dropped;
}
