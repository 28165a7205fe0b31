/**
 * Replacing a range of a file, in as many transactions as it takes: by a hole, or by preallocated space.
 *
 * Mirrors: fs/btrfs/file.c (btrfs_replace_file_extents), fs/btrfs/inode.c (__btrfs_prealloc_file_range).
 */
import { roundUp } from '../../core/units.ts';
import { endOf } from './extents.ts';
import { FileExtent, FileExtentType } from './file-extent.ts';
import { dropExtents, insertExtent, insertHole, seekExtent } from './file-extents.ts';
import type { BtrfsInode } from './inode.ts';
import { recordData, recordGrowth, setTimes } from './inode-write.ts';
import { InodeFlag, InodeItem } from './structure/inode.ts';
import { TreeCursor } from './tree/cursor.ts';
import { type Steps, stepwise, withRoom } from './write-state.ts';

/** Items dropped in one transaction. */
const HOLE: Steps = { name: 'hole', most: 64, itemsEach: 1, itemsMore: 4 };
/** Cuts at both edges, the new item, the inode; what lies between was a hole, or is dropped with it. */
const PREALLOC_ITEMS = 8;
/** The largest preallocated extent. */
const MAX_PREALLOC = 256 * 1024 * 1024;

const { get, set } = InodeItem;
const found = new FileExtent();

/** Whole blocks [start, end) become a hole. */
export function replaceByHole(ip: BtrfsInode, start: number, end: number): void {
  for (let pos = start; pos < end; ) {
    const from = pos;
    pos = stepwise(ip.mp, HOLE, (items) => holeOnce(ip, from, end, items));
  }
  ip.mappingsChanged();
}

/** Part of replaceByHole() inside a transaction: at most `items` items; returns how far it got. */
export function holeOnce(ip: BtrfsInode, start: number, end: number, items: number): number {
  const { bytes, reached } = dropExtents(ip, start, end, items);
  // Beyond the end of the file nobody misses an item for the hole.
  insertHole(ip, start, Math.min(reached, roundUp(ip.size, ip.mp.sectorSize)));
  recordData(ip, -bytes);
  return reached;
}

export interface Prealloc {
  readonly start: number;
  readonly end: number;
  /** Where the file ends afterwards, if that is more; 0: the size stays. */
  readonly size: number;
}

/** Preallocated space takes the place of whatever blocks [start, end) have. @throws FsError ENOSPC */
export function preallocate(ip: BtrfsInode, { start, end, size }: Prealloc, hint?: number): number | undefined {
  let most = MAX_PREALLOC;
  for (let pos = start; pos < end; ) {
    const wanted = Math.min(end - pos, most);
    const place = withRoom(ip.mp, () => ip.mp.groups.allocData(ip.mp.sectorSize, wanted, hint));
    // A fragmented file system: larger pieces will not be found either.
    most = place.length;
    hint = place.bytenr + place.length;
    try {
      putPrealloc(ip, pos, place, size);
    } catch (error) {
      ip.mp.groups.giveBack(place.bytenr, place.length);
      throw error;
    }
    pos += place.length;
  }
  ip.mappingsChanged();
  return hint;
}

const fresh = new FileExtent();

function putPrealloc(
  ip: BtrfsInode,
  pos: number,
  { bytenr, length }: { readonly bytenr: number; readonly length: number },
  size: number,
): void {
  const { mp } = ip;
  const before = ip.size;
  const grown = Math.min(size, pos + length);
  try {
    mp.change('preallocate', PREALLOC_ITEMS, () => {
      const { bytes } = dropExtents(ip, pos, pos + length);
      fresh.pos = pos;
      fresh.type = FileExtentType.PREALLOC;
      fresh.compression = 0;
      fresh.bytenr = bytenr;
      fresh.diskLength = length;
      fresh.offset = 0;
      fresh.length = length;
      fresh.ramBytes = length;
      insertExtent(ip, fresh);
      mp.refs.addData(bytenr, length, { root: ip.root.id, ino: ip.ino, offset: fresh.refOffset }, true);
      if (grown > before) ip.setMemorySize(grown);
      recordData(ip, length - bytes, (view) => {
        set.flags(view, 0, (get.flags(view, 0) | InodeFlag.PREALLOC) >>> 0);
        set.sequence(view, 0, get.sequence(view, 0) + 1);
        setTimes(view, mp.now(), 'ctime');
      });
    });
  } catch (error) {
    ip.setMemorySize(before);
    throw error;
  }
}

/** The file ends at `size` now, if that is more. */
export function growTo(ip: BtrfsInode, size: number): void {
  if (size > ip.size) recordGrowth(ip, size, (view) => setTimes(view, ip.mp.now(), 'ctime'));
}

/** What blocks of a file are. */
export type RangeKind = 'hole' | 'prealloc' | 'written';

export interface RangeState {
  kind: RangeKind;
  /** Where that begins and ends; of a hole at most what was asked for. */
  start: number;
  end: number;
  /** Address behind it on disk, of preallocated space. */
  next: number;
}

/** What lies at `pos`, a block's start, as far as `end`. @throws FsError EUCLEAN */
export function rangeAt(ip: BtrfsInode, pos: number, end: number): RangeState {
  const cursor = new TreeCursor(ip.root);
  try {
    if (!seekExtent(cursor, ip.ino, pos, found) || found.pos >= end) return { kind: 'hole', start: pos, end, next: 0 };
    if (found.pos > pos) return { kind: 'hole', start: pos, end: found.pos, next: 0 };
    const stop = endOf(found, ip.mp.sectorSize);
    if (found.hole) return { kind: 'hole', start: found.pos, end: stop, next: 0 };
    const next = found.bytenr + found.offset + found.length;
    return { kind: found.prealloc ? 'prealloc' : 'written', start: found.pos, end: stop, next };
  } finally {
    cursor.close();
  }
}
