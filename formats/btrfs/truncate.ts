/**
 * Changing a file's size. Growing makes the rest of the last block zeros and, where the format wants them, items for
 * the hole. Shrinking drops items from the end on in a chain of transactions, the size on disk going down with them,
 * so that a crash between two leaves a shorter file than before and never bytes without a place.
 *
 * Mirrors: fs/btrfs/inode.c (btrfs_setsize, btrfs_cont_expand, btrfs_truncate, btrfs_truncate_block),
 * fs/btrfs/inode-item.c (btrfs_truncate_inode_items).
 */
import { FsError } from '../../core/errors.ts';
import { readPage } from '../../core/iomap/read.ts';
import { writeback } from '../../core/iomap/writeback.ts';
import { POS_END } from '../../core/positions.ts';
import { MAX_POS, roundDown, roundUp } from '../../core/units.ts';
import { FileExtent } from './file-extent.ts';
import { dropExtents, insertHole, readAt, seekExtent } from './file-extents.ts';
import type { BtrfsInode } from './inode.ts';
import { checkNotAppendOnly, recordGrowth, setTimes, updateInode } from './inode-write.ts';
import { FileExtentItem } from './structure/file-extent.ts';
import { InodeItem } from './structure/inode.ts';
import { ItemType, Key } from './structure/key.ts';
import { TreeCursor } from './tree/cursor.ts';
import { reserveDirty, type Steps, settle, stepwise, withRoom } from './write-state.ts';

/** Items dropped in one transaction. */
const DROP: Steps = { name: 'truncate', most: 64, itemsEach: 1, itemsMore: 2 };

const { get, set } = InodeItem;
const found = new FileExtent();
const key = new Key();

/** Promised to quota groups when a file shrinks: an orphan item comes and goes. */
const QUOTA_ITEMS = 2;

/** Sets the size of a regular file. @throws FsError EISDIR, EINVAL, EFBIG, EPERM, ENOSPC, EDQUOT, EIO */
export function truncateInode(ip: BtrfsInode, size: number): void {
  if (ip.kind === 'dir') throw new FsError('EISDIR');
  if (ip.kind !== 'file' || size < 0) throw new FsError('EINVAL');
  if (size > MAX_POS) throw new FsError('EFBIG');
  // Of a file that was opened before it became immutable, the size may still change.
  checkNotAppendOnly(ip);
  setSize(ip, size);
}

/** truncateInode() without the questions about permission. */
export function setSize(ip: BtrfsInode, size: number): void {
  const old = ip.size;
  if (size > old) {
    expand(ip, old, size);
    withRoom(ip.mp, () => recordGrowth(ip, size, (view) => stamp(ip, view)));
    return;
  }
  // As in Linux, who is at the limit cannot even give up bytes this way.
  withRoom(ip.mp, () => ip.mp.trans.quotas.limits.reserveItems(ip.root.id, QUOTA_ITEMS));
  if (size === 0) ip.writing.truncated = true;
  ip.setMemorySize(size);
  ip.pages.truncate(size);
  settle(ip);
  if (size !== old) writeback(ip, roundDown(size, ip.mp.sectorSize), POS_END);
  dropFrom(ip, size);
}

/** Sequence and times of a change of content. */
function stamp(ip: BtrfsInode, view: DataView): void {
  set.sequence(view, 0, get.sequence(view, 0) + 1);
  setTimes(view, ip.mp.now(), 'mtime', 'ctime');
}

/** Drops what lies at and beyond `size`, the new end of the file, and records it. */
export function dropFrom(ip: BtrfsInode, size: number): void {
  cutCompressedInline(ip, size);
  let last: boolean;
  do {
    last = stepwise(ip.mp, DROP, (items) => dropSome(ip, size, items));
  } while (!last);
  ip.mappingsChanged();
}

