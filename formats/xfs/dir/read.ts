/**
 * Listing a directory in the order and with the positions of Linux (kernel: xfs_dir2_readdir.c). An entry's position
 * is its place in the directory's data space in units of 8 bytes; shortform entries keep the place that they would
 * have in a block. getdents gives each entry the position of the next one, and the last the end of the data.
 */
import type { Buf } from '../../../core/buffer-cache.ts';
import { corrupt, FsError } from '../../../core/errors.ts';
import { readBe64 } from '../../../core/struct.ts';
import type { DirEntry, FileKind } from '../../../core/vfs/inode.ts';
import { decodeName } from '../../../core/vfs/names.ts';
import { forkLookup } from '../bmap-fork.ts';
import { dirRead } from '../da/block.ts';
import { Extent } from '../extent.ts';
import type { XfsInode } from '../inode.ts';
import { DirFtype } from '../structure/dir.ts';
import { readBlock } from './block-edit.ts';
import { dataEnd, freeLength, isFree } from './data-space.ts';
import { dirForm } from './form.ts';
import { type DirGeometry, dataEntrySize, dirGeometry, toDataptr } from './geometry.ts';
import { readShort } from './short-edit.ts';

/** File kinds by on-disk type; a whiteout is a character device. */
const KINDS: readonly (FileKind | null)[] = [null, 'file', 'dir', 'char', 'block', 'fifo', 'socket', 'symlink', 'char'];
const POSITION_MASK = 0x7fffffff;
const MAX_DATAPTR = 0xffffffff;

/** An entry as it lies in the directory, with its own position. */
export interface RawDirEntry {
  readonly name: Uint8Array;
  readonly ino: number;
  readonly ftype: number;
  readonly position: number;
}

/** The entries from position `from` on, `.` and `..` first. @throws FsError ENOTDIR, EUCLEAN */
export function* dirEntries(dp: XfsInode, from = 0): IterableIterator<DirEntry> {
  if (dp.kind !== 'dir') throw new FsError('ENOTDIR');
  const raw = rawEntries(dp, from);
  let held: RawDirEntry | null = null;
  for (;;) {
    const next = raw.next();
    const position = next.done === true ? next.value : next.value.position;
    if (held !== null) yield toEntry(dp, held, position);
    if (next.done === true) return;
    held = next.value;
  }
}

/** As dirEntries, undecoded; returns the position after the last one. */
export function rawEntries(dp: XfsInode, from = 0): Generator<RawDirEntry, number, undefined> {
  const geo = dirGeometry(dp.mp);
  const form = dirForm(dp, geo);
  if (form === 'short') return shortEntries(dp, geo, from);
  return form === 'block' ? blockEntries(dp, geo, from) : dataEntries(dp, geo, from);
}

function toEntry(dp: XfsInode, raw: RawDirEntry, offset: number): DirEntry {
  for (const byte of raw.name) {
    if (byte === 0 || byte === 0x2f)
      throw corrupt({
        structure: `directory ${dp.ino}`,
        field: 'name',
        value: JSON.stringify(decodeName(raw.name)),
        rule: 'no file name',
      });
  }
  const kind = dp.mp.features.ftype || raw.position <= 0x10 ? (KINDS[raw.ftype] ?? null) : null;
  return { name: decodeName(raw.name), ino: raw.ino, kind, offset };
}

const DOT = Uint8Array.of(0x2e);
const DOTDOT = Uint8Array.of(0x2e, 0x2e);

function* shortEntries(dp: XfsInode, geo: DirGeometry, from: number): Generator<RawDirEntry, number, undefined> {
  const end = toDataptr(geo, 1, 0) & POSITION_MASK;
  if (from >= end) return from;
  const dir = readShort(dp, geo);
  const dot = toDataptr(geo, 0, geo.dataHeader);
  const dotdot = toDataptr(geo, 0, geo.dataHeader + dataEntrySize(geo, 1));
  if (from <= dot) yield { name: DOT, ino: dp.ino, ftype: DirFtype.DIR, position: dot };
  if (from <= dotdot) yield { name: DOTDOT, ino: dir.parent, ftype: DirFtype.DIR, position: dotdot };
  for (const { name, ino, ftype, offset } of dir.entries) {
    const position = toDataptr(geo, 0, offset);
    if (position >= from) yield { name, ino, ftype, position };
  }
  return end;
}

function* blockEntries(dp: XfsInode, geo: DirGeometry, from: number): Generator<RawDirEntry, number, undefined> {
  const end = toDataptr(geo, 1, 0) & POSITION_MASK;
  if (from >= end) return from;
  const buf = readBlock(dp, geo);
  yield* entriesOf(geo, buf, 0, from);
  return end;
}

function* dataEntries(dp: XfsInode, geo: DirGeometry, from: number): Generator<RawDirEntry, number, undefined> {
  if (from >= MAX_DATAPTR) return from;
  const extent = new Extent();
  let position = from;
  let block = Math.floor((from * 8) / geo.blockSize) * geo.fsbCount;
  while (block < geo.leafBlock && forkLookup(dp, 'data', block, extent) && extent.off < geo.leafBlock) {
    // Holes are where data blocks were emptied.
    if (extent.off > block) block = Math.ceil(extent.off / geo.fsbCount) * geo.fsbCount;
    const db = block / geo.fsbCount;
    yield* entriesOf(geo, dirRead(dp, geo, block, dp.mp.ops.dirData), db, from);
    block += geo.fsbCount;
    position = toDataptr(geo, db + 1, 0);
  }
  return Math.min(position, MAX_DATAPTR) & POSITION_MASK;
}

function* entriesOf(
  geo: DirGeometry,
  buf: Buf,
  db: number,
  from: number,
): Generator<RawDirEntry, undefined, undefined> {
  const end = dataEnd(geo, buf);
  // The verifier refused lengths of 0; the floor of 8 keeps even a block that changed since from looping.
  for (let at = geo.dataHeader; at < end; ) {
    if (isFree(buf, at)) {
      at += Math.max(freeLength(buf, at), 8);
      continue;
    }
    const length = buf.bytes[at + 8] as number;
    const position = toDataptr(geo, db, at) & POSITION_MASK;
    if (position >= from) {
      const name = buf.bytes.subarray(at + 9, at + 9 + length);
      const ftype = geo.ftype ? (buf.bytes[at + 9 + length] as number) : 0;
      yield { name, ino: readBe64(buf.view, at), ftype, position };
    }
    at += dataEntrySize(geo, length);
  }
}
