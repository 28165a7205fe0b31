/**
 * Writing shortform directories, which lie in the inode (kernel: xfs_dir2_sf.c).
 *
 *     count, i8count | parent | (namelen, offset, name, ftype, inode) …      4-byte numbers, 8 if any needs it
 *
 * `offset` is where the entry will lie when the directory becomes a block: offsets rise, fit the block together with
 * the hash entries that it would have, and stay, so that a reader's position means the same afterwards.
 */
import { corrupt } from '../../../core/errors.ts';
import { readBe64, writeBe64 } from '../../../core/struct.ts';
import type { XfsInode } from '../inode.ts';
import { diskSize, setDiskSize } from '../inode-core.ts';
import { DirBlockTail } from '../structure/dir.ts';
import type { Trans } from '../trans.ts';
import { type DirGeometry, dataEntrySize } from './geometry.ts';
import { sameName, sameNameCi } from './hash.ts';

export interface ShortEntry {
  name: Uint8Array;
  offset: number;
  ino: number;
  ftype: number;
}

/** A shortform directory, decoded. */
export interface ShortDir {
  parent: number;
  readonly entries: ShortEntry[];
}

const MAX_SHORT_INO = 0xffffffff;

/** Decodes the directory in the inode. @throws FsError EUCLEAN if an entry leaves it */
export function readShort(dp: XfsInode, geo: DirGeometry, room: number = dp.dataFork.size): ShortDir {
  const { bytes, view } = dp.buf;
  const start = dp.dataFork.start;
  const end = start + Math.min(diskSize(dp), room);
  const count = bytes[start] as number;
  const wide = (bytes[start + 1] as number) > 0;
  const parent = wide ? readBe64(view, start + 2) : view.getUint32(start + 2);
  const entries: ShortEntry[] = [];
  let at = start + (wide ? 10 : 6);
  for (let i = 0; i < count; i++) {
    const length = bytes[at] as number;
    const inoAt = at + 3 + length + (geo.ftype ? 1 : 0);
    const next = inoAt + (wide ? 8 : 4);
    if (length === 0 || next > end) {
      throw corrupt({ structure: `shortform directory ${dp.ino}`, field: `entry ${i}`, rule: 'leaves the inode' });
    }
    entries.push({
      name: bytes.slice(at + 3, at + 3 + length),
      offset: view.getUint16(at + 1),
      ino: wide ? readBe64(view, inoAt) : view.getUint32(inoAt),
      ftype: geo.ftype ? (bytes[inoAt - 1] as number) : 0,
    });
    at = next;
  }
  return { parent, entries };
}

/** Bytes that the directory takes in an inode. */
export function shortSize(geo: DirGeometry, dir: ShortDir): number {
  const number = isWide(dir) ? 8 : 4;
  let size = 2 + number;
  for (const entry of dir.entries) size += 3 + entry.name.length + (geo.ftype ? 1 : 0) + number;
  return size;
}

function isWide(dir: ShortDir): boolean {
  return dir.parent > MAX_SHORT_INO || dir.entries.some((entry) => entry.ino > MAX_SHORT_INO);
}

/** Writes the directory into the inode and sets its size; false (nothing changed) if it does not fit. */
export function writeShort(tp: Trans, dp: XfsInode, geo: DirGeometry, dir: ShortDir): boolean {
  const size = shortSize(geo, dir);
  const fork = dp.dataFork;
  if (size > fork.size || dir.entries.length > 255) return false;
  tp.modifyInode(dp);
  const { bytes, view } = dp.buf;
  const wide = isWide(dir);
  const putIno = wide ? writeBe64 : (v: DataView, at: number, ino: number) => v.setUint32(at, ino);
  bytes.fill(0, fork.start, fork.start + fork.size);
  bytes[fork.start] = dir.entries.length;
  let large = dir.parent > MAX_SHORT_INO ? 1 : 0;
  putIno(view, fork.start + 2, dir.parent);
  let at = fork.start + (wide ? 10 : 6);
  for (const entry of dir.entries) {
    bytes[at] = entry.name.length;
    view.setUint16(at + 1, entry.offset);
    bytes.set(entry.name, at + 3);
    at += 3 + entry.name.length;
    if (geo.ftype) bytes[at++] = entry.ftype;
    putIno(view, at, entry.ino);
    at += wide ? 8 : 4;
    if (entry.ino > MAX_SHORT_INO) large++;
  }
  bytes[fork.start + 1] = large;
  setDiskSize(dp, size);
  return true;
}

/** Index of the entry with this name, exactly or (ascii-ci) but for case; -1 if none. */
export function findShort(geo: DirGeometry, dir: ShortDir, name: Uint8Array): number {
  const exact = dir.entries.findIndex((entry) => sameName(name, entry.name, 0, entry.name.length));
  if (exact >= 0 || !geo.asciiCi) return exact;
  return dir.entries.findIndex((entry) => sameNameCi(name, entry.name, 0, entry.name.length));
}

/** Where entries start after `.` and `..` in a block. */
function firstOffset(geo: DirGeometry): number {
  return geo.dataHeader + dataEntrySize(geo, 1) + dataEntrySize(geo, 2);
}

/**
 * Adds an entry at the end, or in a hole between the offsets when the end has no room; false (nothing changed) if
 * the directory would not fit a block or the inode.
 */
export function addShort(
  tp: Trans,
  dp: XfsInode,
  geo: DirGeometry,
  name: Uint8Array,
  ino: number,
  ftype: number,
): boolean {
  const dir = readShort(dp, geo);
  const size = dataEntrySize(geo, name.length);
  let offset = firstOffset(geo);
  let holeIndex = -1;
  let holeOffset = 0;
  for (let i = 0; i < dir.entries.length; i++) {
    const entry = dir.entries[i] as ShortEntry;
    if (holeIndex < 0 && offset + size <= entry.offset) {
      holeIndex = i;
      holeOffset = offset;
    }
    offset = entry.offset + dataEntrySize(geo, entry.name.length);
  }
  const used = offset + (dir.entries.length + 3) * 8 + DirBlockTail.size;
  const atEnd = used + size <= geo.blockSize;
  if (!atEnd && (holeIndex < 0 || used > geo.blockSize)) return false;
  // The kernel looks for a hole also when all entries change to 8-byte numbers; where none is, the end serves.
  const widens = ino > MAX_SHORT_INO && !isWide(dir);
  const inHole = holeIndex >= 0 && (!atEnd || widens);
  const entry: ShortEntry = { name, offset: inHole ? holeOffset : offset, ino, ftype };
  dir.entries.splice(inHole ? holeIndex : dir.entries.length, 0, entry);
  return writeShort(tp, dp, geo, dir);
}