/** Drops up to `most` items at the end of the file; true if nothing is left to drop. */
function dropSome(ip: BtrfsInode, size: number, most: number): boolean {
  const cursor = new TreeCursor(ip.root);
  let bytes = 0;
  let reached = size;
  let done = true;
  try {
    for (let i = 0; ; i++) {
      cursor.searchBack(key.set(ip.ino, ItemType.EXTENT_DATA, -1));
      if (!readAt(cursor, ip.ino, found) || found.end <= (found.inline ? size : roundUp(size, ip.mp.sectorSize))) break;
      if (i === most) {
        done = false;
        reached = Math.max(size, Math.min(ip.diskSize, found.end));
        break;
      }
      bytes += dropLast(ip, cursor, size);
    }
  } finally {
    cursor.close();
  }
  const memory = ip.size;
  updateInode(ip, (view) => {
    set.nbytes(view, 0, Math.max(0, get.nbytes(view, 0) - bytes));
    set.size(view, 0, done ? size : reached);
    if (done) stamp(ip, view);
  });
  ip.setMemorySize(memory);
  return done;
}

/** Drops or cuts the item under the cursor, which reaches beyond `size`; returns by how much nbytes shrinks. */
function dropLast(ip: BtrfsInode, cursor: TreeCursor, size: number): number {
  const { pos, end } = found;
  if (found.inline && pos < size) {
    cursor.resize(FileExtentItem.at.disk_bytenr + size);
    FileExtentItem.set.ram_bytes(cursor.view, cursor.at, size);
    return end - size;
  }
  return dropExtents(ip, Math.max(pos, roundUp(size, ip.mp.sectorSize)), end).bytes;
}

/** Compressed inline data cannot be cut in the leaf: their block is dirtied, and written as a whole. */
function cutCompressedInline(ip: BtrfsInode, size: number): void {
  const cursor = new TreeCursor(ip.root);
  let cut = false;
  try {
    if (!seekExtent(cursor, ip.ino, 0, found)) return;
    cut = found.inline && found.compression !== 0 && size > 0 && size < found.end;
  } finally {
    cursor.close();
  }
  if (!cut) return;
  dirtyBlock(ip, 0);
  ip.pages.zero(size, ip.mp.sectorSize - size, true);
  writeback(ip, 0, ip.mp.sectorSize);
}

/**
 * The file is to reach `size`, beyond its end: zeros for the rest of the last block, holes to the block of `size`.
 * @throws FsError ENOSPC
 */
export function expand(ip: BtrfsInode, old: number, size: number): void {
  const { sectorSize } = ip.mp;
  zeroInBlock(ip, old, roundUp(old, sectorSize));
  const start = roundUp(old, sectorSize);
  const end = roundUp(size, sectorSize);
  ip.writing.expandedFrom = Math.min(ip.writing.expandedFrom, start);
  if (end <= start || ip.mp.features.noHoles) return;
  for (let pos = start; pos < end; ) {
    const from = pos;
    pos = withRoom(ip.mp, () => ip.mp.change('hole', 4, () => addHole(ip, from, end)));
  }
}

/** A hole from `pos` on, up to preallocated space; answers where to go on. */
function addHole(ip: BtrfsInode, pos: number, end: number): number {
  const cursor = new TreeCursor(ip.root);
  let stop = end;
  try {
    if (seekExtent(cursor, ip.ino, pos, found) && found.pos < end) {
      if (found.pos > pos) stop = found.pos;
      else if (found.prealloc) return Math.min(found.end, end);
      else stop = Math.min(end, roundUp(found.end, ip.mp.sectorSize));
    }
  } finally {
    cursor.close();
  }
  const { bytes } = dropExtents(ip, pos, stop);
  insertHole(ip, pos, stop);
  if (bytes > 0) updateInode(ip, (view) => set.nbytes(view, 0, get.nbytes(view, 0) - bytes));
  return stop;
}

/**
 * Zeroes [start, end), which lies in one block, and dirties that block, be it a hole: that is what Linux does.
 * Nothing for whole blocks and empty ranges. @throws FsError ENOSPC, EIO
 */
export function zeroInBlock(ip: BtrfsInode, start: number, end: number): void {
  const { sectorSize } = ip.mp;
  if (start >= end || (start % sectorSize === 0 && end % sectorSize === 0)) return;
  dirtyBlock(ip, roundDown(start, sectorSize));
  ip.pages.zero(start, end - start, true);
}

/** Reads the block at `pos` and dirties it. */
function dirtyBlock(ip: BtrfsInode, pos: number): void {
  const { sectorSize } = ip.mp;
  withRoom(ip.mp, () => reserveDirty(ip, pos, pos + sectorSize));
  if (!ip.pages.isUptodate(pos)) readPage(ip, pos);
  ip.pages.markDirty(pos, sectorSize);
}
