/**
 * Putting a name into a directory: into a leaf with room, or a new one; a full leaf of an index is split by hash, a full
 * directory of one block gets an index (kernel: fs/ext4/namei.c, ext4_add_entry, do_split, make_indexed_dir).
 */
import type { Buf } from '../../../core/buffer-cache.ts';
import { FsError } from '../../../core/errors.ts';
import type { Changes } from '../alloc/changes.ts';
import { isInline } from '../inline.ts';
import type { Ext4Inode } from '../inode.ts';
import { DirEntryHeader, DOT_LENGTH, DX_INFO_AT, DxCountLimit, DxEntry, DxRootInfo } from '../structure/dir.ts';
import { dirOps, entrySize, indexLimit, rawLength, readLeaf } from './block.ts';
import { type DirRow, nameAt, usedEntries } from './entries.ts';
import { blockCount, isIndexed } from './form.ts';
import { type IndexFrame, IndexPath } from './index.ts';
import { hashedName } from './names.ts';
import { clearLeaf, insertInRow, type NewEntry, rowEnd, writeEntry } from './row-edit.ts';

/** Where a directory gets its blocks from. */
export interface DirSpace {
  /** Adds a block to the end of a directory. Returns the block of the device. */
  append(dir: Ext4Inode): number;
  /** The directory has an index from now on. */
  setIndexed(dir: Ext4Inode): void;
}

/** Adds a name that is not there yet. @throws FsError ENOSPC, EUCLEAN, EOPNOTSUPP for a full directory in its inode */
export function addEntry(changes: Changes, dir: Ext4Inode, entry: NewEntry, space: DirSpace): void {
  if (isInline(dir)) throw new FsError('EOPNOTSUPP', { detail: `directory ${dir.ino} lies in its inode` });
  if (isIndexed(dir)) return addByHash(changes, dir, entry, space);
  const blocks = blockCount(dir);
  for (let block = 0; block < blocks; block++) if (insertIn(changes, readLeaf(dir, block), entry)) return;
  if (blocks === 1 && changes.mp.compat('dir_index')) {
    makeIndex(changes, dir, space);
    addByHash(changes, dir, entry, space);
  } else insertIn(changes, appendLeaf(changes, dir, space), entry);
}

function insertIn(changes: Changes, leaf: Buf, entry: NewEntry): boolean {
  const row = rowOf(changes, leaf);
  changes.modify(leaf);
  return insertInRow(row, leaf.length, entry);
}

function rowOf({ mp }: Changes, { view, length }: Buf): DirRow {
  return { view, from: 0, end: rowEnd(length, mp.hasCsum) };
}

/** A new leaf with nothing in it. */
function appendLeaf(changes: Changes, dir: Ext4Inode, space: DirSpace): Buf {
  const leaf = changes.init(space.append(dir), dirOps(dir).leaf);
  clearLeaf(leaf.view, changes.mp.hasCsum);
  return leaf;
}

/** The first block becomes the root of an index, its names go to a second one. */
function makeIndex(changes: Changes, dir: Ext4Inode, space: DirSpace): void {
  const { mp } = changes;
  const root = readLeaf(dir, 0);
  const names = [...usedEntries(rowOf(changes, root), mp.blockSize)].slice(2).map((at) => entryAt(root.view, at));
  const leaf = appendLeaf(changes, dir, space);
  fillLeaf(changes, leaf, names);
  changes.modify(root);
  root.ops = dirOps(dir).root;
  root.bytes.fill(0, 2 * DOT_LENGTH);
  DirEntryHeader.set.rec_len(root.view, DOT_LENGTH, rawLength(mp.blockSize - DOT_LENGTH, mp.blockSize));
  const version = mp.sb.def_hash_version;
  DxRootInfo.encode(root.view, DX_INFO_AT, { hash_version: version, info_length: DxRootInfo.size });
  const entries = DX_INFO_AT + DxRootInfo.size;
  DxCountLimit.encode(root.view, entries, { limit: indexLimit(dir, entries), count: 1, block: blockCount(dir) - 1 });
  space.setIndexed(dir);
}

