/**
 * Changes of a file's EXTENT_DATA items. Whatever takes a range of a file first drops what is there: items inside the
 * range go, items across its edges are cut, and one that it lies in the middle of becomes two. Each item that is not a
 * hole or inline holds one reference to its extent on disk.
 *
 *     before    |-----A-----|--B--|.hole.|------C------|
 *     dropped         [start ............... end)
 *     after     |--A--|                      |----C----|      C's reference stays the same: pos - offset is kept
 *
 * Mirrors: fs/btrfs/file.c (btrfs_drop_extents, btrfs_mark_extent_written, fill_holes).
 */
import { corrupt, FsError } from '../../core/errors.ts';
import { FileExtent, realLength } from './file-extent.ts';
import type { BtrfsMount } from './mount.ts';
import { FileExtentItem, FileExtentType } from './structure/file-extent.ts';
import { ItemType, Key } from './structure/key.ts';
import { TreeCursor } from './tree/cursor.ts';
import type { TreeRoot } from './tree/root.ts';

/** Whose extents: an inode, as far as this file needs it. */
export interface ExtentOwner {
  readonly mp: BtrfsMount;
  readonly root: TreeRoot;
  readonly ino: number;
}

const { set } = FileExtentItem;

/** One at a time: no function here calls another that uses the same one. */
const key = new Key();
const found = new FileExtent();
const other = new FileExtent();

/** Moves to the item that holds `pos`, or else to the first behind it; false if the file has none from there on. */
export function seekExtent(cursor: TreeCursor, ino: number, pos: number, out: FileExtent): boolean {
  key.setPos(ino, ItemType.EXTENT_DATA, pos);
  if (cursor.searchBack(key)) return readAt(cursor, ino, out);
  if (readAt(cursor, ino, out)) {
    // Inline data take their whole sector.
    if (out.end > pos || (out.inline && pos < cursor.root.mp.sectorSize)) return true;
  }
  if (cursor.valid) cursor.next();
  else cursor.first();
  return readAt(cursor, ino, out);
}

/** Reads the current item; false if it is no extent of this file. */
export function readAt(cursor: TreeCursor, ino: number, out: FileExtent): boolean {
  if (!cursor.valid || cursor.key.type !== ItemType.EXTENT_DATA || cursor.key.objectid !== ino) return false;
  out.read(cursor.key.pos, cursor.view, cursor.at);
  return true;
}

/** Adds (`count` 1) or drops (-1) the reference that `extent` holds. */
function changeRef(ip: ExtentOwner, extent: FileExtent, count: 1 | -1): void {
  if (extent.bytenr === 0 || extent.inline) return;
  const owner = { root: ip.root.id, ino: ip.ino, offset: extent.refOffset };
  if (count > 0) ip.mp.refs.addData(extent.bytenr, extent.diskLength, owner, false);
  else ip.mp.refs.dropData(extent.bytenr, extent.diskLength, owner);
}

/** What dropExtents() found. */
export interface Dropped {
  /** Bytes that no longer count in the inode's nbytes. */
  bytes: number;
  /** Everything before this is dropped: `end`, or less if `limit` items were enough. */
  reached: number;
}

/**
 * Drops what file range [start, end) holds, in one transaction with the caller's other changes; at most `limit` items.
 * @throws FsError EOPNOTSUPP for a part of an inline extent, EUCLEAN
 */
export function dropExtents(
  ip: ExtentOwner,
  start: number,
  end: number,
  limit: number = Number.POSITIVE_INFINITY,
): Dropped {
  const dropped: Dropped = { bytes: 0, reached: end };
  const cursor = new TreeCursor(ip.root);
  try {
    let more = seekExtent(cursor, ip.ino, start, found);
    for (let count = 0; more && found.pos < end; count++) {
      if (count >= limit) {
        dropped.reached = Math.max(start, found.pos);
        break;
      }
      more = dropOne(ip, cursor, start, end, dropped) && readAt(cursor, ip.ino, found);
    }
  } finally {
    cursor.close();
  }
  return dropped;
}

