/**
 * The end of an ordered extent: its data are on the device, now the trees say so. One transaction, so that a crash
 * shows the old bytes or the new ones. Parts that could not be written are left out; an extent of which nothing was
 * written goes back to free space.
 *
 * Mirrors: fs/btrfs/inode.c (btrfs_finish_one_ordered, insert_ordered_extent_file_extent, __cow_file_range_inline).
 */
import { coarseReal } from '../../core/positions.ts';
import { insertCsums } from './csum-items.ts';
import { FileExtent, FileExtentType } from './file-extent.ts';
import { dropExtents, insertExtent, insertInline, markWritten } from './file-extents.ts';
import { needCompression } from './incompat.ts';
import type { BtrfsInode } from './inode.ts';
import { recordData } from './inode-write.ts';
import type { Ordered } from './write-state.ts';

/** Items that finishing one touches: cuts at both edges, the new extent. */
const ITEMS = 3;
/** And those of the inode and its checksums, whether one is finished or many. */
const MORE_ITEMS = 3;
/** As many are finished in one transaction. */
const GROUP = 32;

const fresh = new FileExtent();

/** Receives a range of the file that could not be recorded; it is as it was. */
type Failed = (pos: number, length: number, error: unknown) => void;

/** An extent that is to be recorded: what of it was written, and its checksums. */
interface Finished {
  readonly ordered: Ordered;
  readonly parts: readonly [number, number][];
  readonly csums: readonly Sums[];
}

/** Records what was written of complete extents, many in one transaction as long as that works. */
export function finishOrdered(ip: BtrfsInode, complete: readonly Ordered[], failed: Failed): void {
  for (let i = 0; i < complete.length; i += GROUP) {
    const group: Finished[] = [];
    for (const ordered of complete.slice(i, i + GROUP)) {
      const parts = written(ordered);
      if (parts.length === 0 || (ordered.compression !== 0 && ordered.lost.length > 0)) giveBack(ip, ordered);
      else group.push({ ordered, parts, csums: takeCsums(ip, ordered, parts) });
    }
    if (group.length > 0) finishGroup(ip, group, failed);
  }
}

function finishGroup(ip: BtrfsInode, group: readonly Finished[], failed: Failed): void {
  try {
    record(ip, group);
  } catch (error) {
    if (group.length > 1) {
      for (const one of group) finishGroup(ip, [one], failed);
      return;
    }
    const { ordered } = group[0] as Finished;
    giveBack(ip, ordered);
    failed(ordered.pos, ordered.length, error);
  }
  ip.mappingsChanged();
}

function giveBack(ip: BtrfsInode, { kind, bytenr, diskLength }: Ordered): void {
  if (kind === 'cow') ip.mp.groups.giveBack(bytenr, diskLength);
}

/** @throws FsError ENOSPC, EIO; then nothing has happened */
function record(ip: BtrfsInode, group: readonly Finished[]): void {
  const { mp } = ip;
  let count = 0;
  for (const { parts } of group) count += parts.length;
  mp.change('write', ITEMS * count + MORE_ITEMS, () => {
    let added = 0;
    for (const { ordered, parts } of group) {
      needCompression(mp, ordered.compression);
      if (ordered.kind === 'inline') added += putInline(ip, ordered);
      else if (ordered.kind === 'prealloc') for (const [start, end] of parts) markWritten(ip, start, end);
      else if (ordered.kind === 'cow') added += putNew(ip, ordered, parts);
    }
    for (const { bytenr, bytes } of joined(group)) insertCsums(mp, bytenr, bytes);
    recordData(ip, added);
  });
}

/** The group's checksums, those of neighbours on the disk as one run. */
function joined(group: readonly Finished[]): Sums[] {
  const all = group.flatMap(({ csums }) => csums).sort((a, b) => a.bytenr - b.bytenr);
  const runs: { bytenr: number; end: number; parts: Uint8Array[] }[] = [];
  for (const { bytenr, length, bytes } of all) {
    const last = runs.at(-1);
    if (last?.end === bytenr) {
      last.parts.push(bytes);
      last.end += length;
    } else runs.push({ bytenr, end: bytenr + length, parts: [bytes] });
  }
  return runs.map(({ bytenr, end, parts }) => ({
    bytenr,
    length: end - bytenr,
    bytes: parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts),
  }));
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
  readonly length: number;
  readonly bytes: Uint8Array;
}

/** The checksums of what was written, by address; nothing where the file has none. */
function takeCsums(ip: BtrfsInode, ordered: Ordered, parts: readonly [number, number][]): Sums[] {
  if (ordered.kind === 'inline' || ip.noDataSum) return [];
  const { data } = ip.mp.space;
  const take = (bytenr: number, length: number): Sums => {
    const taken = data.takeCsums(bytenr, length);
    return { bytenr, length, bytes: taken.length === 1 ? (taken[0] as Uint8Array) : Buffer.concat(taken) };
  };
  return ordered.compression !== 0
    ? [take(ordered.bytenr, ordered.diskLength)]
    : parts.map(([start, end]) => take(ordered.bytenr + (start - ordered.pos), end - start));
}

/** The new extent takes the place of what was there; returns by how much nbytes grows. */
function putNew(ip: BtrfsInode, ordered: Ordered, parts: readonly [number, number][]): number {
  const owner = { root: ip.root.id, ino: ip.ino, offset: coarseReal(ordered.pos) };
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