function entryAt(view: DataView, at: number): NewEntry {
  const type = DirEntryHeader.get.file_type(view, at);
  return { name: nameAt(view, at).slice(), ino: DirEntryHeader.get.inode(view, at), type };
}

/** Makes a leaf of these entries and no others. */
function fillLeaf(changes: Changes, leaf: Buf, entries: readonly NewEntry[]): void {
  const { hasCsum } = changes.mp;
  changes.modify(leaf);
  clearLeaf(leaf.view, hasCsum);
  const end = rowEnd(leaf.length, hasCsum);
  let at = 0;
  for (const [i, entry] of entries.entries()) {
    const length = i === entries.length - 1 ? end - at : entrySize(entry.name.length, false);
    writeEntry(leaf.view, at, length, leaf.length, entry);
    at += length;
  }
}

function addByHash(changes: Changes, dir: Ext4Inode, entry: NewEntry, space: DirSpace): void {
  const path = new IndexPath(dir);
  if (!path.hasher.hash(hashedName(dir, entry.name)))
    throw new FsError('EOPNOTSUPP', { detail: `directory ${dir.ino} has hashes that need its key` });
  const { major } = path.hasher;
  path.seek(major);
  if (insertIn(changes, readLeaf(dir, path.leaf), entry)) return;
  makeRoomInIndex(changes, dir, path, space);
  path.seek(major);
  splitLeaf(changes, dir, path, space);
  path.seek(major);
  if (!insertIn(changes, readLeaf(dir, path.leaf), entry)) throw new FsError('ENOSPC');
}

/** Moves the upper half of a leaf's names, by hash, to a new one behind it. */
function splitLeaf(changes: Changes, dir: Ext4Inode, path: IndexPath, space: DirSpace): void {
  const leaf = readLeaf(dir, path.leaf);
  const { hasher } = path;
  const names = [...usedEntries(rowOf(changes, leaf), leaf.length)].map((at) => {
    const entry = entryAt(leaf.view, at);
    hasher.hash(hashedName(dir, entry.name));
    return { entry, major: hasher.major };
  });
  names.sort((a, b) => a.major - b.major);
  let size = 0;
  let split = names.length;
  while (split > 1) {
    const next = entrySize((names[split - 1] as (typeof names)[number]).entry.name.length, false);
    if (size + next / 2 > leaf.length / 2) break;
    size += next;
    split--;
  }
  if (split <= 1) split = Math.ceil(names.length / 2);
  const first = (names[split] as (typeof names)[number]).major;
  const continued = (names[split - 1] as (typeof names)[number]).major === first ? 1 : 0;
  const fresh = appendLeaf(changes, dir, space);
  fillLeaf(
    changes,
    fresh,
    names.slice(split).map(({ entry }) => entry),
  );
  fillLeaf(
    changes,
    leaf,
    names.slice(0, split).map(({ entry }) => entry),
  );
  insertIndex(changes, path.frames[path.frames.length - 1] as IndexFrame, first + continued, blockCount(dir) - 1);
}

/** Puts an entry behind the one that a frame stands on. */
function insertIndex(changes: Changes, frame: IndexFrame, hash: number, block: number): void {
  const { buf, entries, slot } = frame;
  const count = DxCountLimit.get.count(buf.view, entries);
  const at = entries + (slot + 1) * DxEntry.size;
  changes.modify(buf);
  buf.bytes.copyWithin(at + DxEntry.size, at, entries + count * DxEntry.size);
  DxEntry.encode(buf.view, at, { hash, block });
  DxCountLimit.set.count(buf.view, entries, count + 1);
}

function isFull({ buf, entries }: IndexFrame): boolean {
  return DxCountLimit.get.count(buf.view, entries) >= DxCountLimit.get.limit(buf.view, entries);
}

