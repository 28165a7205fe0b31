/**
 * Adding, removing and replacing directory entries, whatever form the directory has; it changes form as it must:
 *
 *     shortform (in the inode) ⇄ block ⇄ leaf ⇄ node          up when an entry does not fit, down when all does
 *
 * The callers know that a name is (or is not) there, keep link counts and times, and own the transaction.
 */
import { FsError } from '../../../core/errors.ts';
import type { XfsInode } from '../inode.ts';
import { diskSize, setForkFormat } from '../inode-core.ts';
import { MAX_NAME_LENGTH } from '../structure/dir.ts';
import type { Trans } from '../trans.ts';
import {
  addBlock,
  blockPairs,
  blockToShort,
  entryOf,
  findBlock,
  readBlock,
  removeBlock,
  shortToBlock,
} from './block-edit.ts';
import { setEntry } from './data-space.ts';
import { dirForm } from './form.ts';
import { type DirGeometry, dirGeometry } from './geometry.ts';
import { hashDirName } from './hash.ts';
import { addLeaf, blockToLeaf, findLeaf, removeLeaf } from './leaf-edit.ts';
import { addNode, findNode, leafToNode, removeNode } from './node-edit.ts';
import { addShort, findShort, readShort, type ShortEntry, writeShort } from './short-edit.ts';

/** Adds an entry that is not there yet. @throws FsError ENOSPC, ENAMETOOLONG, EUCLEAN */
export function dirAdd(tp: Trans, dp: XfsInode, name: Uint8Array, ino: number, ftype: number): void {
  const geo = dirGeometry(dp.mp);
  if (name.length === 0 || name.length > MAX_NAME_LENGTH) throw new FsError('ENAMETOOLONG');
  tp.modifyInode(dp);
  let form = dirForm(dp, geo);
  if (form === 'short') {
    if (addShort(tp, dp, geo, name, ino, ftype)) return;
    shortToBlock(tp, dp, geo);
    form = 'block';
  }
  const hash = hashDirName(name, geo.asciiCi);
  if (form === 'block') {
    if (addBlock(tp, dp, geo, name, hash, ino, ftype)) return;
    blockToLeaf(tp, dp, geo);
    form = 'leaf';
  }
  if (form === 'leaf') {
    if (addLeaf(tp, dp, geo, name, hash, ino, ftype)) return;
    leafToNode(tp, dp, geo);
  }
  addNode(tp, dp, geo, name, hash, ino, ftype);
}

/** Removes the entry with this name. @throws FsError ENOENT, ENOSPC, EUCLEAN */
export function dirRemove(tp: Trans, dp: XfsInode, name: Uint8Array): void {
  const geo = dirGeometry(dp.mp);
  const hash = hashDirName(name, geo.asciiCi);
  tp.modifyInode(dp);
  switch (dirForm(dp, geo)) {
    case 'short': {
      const dir = readShort(dp, geo);
      dir.entries.splice(found(findShort(geo, dir, name)), 1);
      writeShort(tp, dp, geo, dir);
      break;
    }
    case 'block': {
      const buf = readBlock(dp, geo);
      removeBlock(tp, dp, geo, buf, found(findBlock(geo, buf, name, hash)));
      break;
    }
    case 'leaf':
      removeLeaf(tp, dp, geo, present(findLeaf(dp, geo, name, hash)));
      break;
    case 'node':
      removeNode(tp, dp, geo, present(findNode(dp, geo, name, hash)));
      break;
  }
}

/** Makes the entry with this name (also `..`) name another inode. @throws FsError ENOENT, ENOSPC, EUCLEAN */
export function dirReplace(tp: Trans, dp: XfsInode, name: Uint8Array, ino: number, ftype: number): void {
  const geo = dirGeometry(dp.mp);
  const hash = hashDirName(name, geo.asciiCi);
  tp.modifyInode(dp);
  switch (dirForm(dp, geo)) {
    case 'short':
      replaceShort(tp, dp, geo, name, ino, ftype);
      break;
    case 'block': {
      const buf = readBlock(dp, geo);
      setEntry(tp, geo, buf, entryOf(geo, buf, found(findBlock(geo, buf, name, hash))), ino, ftype);
      break;
    }
    case 'leaf': {
      const place = present(findLeaf(dp, geo, name, hash));
      setEntry(tp, geo, place.data, place.offset, ino, ftype);
      break;
    }
    case 'node': {
      const place = present(findNode(dp, geo, name, hash));
      setEntry(tp, geo, place.data, place.offset, ino, ftype);
    }
  }
}

/** A larger inode number may make the directory too large for its inode. */
function replaceShort(tp: Trans, dp: XfsInode, geo: DirGeometry, name: Uint8Array, ino: number, ftype: number): void {
  const dir = readShort(dp, geo);
  if (name.length === 2 && name[0] === 0x2e && name[1] === 0x2e) dir.parent = ino;
  else {
    const entry = dir.entries[found(findShort(geo, dir, name))] as ShortEntry;
    entry.ino = ino;
    entry.ftype = ftype;
  }
  if (!writeShort(tp, dp, geo, dir)) shortToBlock(tp, dp, geo, dir);
}

function found(index: number): number {
  if (index < 0) throw new FsError('ENOENT');
  return index;
}

function present<T>(place: T | null): T {
  if (place === null) throw new FsError('ENOENT');
  return place;
}

/** Makes a new directory inode an empty directory below `parent`. */
export function dirMake(tp: Trans, dp: XfsInode, parent: number): void {
  tp.modifyInode(dp);
  setForkFormat(dp, 'data', 'local');
  writeShort(tp, dp, dirGeometry(dp.mp), { parent, entries: [] });
}

/** True if nothing but `.` and `..` is in the directory. */
export function dirIsEmpty(dp: XfsInode): boolean {
  const geo = dirGeometry(dp.mp);
  const form = dirForm(dp, geo);
  if (form === 'short') return (dp.buf.bytes[dp.dataFork.start] as number) === 0;
  // Larger forms become shortform when their last entry goes, unless the inode has no room even for that.
  if (form !== 'block') return false;
  const { count, stale } = blockPairs(geo, readBlock(dp, geo));
  return count - stale === 2;
}

/** Makes room in the inode: a shortform directory that no longer fits becomes a block, a block that fits comes back. */
export function dirFitFork(tp: Trans, dp: XfsInode): void {
  const geo = dirGeometry(dp.mp);
  const form = dirForm(dp, geo);
  if (form === 'block') blockToShort(tp, dp, geo, readBlock(dp, geo));
  else if (form === 'short' && diskSize(dp) > dp.dataFork.size) {
    // The border has moved already, but the entries still lie where they were.
    shortToBlock(tp, dp, geo, readShort(dp, geo, dp.mp.inodeSize - dp.coreSize));
  }
}
