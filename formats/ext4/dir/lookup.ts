/**
 * Finding a name in a directory: through the index where there is one, else block by block (kernel: fs/ext4/namei.c,
 * ext4_find_entry, ext4_dx_find_entry).
 */
import type { Buf } from '../../../core/buffer-cache.ts';
import { FsError } from '../../../core/errors.ts';
import { encodeName } from '../../../core/vfs/names.ts';
import { isInline } from '../inline.ts';
import type { Ext4Inode } from '../inode.ts';
import { BlockRun } from '../map/run.ts';
import { DirEntryHeader, DOT_LENGTH, NAME_MAX } from '../structure/dir.ts';
import { leafOrNull, readIndex, readLeaf } from './block.ts';
import { type DirRow, usedEntries } from './entries.ts';
import { badDir, blockCount, isIndexed, mustBeDir } from './form.ts';
import { IndexPath } from './index.ts';
import { readInlineDir } from './inline.ts';
import { type WantedName, wantedName } from './names.ts';

/** Where an entry lies. */
export interface EntryPlace {
  readonly row: DirRow;
  readonly at: number;
  /** The leaf; null for a directory in its inode, whose row is a copy. */
  readonly leaf: Buf | null;
}

/** The inode number behind `name`, or null. @throws FsError ENOTDIR, ENAMETOOLONG, EUCLEAN, EIO */
export function dirLookup(dir: Ext4Inode, name: string): number | null {
  mustBeDir(dir);
  if (name === '.') return dir.ino;
  const ino = name === '..' ? parentOf(dir) : inoAt(findName(dir, name));
  if (ino === null || dir.mp.validIno(ino)) return ino;
  throw badDir(dir, 'no inode of this image', { field: 'inode', value: String(ino) });
}

/** The inode number that an entry says. */
export function inoAt(place: EntryPlace | null): number | null {
  return place === null ? null : DirEntryHeader.get.inode(place.row.view, place.at);
}

/** The entry with a name that is not `.` or `..`, or null. @throws FsError as dirLookup() */
export function findName(dir: Ext4Inode, name: string): EntryPlace | null {
  const wanted = wantedName(dir, name);
  // What stands for an encrypted name may be longer than names are.
  if (!dir.has('ENCRYPT') && encodeName(name).length > NAME_MAX) throw new FsError('ENAMETOOLONG');
  if (name.length === 0 || wanted === null) return null;
  if (isInline(dir)) {
    for (const row of readInlineDir(dir).rows) {
      const at = findIn(dir, row, wanted);
      if (at >= 0) return { row, at, leaf: null };
    }
    return null;
  }
  if (wanted.hashed !== null && isIndexed(dir)) {
    const found = findByHash(dir, wanted, wanted.hashed);
    // Other versions of Unicode fold some names otherwise: then the hash leads to another leaf.
    if (found !== 'no index' && (found !== null || !dir.has('CASEFOLD'))) return found;
  }
  return findEverywhere(dir, wanted);
}

function findInLeaf(dir: Ext4Inode, leaf: Buf, wanted: WantedName): EntryPlace | null {
  const row = { view: leaf.view, from: 0, end: leaf.length };
  const at = findIn(dir, row, wanted);
  return at < 0 ? null : { row, at, leaf };
}

/** The directory that a directory is in. @throws FsError EUCLEAN, EIO */
export function parentOf(dir: Ext4Inode): number {
  if (isInline(dir)) return readInlineDir(dir).parent;
  const { view } = isIndexed(dir) ? readIndex(dir, 0) : readLeaf(dir, 0);
  const second = Math.max(DOT_LENGTH, DirEntryHeader.get.rec_len(view, 0));
  const dots =
    second + DirEntryHeader.size + 2 <= view.byteLength && view.getUint16(second + DirEntryHeader.size) === 0x2e2e;
  if (!dots || DirEntryHeader.get.name_len(view, second) !== 2) throw badDir(dir, 'it has no parent');
  return DirEntryHeader.get.inode(view, second);
}

/** An index that cannot be used is passed over: all names are in the leaves. */
function findByHash(dir: Ext4Inode, wanted: WantedName, hashed: Uint8Array): EntryPlace | null | 'no index' {
  let path: IndexPath;
  try {
    path = new IndexPath(dir);
    path.hasher.hash(hashed);
    path.seek(path.hasher.major);
  } catch (error) {
    if (error instanceof FsError && error.code === 'EUCLEAN') return 'no index';
    throw error;
  }
  const { major } = path.hasher;
  for (;;) {
    const found = findInLeaf(dir, readLeaf(dir, path.leaf), wanted);
    if (found !== null) return found;
    // Names with one hash may fill several leaves.
    const next = path.nextHash;
    if (next < 0 || (next & ~1) >>> 0 !== major || !path.next()) return null;
  }
}

function findEverywhere(dir: Ext4Inode, wanted: WantedName): EntryPlace | null {
  const blocks = blockCount(dir);
  const run = new BlockRun();
  for (let block = 0; block < blocks; ) {
    dir.map(block, run);
    if (run.physical === 0) {
      block += run.length;
      continue;
    }
    const leaf = leafOrNull(dir, block++);
    const found = leaf === null ? null : findInLeaf(dir, leaf, wanted);
    if (found !== null) return found;
  }
  return null;
}

/** Byte offset of the entry in its row, or -1. */
function findIn(dir: Ext4Inode, row: DirRow, wanted: WantedName): number {
  for (const at of usedEntries(row, dir.mp.blockSize)) if (wanted.matches(row.view, at)) return at;
  return -1;
}
