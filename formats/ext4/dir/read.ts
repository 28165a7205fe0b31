/**
 * Listing a directory in the order and with the positions of Linux. Where there is an index, or could be one, names come
 * in order of their hashes, and a position is such a hash; else they come as they lie, and a position is a byte. getdents
 * gives each entry the position of the next one.
 *
 * Mirrors: fs/ext4/dir.c (ext4_readdir, ext4_dx_readdir), namei.c (ext4_htree_fill_tree).
 */
import { FsError } from '../../../core/errors.ts';
import type { DirEntry, FileKind } from '../../../core/vfs/inode.ts';
import { isInline } from '../inline.ts';
import type { Ext4Inode } from '../inode.ts';
import { BlockRun } from '../map/run.ts';
import { DirEntryHeader, DOT_LENGTH } from '../structure/dir.ts';
import { leafOrNull } from './block.ts';
import { usedEntries } from './entries.ts';
import { blockCount, isIndexed, kindOfType, listsByHash, mustBeDir } from './form.ts';
import { hashedEntries } from './hashed.ts';
import { IndexPath } from './index.ts';
import { INLINE_DOTDOT_SIZE, readInlineDir } from './inline.ts';
import { shownName } from './names.ts';

/** An entry with its own position. */
interface RawEntry {
  readonly name: string;
  readonly ino: number;
  readonly kind: FileKind | null;
  readonly position: number;
}

/** The entries from position `from` on. @throws FsError ENOTDIR, EUCLEAN, EIO */
export function dirEntries(dir: Ext4Inode, from: number | bigint = 0): IterableIterator<DirEntry> {
  mustBeDir(dir);
  if (!listsByHash(dir)) return withNext(placedEntries(dir, Number(from)));
  return byHash(dir, BigInt(from));
}

/** An index that cannot be used is passed over, as Linux does; the names are all in the leaves, but for `.` and `..`. */
function* byHash(dir: Ext4Inode, from: bigint): IterableIterator<DirEntry> {
  if (isIndexed(dir) && brokenIndex(dir)) yield* withNext(placedEntries(dir, Number(from)));
  else yield* hashedEntries(dir, from);
}

function brokenIndex(dir: Ext4Inode): boolean {
  try {
    new IndexPath(dir).seek(0);
    return false;
  } catch (error) {
    if (error instanceof FsError && error.code === 'EUCLEAN') return true;
    throw error;
  }
}

/** Gives each entry the position of the one after it; the last what the generator returns. */
function* withNext(raw: Generator<RawEntry, number, undefined>): IterableIterator<DirEntry> {
  let held: RawEntry | null = null;
  for (;;) {
    const next = raw.next();
    const offset = next.done === true ? next.value : next.value.position;
    if (held !== null) yield { name: held.name, ino: held.ino, kind: held.kind, offset };
    if (next.done === true) return;
    held = next.value;
  }
}

function placedEntries(dir: Ext4Inode, from: number): Generator<RawEntry, number, undefined> {
  return isInline(dir) ? inlineEntries(dir, from) : blockEntries(dir, from);
}

/** The entry at byte `at` of a row. */
function rawEntry(dir: Ext4Inode, view: DataView, at: number, position: number): RawEntry {
  return {
    name: shownName(dir, view, at),
    ino: DirEntryHeader.get.inode(view, at),
    kind: kindOfType(dir.mp, DirEntryHeader.get.file_type(view, at)),
    position,
  };
}

function* blockEntries(dir: Ext4Inode, from: number): Generator<RawEntry, number, undefined> {
  const { blockSize } = dir.mp;
  const blocks = blockCount(dir);
  const run = new BlockRun();
  for (let block = Math.floor(from / blockSize); block < blocks; ) {
    dir.map(block, run);
    if (run.physical === 0) {
      block += run.length;
      continue;
    }
    const leaf = leafOrNull(dir, block);
    if (leaf === null) {
      block++;
      continue;
    }
    const { view, length } = leaf;
    for (const at of usedEntries({ view, from: 0, end: length }, blockSize)) {
      const position = block * blockSize + at;
      if (position >= from) yield rawEntry(dir, view, at, position);
    }
    block++;
  }
  return Math.max(from, dir.size);
}

/** Positions are as if `.` and `..` were there, so that they stay when the directory gets blocks. */
function* inlineEntries(dir: Ext4Inode, from: number): Generator<RawEntry, number, undefined> {
  const { parent, rows } = readInlineDir(dir);
  const dotdot = DOT_LENGTH;
  const shift = 2 * DOT_LENGTH - INLINE_DOTDOT_SIZE;
  if (from <= 0) yield { name: '.', ino: dir.ino, kind: 'dir', position: 0 };
  if (from <= dotdot) yield { name: '..', ino: parent, kind: 'dir', position: dotdot };
  let end = from;
  for (const row of rows) {
    for (const at of usedEntries(row, dir.mp.blockSize))
      if (at + shift >= from) yield rawEntry(dir, row.view, at, at + shift);
    end = Math.max(end, row.end + shift);
  }
  return end;
}
