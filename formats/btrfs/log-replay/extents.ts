/**
 * Data that the log has: each extent takes the place of what the file has there, gets its reference (and its place in
 * the extent tree, if it is new), and its checksums come from the log.
 *
 * Mirrors: fs/btrfs/tree-log.c (replay_one_extent).
 */
import { corrupt } from '../../../core/errors.ts';
import { POS_END } from '../../../core/positions.ts';
import { roundUp } from '../../../core/units.ts';
import { deleteCsums, insertCsums } from '../csum-items.ts';
import { bytesAt } from '../dir-items.ts';
import { FileExtent } from '../file-extent.ts';
import { dropExtents } from '../file-extents.ts';
import type { BtrfsInode } from '../inode.ts';
import { updateInode } from '../inode-write.ts';
import { FileExtentItem } from '../structure/file-extent.ts';
import { InodeItem } from '../structure/inode.ts';
import { ItemType, Key, Objectid } from '../structure/key.ts';
import { TreeCursor } from '../tree/cursor.ts';
import { overwriteItem } from './overwrite.ts';
import type { LogItem } from './replay.ts';
import type { Replay } from './state.ts';

/** What lies beyond the end of a logged file goes before its extents come: those beyond it are in the log again. */
export function dropBeyondEnd(replay: Replay, ino: number): void {
  const ip = replay.inode(ino);
  const { bytes } = dropExtents(ip, roundUp(ip.diskSize, replay.mp.sectorSize), POS_END);
  addBytes(ip, -bytes);
}

function addBytes(ip: BtrfsInode, bytes: number): void {
  updateInode(ip, (view) => {
    const { get, set } = InodeItem;
    set.nbytes(view, 0, Math.max(0, get.nbytes(view, 0) + bytes));
  });
}

/** Replays one EXTENT_DATA item. @throws FsError EUCLEAN, ENOSPC */
export function replayExtent(replay: Replay, item: LogItem): void {
  const { mp } = replay;
  const extent = readExtent(item);
  const ip = replay.inode(item.key.objectid);
  if (!extent.inline && isThere(replay, item)) return;
  const end = extent.inline ? roundUp(extent.end, mp.sectorSize) : extent.end;
  const dropped = dropExtents(ip, extent.pos, end).bytes;
  let added = 0;
  if (extent.inline) {
    overwriteItem(replay, item);
    added = extent.ramBytes;
  } else if (extent.bytenr !== 0 || !mp.features.noHoles) {
    insertItem(replay, item);
    if (extent.bytenr !== 0) {
      added = extent.length;
      addReference(replay, ip, extent);
      takeChecksums(replay, extent);
    }
  }
  ip.mappingsChanged();
  addBytes(ip, added - dropped);
}

function readExtent(item: LogItem): FileExtent {
  const size = item.bytes.length;
  const extent = new FileExtent();
  const least = FileExtentItem.at.disk_bytenr;
  if (size >= least) extent.read(item.key.pos, item.view, 0);
  if (size < (extent.inline ? least : FileExtentItem.size))
    throw corrupt({ structure: `log item ${item.key}`, field: 'size', value: String(size), rule: 'too small' });
  return extent;
}

/** True if the subvolume has the very same item. */
function isThere(replay: Replay, item: LogItem): boolean {
  const cursor = new TreeCursor(replay.root);
  try {
    if (!cursor.search(item.key) || cursor.size !== item.bytes.length) return false;
    return Buffer.compare(bytesAt(cursor.view, cursor.at, cursor.size), item.bytes) === 0;
  } finally {
    cursor.close();
  }
}

function insertItem(replay: Replay, item: LogItem): void {
  const cursor = new TreeCursor(replay.root);
  try {
    cursor.insert(item.key, FileExtentItem.size);
    bytesAt(cursor.view, cursor.at, FileExtentItem.size).set(item.bytes.subarray(0, FileExtentItem.size));
  } finally {
    cursor.close();
  }
}

function addReference(replay: Replay, ip: BtrfsInode, extent: FileExtent): void {
  const { bytenr, diskLength, refOffset } = extent;
  const owner = { root: replay.root.id, ino: ip.ino, offset: refOffset };
  replay.mp.refs.addData(bytenr, diskLength, owner, replay.fresh.delete(bytenr));
}

/** The checksums of the extent's part (of all of it, if compressed) that the log has replace what there is. */
function takeChecksums(replay: Replay, extent: FileExtent): void {
  const { mp } = replay;
  const start = extent.bytenr + (extent.compression === 0 ? extent.offset : 0);
  const end = start + (extent.compression === 0 ? extent.length : extent.diskLength);
  for (const { bytenr, csums } of loggedChecksums(replay, start, end)) {
    deleteCsums(mp, bytenr, (csums.length / mp.csum.size) * mp.sectorSize);
    insertCsums(mp, bytenr, csums);
  }
}

interface Checksums {
  readonly bytenr: number;
  readonly csums: Uint8Array;
}

function loggedChecksums(replay: Replay, start: number, end: number): Checksums[] {
  const { sectorSize, csum } = replay.mp;
  const found: Checksums[] = [];
  const cursor = new TreeCursor(replay.log);
  const key = new Key(Objectid.EXTENT_CSUM, ItemType.EXTENT_CSUM, start);
  try {
    cursor.searchBack(key);
    if (!cursor.valid) cursor.search(key);
    else if (cursor.key.type !== ItemType.EXTENT_CSUM) cursor.next();
    for (; cursor.valid && cursor.key.type === ItemType.EXTENT_CSUM; cursor.next()) {
      const first = cursor.key.offset;
      const last = first + Math.floor(cursor.size / csum.size) * sectorSize;
      const [from, to] = [Math.max(start, first), Math.min(end, last)];
      if (first >= end) break;
      if (from >= to) continue;
      const at = cursor.at + ((from - first) / sectorSize) * csum.size;
      found.push({ bytenr: from, csums: bytesAt(cursor.view, at, ((to - from) / sectorSize) * csum.size).slice() });
    }
    return found;
  } finally {
    cursor.close();
  }
}