/** Deals with the item in `found`; leaves the cursor on the next one. False: there is nothing behind it to drop. */
function dropOne(ip: ExtentOwner, cursor: TreeCursor, start: number, end: number, dropped: Dropped): boolean {
  const { pos, end: extentEnd } = found;
  if (extentEnd <= start && found.length > 0) return cursor.next();
  const counts = found.inline || found.bytenr !== 0;
  if (pos >= start && extentEnd <= end) {
    changeRef(ip, found, -1);
    if (counts) dropped.bytes += found.length;
    cursor.delete();
    return cursor.valid;
  }
  if (found.inline) throw new FsError('EOPNOTSUPP', { detail: `a part of inline data at ${pos}` });
  cursor.edit();
  if (pos < start) {
    set.num_bytes(cursor.view, cursor.at, realLength(pos, start - pos));
    if (counts) dropped.bytes += Math.min(extentEnd, end) - start;
    if (extentEnd <= end) return cursor.next();
    // The range lies inside: what is behind it becomes an item of its own, with a reference of its own.
    other.copyFrom(found);
    moveStart(other, end);
    insertItem(ip, cursor, other);
    changeRef(ip, other, 1);
    return false;
  }
  if (counts) dropped.bytes += end - pos;
  other.copyFrom(found);
  moveStart(other, end);
  cursor.setKey(key.setPos(ip.ino, ItemType.EXTENT_DATA, end));
  other.write(cursor.view, cursor.at);
  return false;
}

/** Cuts `extent` at its front. */
function moveStart(extent: FileExtent, pos: number): void {
  extent.offset += realLength(extent.pos, pos - extent.pos);
  extent.length -= pos - extent.pos;
  extent.pos = pos;
}

/** Inserts an item of its own for `extent`, where nothing is. */
function insertItem(ip: ExtentOwner, cursor: TreeCursor, extent: FileExtent): void {
  cursor.insert(key.setPos(ip.ino, ItemType.EXTENT_DATA, extent.pos), FileExtentItem.size);
  extent.write(cursor.view, cursor.at);
}

/** Inserts `extent` where nothing is, with this transaction's generation unless it keeps its own. No reference is added. */
export function insertExtent(ip: ExtentOwner, extent: FileExtent, keepGeneration = false): void {
  const cursor = new TreeCursor(ip.root);
  try {
    insertExtentAt(ip, cursor, extent, keepGeneration);
  } finally {
    cursor.close();
  }
}

/** As insertExtent(), through a cursor that is kept for the next one: neighbours go into the same leaf. */
export function insertExtentAt(ip: ExtentOwner, cursor: TreeCursor, extent: FileExtent, keepGeneration: boolean): void {
  if (!keepGeneration) extent.generation = ip.mp.trans.id;
  insertItem(ip, cursor, extent);
}

/** Inserts inline data, `ramBytes` long when unpacked, at the start of a file that has no items. */
export function insertInline(ip: ExtentOwner, data: Uint8Array, ramBytes: number, compression: number): void {
  const cursor = new TreeCursor(ip.root);
  const start = FileExtentItem.at.disk_bytenr;
  try {
    cursor.insert(key.setPos(ip.ino, ItemType.EXTENT_DATA, 0), start + data.length);
    const { view, at } = cursor;
    set.generation(view, at, ip.mp.trans.id);
    set.ram_bytes(view, at, ramBytes);
    set.compression(view, at, compression);
    set.type(view, at, FileExtentType.INLINE);
    new Uint8Array(view.buffer, view.byteOffset + at + start, data.length).set(data);
  } finally {
    cursor.close();
  }
}

/**
 * Says that [start, end), where nothing is, is a hole: nothing to do where the format leaves holes out, else an item,
 * joined with the holes beside it.
 */