/** Splits full blocks of the index on the way down, so that the lowest has room for one entry more. */
function makeRoomInIndex(changes: Changes, dir: Ext4Inode, path: IndexPath, space: DirSpace): void {
  const { frames } = path;
  let level = frames.length - 1;
  if (!isFull(frames[level] as IndexFrame)) return;
  while (level > 0 && isFull(frames[level - 1] as IndexFrame)) level--;
  if (level === 0) growIndex(changes, dir, frames[0] as IndexFrame, path.levels, space);
  else splitIndex(changes, dir, frames[level - 1] as IndexFrame, frames[level] as IndexFrame, space);
  const again = new IndexPath(dir);
  again.seek(path.hasher.major);
  path.frames.splice(0, frames.length, ...again.frames);
  path.levels = again.levels;
  makeRoomInIndex(changes, dir, path, space);
}

/** A block of the index for entries that come from another one. */
function appendNode(changes: Changes, dir: Ext4Inode, space: DirSpace): Buf {
  const node = changes.init(space.append(dir), dirOps(dir).node);
  DirEntryHeader.set.rec_len(node.view, 0, rawLength(node.length, node.length));
  DxCountLimit.set.limit(node.view, DirEntryHeader.size, indexLimit(dir, DirEntryHeader.size));
  return node;
}

/** The root's entries go to a block below it. */
function growIndex(changes: Changes, dir: Ext4Inode, root: IndexFrame, levels: number, space: DirSpace): void {
  if (levels >= (changes.mp.incompat('large_dir') ? 2 : 1)) throw new FsError('ENOSPC');
  const node = appendNode(changes, dir, space);
  const count = DxCountLimit.get.count(root.buf.view, root.entries);
  const from = root.entries + DxCountLimit.at.block;
  node.bytes.set(
    root.buf.bytes.subarray(from, root.entries + count * DxEntry.size),
    DirEntryHeader.size + DxCountLimit.at.block,
  );
  DxCountLimit.set.count(node.view, DirEntryHeader.size, count);
  changes.modify(root.buf);
  DxCountLimit.set.count(root.buf.view, root.entries, 1);
  DxCountLimit.set.block(root.buf.view, root.entries, blockCount(dir) - 1);
  DxRootInfo.set.indirect_levels(root.buf.view, DX_INFO_AT, levels + 1);
}

/** Half of a block's entries go to a new one. */
function splitIndex(changes: Changes, dir: Ext4Inode, parent: IndexFrame, full: IndexFrame, space: DirSpace): void {
  const node = appendNode(changes, dir, space);
  const { buf, entries } = full;
  const count = DxCountLimit.get.count(buf.view, entries);
  const kept = Math.floor(count / 2);
  const from = entries + kept * DxEntry.size;
  const hash = DxEntry.get.hash(buf.view, from);
  const to = DirEntryHeader.size + DxCountLimit.at.block;
  node.bytes.set(buf.bytes.subarray(from + DxEntry.at.block, entries + count * DxEntry.size), to);
  DxCountLimit.set.count(node.view, DirEntryHeader.size, count - kept);
  changes.modify(buf);
  DxCountLimit.set.count(buf.view, entries, kept);
  insertIndex(changes, parent, hash, blockCount(dir) - 1);
}

/** The first block of a new directory: `.` and `..`. */
export function initDirBlock(changes: Changes, dir: Ext4Inode, parent: number, type: number, space: DirSpace): void {
  const leaf = appendLeaf(changes, dir, space);
  const end = rowEnd(leaf.length, changes.mp.hasCsum);
  const dot = Buffer.from('.');
  writeEntry(leaf.view, 0, DOT_LENGTH, leaf.length, { name: dot, ino: dir.ino, type });
  writeEntry(leaf.view, DOT_LENGTH, end - DOT_LENGTH, leaf.length, { name: Buffer.from('..'), ino: parent, type });
}
