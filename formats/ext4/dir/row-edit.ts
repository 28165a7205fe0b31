/** Changing a row of entries in place: an entry goes into free space, or its space becomes that of the one before. */
import { DIR_TAIL_FILE_TYPE, DirEntryHeader, DirTail } from '../structure/dir.ts';
import { entrySize, rawLength } from './block.ts';
import { type DirRow, entryLength, isUsed } from './entries.ts';

/** A name to be put into a directory. */
export interface NewEntry {
  readonly name: Uint8Array;
  readonly ino: number;
  readonly type: number;
}

/** Puts an entry where there is room; false if there is none. */
export function insertInRow({ view, from, end }: DirRow, blockSize: number, entry: NewEntry): boolean {
  const need = entrySize(entry.name.length, false);
  for (let at = from; at < end; ) {
    const length = entryLength(view, at, blockSize);
    const own = isUsed(view, at) ? entrySize(DirEntryHeader.get.name_len(view, at), false) : 0;
    if (DirEntryHeader.get.file_type(view, at) !== DIR_TAIL_FILE_TYPE && length - own >= need) {
      if (own > 0) DirEntryHeader.set.rec_len(view, at, rawLength(own, blockSize));
      writeEntry(view, at + own, length - own, blockSize, entry);
      return true;
    }
    at += Math.max(length, 4);
  }
  return false;
}

/** Writes an entry that takes `length` bytes. */
export function writeEntry(view: DataView, at: number, length: number, blockSize: number, entry: NewEntry): void {
  const { name, ino, type } = entry;
  const rec_len = rawLength(length, blockSize);
  DirEntryHeader.encode(view, at, { inode: ino, rec_len, name_len: name.length, file_type: type });
  new Uint8Array(view.buffer, view.byteOffset + at + DirEntryHeader.size, name.length).set(name);
}

/** Takes the entry at `place` out of its row. */
export function removeFromRow({ view, from, end }: DirRow, blockSize: number, place: number): void {
  let before = -1;
  for (let at = from; at < end; ) {
    const length = entryLength(view, at, blockSize);
    if (at === place) {
      if (before < 0) DirEntryHeader.set.inode(view, at, 0);
      else DirEntryHeader.set.rec_len(view, before, rawLength(at + length - before, blockSize));
      return;
    }
    before = at;
    at += Math.max(length, 4);
  }
}

/** The end of the entries in a leaf: with checksums, its last bytes are no entry. */
export function rowEnd(blockSize: number, hasCsum: boolean): number {
  return hasCsum ? blockSize - DirTail.size : blockSize;
}

/** Makes a leaf of one free entry. */
export function clearLeaf(view: DataView, hasCsum: boolean): void {
  const size = view.byteLength;
  const end = rowEnd(size, hasCsum);
  new Uint8Array(view.buffer, view.byteOffset, size).fill(0);
  DirEntryHeader.set.rec_len(view, 0, rawLength(end, size));
  if (hasCsum) DirTail.encode(view, end, { rec_len: DirTail.size, reserved_ft: DIR_TAIL_FILE_TYPE });
}
