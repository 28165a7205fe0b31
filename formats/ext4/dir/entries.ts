/** The entries in a row that was found good: a leaf, or a directory in its inode. */
import { DirEntryHeader } from '../structure/dir.ts';
import { recLength } from './block.ts';

/** A row of entries in bytes. */
export interface DirRow {
  readonly view: DataView;
  readonly from: number;
  readonly end: number;
}

/** The byte offsets of the entries that are in use. */
export function* usedEntries({ view, from, end }: DirRow, blockSize: number): Generator<number, void, undefined> {
  for (let at = from; at < end; at += Math.max(entryLength(view, at, blockSize), 4)) if (isUsed(view, at)) yield at;
}

/** Length of the entry at `at`. */
export function entryLength(view: DataView, at: number, blockSize: number): number {
  return recLength(DirEntryHeader.get.rec_len(view, at), blockSize);
}

export function isUsed(view: DataView, at: number): boolean {
  return DirEntryHeader.get.inode(view, at) !== 0;
}

/** The bytes of the name at `at`, in place. */
export function nameAt(view: DataView, at: number): Uint8Array {
  const from = view.byteOffset + at + DirEntryHeader.size;
  return new Uint8Array(view.buffer, from, DirEntryHeader.get.name_len(view, at));
}

/** True if the entry at `at` has this name. */
export function hasName(view: DataView, at: number, name: Uint8Array): boolean {
  if (view.getUint8(at + DirEntryHeader.at.name_len) !== name.length) return false;
  const from = at + DirEntryHeader.size;
  for (let i = 0; i < name.length; i++) if (view.getUint8(from + i) !== name[i]) return false;
  return true;
}