export function insertHole(ip: ExtentOwner, start: number, end: number): void {
  if (ip.mp.features.noHoles || start >= end) return;
  const cursor = new TreeCursor(ip.root);
  try {
    let from = start;
    let to = end;
    if (cursor.search(key.setPos(ip.ino, ItemType.EXTENT_DATA, end)) && readAt(cursor, ip.ino, found) && found.hole) {
      to = found.end;
      cursor.delete();
    }
    cursor.searchBack(key.setPos(ip.ino, ItemType.EXTENT_DATA, start));
    if (readAt(cursor, ip.ino, found) && found.hole && found.end === start) {
      from = found.pos;
      cursor.delete();
    }
    other.pos = from;
    other.type = FileExtentType.REG;
    other.compression = 0;
    other.bytenr = 0;
    other.diskLength = 0;
    other.offset = 0;
    other.length = to - from;
    other.ramBytes = realLength(from, to - from);
    other.generation = ip.mp.trans.id;
    insertItem(ip, cursor, other);
  } finally {
    cursor.close();
  }
}

/**
 * The preallocated bytes of [start, end) were written: their items become regular ones, joined with regular neighbours
 * in the same extent. @throws FsError EUCLEAN if something else is there
 */
export function markWritten(ip: ExtentOwner, start: number, end: number): void {
  const cursor = new TreeCursor(ip.root);
  try {
    for (let pos = start; pos < end; ) {
      if (!seekExtent(cursor, ip.ino, pos, found) || found.pos > pos || !found.prealloc) {
        throw corrupt({ structure: `inode ${ip.ino}`, rule: `no preallocated extent at ${pos} to be marked written` });
      }
      const stop = Math.min(end, found.end);
      convertPart(ip, cursor, pos, stop);
      pos = stop;
    }
  } finally {
    cursor.close();
  }
}

/** Makes [start, end) of the item in `found` regular. */
function convertPart(ip: ExtentOwner, cursor: TreeCursor, start: number, end: number): void {
  const whole = new FileExtent().copyFrom(found);
  const joinsBefore = start === whole.pos && joinable(ip, whole, start, true);
  const from = joinsBefore ? other.pos : start;
  const joinsAfter = end === whole.end && joinable(ip, whole, end, false);
  const to = joinsAfter ? other.end : end;
  // Items that go; each held a reference of the same owner.
  let references = 1 + (joinsBefore ? 1 : 0) + (joinsAfter ? 1 : 0);
  removeItem(ip, cursor, whole.pos);
  if (joinsBefore) removeItem(ip, cursor, from);
  if (joinsAfter) removeItem(ip, cursor, end);
  const generation = ip.mp.trans.id;
  const put = (pos: number, stop: number, type: number): void => {
    if (pos >= stop) return;
    other.copyFrom(whole);
    other.pos = pos;
    other.offset = whole.offset + (pos - whole.pos);
    other.length = stop - pos;
    other.type = type;
    other.generation = generation;
    insertItem(ip, cursor, other);
    references--;
  };
  put(whole.pos, start, FileExtentType.PREALLOC);
  put(from, to, FileExtentType.REG);
  put(end, whole.end, FileExtentType.PREALLOC);
  for (; references < 0; references++) changeRef(ip, whole, 1);
  for (; references > 0; references--) changeRef(ip, whole, -1);
}

function removeItem(ip: ExtentOwner, cursor: TreeCursor, pos: number): void {
  if (cursor.search(key.setPos(ip.ino, ItemType.EXTENT_DATA, pos))) cursor.delete();
}

/** True if the regular item that ends (`before`) or begins at `pos` continues `whole`'s extent; leaves it in `other`. */
function joinable(ip: ExtentOwner, whole: FileExtent, pos: number, before: boolean): boolean {
  const cursor = new TreeCursor(ip.root);
  try {
    key.setPos(ip.ino, ItemType.EXTENT_DATA, before ? pos - 1 : pos);
    if (before) cursor.searchBack(key);
    else if (!cursor.search(key)) return false;
    if (!readAt(cursor, ip.ino, other) || (before && other.end !== pos)) return false;
    return (
      other.type === FileExtentType.REG &&
      other.bytenr === whole.bytenr &&
      other.refOffset === whole.refOffset &&
      other.compression === 0 &&
      !other.encoded
    );
  } finally {
    cursor.close();
  }
}
