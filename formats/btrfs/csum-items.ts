/**
 * Checksums of data, one for each sector: items of the csum tree hold those of consecutive sectors and are kept long,
 * up to what a leaf takes.
 *
 *     (EXTENT_CSUM, EXTENT_CSUM, bytenr)   csum csum csum …     sector bytenr, the next one, …
 *
 * A new item grows out of the one that ends where it begins. Freed extents take their part out, which may cut an item
 * at either end or in the middle. No two items ever overlap.
 *
 * Mirrors: fs/btrfs/file-item.c (btrfs_csum_file_blocks, btrfs_del_csums).
 */
import type { BtrfsMount } from './mount.ts';
import { ITEM_SIZE, leafDataSize } from './structure/block.ts';
import { ItemType, Key, Objectid } from './structure/key.ts';
import { TreeCursor } from './tree/cursor.ts';

const key = new Key();

function keyAt(bytenr: number): Key {
  return key.set(Objectid.EXTENT_CSUM, ItemType.EXTENT_CSUM, bytenr);
}

/** The most bytes that an item of checksums takes: two of them fit into a leaf, and 4096 sectors are enough. */
export function maxCsumItem(nodeSize: number, csumSize: number): number {
  const count = Math.floor((leafDataSize(nodeSize) - 2 * ITEM_SIZE) / csumSize) - 1;
  return Math.min(count, 4096) * csumSize;
}

function isCsum(cursor: TreeCursor): boolean {
  return cursor.valid && cursor.key.type === ItemType.EXTENT_CSUM;
}

function bytesOf(cursor: TreeCursor, from: number, length: number): Uint8Array {
  const { view, at } = cursor;
  return new Uint8Array(view.buffer, view.byteOffset + at + from, length);
}

/** Records `csums`, one after the other, of the sectors from `bytenr` on. Inside mp.change(). @throws FsError */
export function insertCsums(mp: BtrfsMount, bytenr: number, csums: Uint8Array): void {
  const size = mp.csum.size;
  const most = maxCsumItem(mp.nodeSize, size);
  const cursor = new TreeCursor(mp.csumRoot());
  try {
    for (let done = 0; done < csums.length; ) {
      const start = bytenr + (done / size) * mp.sectorSize;
      done += insertSome(mp, cursor, start, csums.subarray(done), most);
    }
  } finally {
    cursor.close();
  }
}

/** One item's worth; returns how many bytes of `csums` it took. */
function insertSome(mp: BtrfsMount, cursor: TreeCursor, bytenr: number, csums: Uint8Array, most: number): number {
  const size = mp.csum.size;
  cursor.searchBack(keyAt(bytenr));
  const behind = isCsum(cursor) ? ((bytenr - cursor.key.offset) / mp.sectorSize) * size : most;
  if (behind < cursor.size) return overwrite(cursor, behind, csums);
  const grows = behind === cursor.size && behind < most && isCsum(cursor);
  const before = cursor.key.offset;
  if (cursor.valid) cursor.next();
  else cursor.first();
  const next = isCsum(cursor) ? ((cursor.key.offset - bytenr) / mp.sectorSize) * size : Number.POSITIVE_INFINITY;
  const n = Math.min(csums.length, next, grows ? most - behind : most);
  if (grows) {
    cursor.search(keyAt(before));
    cursor.resize(behind + n);
    bytesOf(cursor, behind, n).set(csums.subarray(0, n));
  } else {
    cursor.insert(keyAt(bytenr), n);
    bytesOf(cursor, 0, n).set(csums.subarray(0, n));
  }
  return n;
}

/** Checksums that are there already are replaced. */
function overwrite(cursor: TreeCursor, from: number, csums: Uint8Array): number {
  const n = Math.min(csums.length, cursor.size - from);
  cursor.edit();
  bytesOf(cursor, from, n).set(csums.subarray(0, n));
  return n;
}

/** Forgets the checksums of [bytenr, bytenr + length). Inside mp.change() or a commit. @throws FsError */
export function deleteCsums(mp: BtrfsMount, bytenr: number, length: number): void {
  const size = mp.csum.size;
  const end = bytenr + length;
  const cursor = new TreeCursor(mp.csumRoot());
  try {
    // From the end back, so that what was cut does not come up again.
    while (true) {
      cursor.searchBack(keyAt(end - mp.sectorSize));
      if (!isCsum(cursor)) return;
      const start = cursor.key.offset;
      const stop = start + (cursor.size / size) * mp.sectorSize;
      if (stop <= bytenr) return;
      if (stop > end) {
        keepBehind(mp, cursor, start, end, stop);
        continue;
      }
      if (start < bytenr) cursor.resize(((bytenr - start) / mp.sectorSize) * size);
      else cursor.delete();
      if (start <= bytenr) return;
    }
  } finally {
    cursor.close();
  }
}

/** The item [start, stop) loses what lies before `end`; if it begins before the range, the rest gets a new item. */
function keepBehind(mp: BtrfsMount, cursor: TreeCursor, start: number, end: number, stop: number): void {
  const size = mp.csum.size;
  const keep = bytesOf(cursor, ((end - start) / mp.sectorSize) * size, ((stop - end) / mp.sectorSize) * size).slice();
  cursor.resize(((end - start) / mp.sectorSize) * size);
  cursor.insert(keyAt(end), keep.length);
  bytesOf(cursor, 0, keep.length).set(keep);
}

/** True if a sector of [bytenr, bytenr + length) has a checksum. */
export function hasCsums(mp: BtrfsMount, bytenr: number, length: number): boolean {
  const cursor = new TreeCursor(mp.csumRoot());
  try {
    cursor.searchBack(keyAt(bytenr + length - mp.sectorSize));
    if (!isCsum(cursor)) return false;
    return cursor.key.offset + (cursor.size / mp.csum.size) * mp.sectorSize > bytenr;
  } finally {
    cursor.close();
  }
}
