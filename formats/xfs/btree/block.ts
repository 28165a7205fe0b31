/** Single btree blocks: a new header, counts, sibling links and moving entries, each logged before it changes. */
import type { Buf } from '../../../core/buffer-cache.ts';
import { writeBe64 } from '../../../core/struct.ts';
import { BtreeLongHeader, BtreeShortHeader } from '../structure/btree-format.ts';
import type { BtreeCursor } from './cursor.ts';
import { logChange } from './keys.ts';
import { NULL_POINTER } from './kind.ts';

/** Takes the free block at `pointer` for the tree: an empty block at `level` without siblings. */
export function initBlock<R, K>(cursor: BtreeCursor<R, K>, pointer: number, level: number): Buf {
  const { mp, kind } = cursor;
  const buf = mp.cache.init(cursor.addrOf(pointer), mp.blockSize, mp.ops[kind.name]);
  cursor.trans().init(buf);
  const { view } = buf;
  const owner = cursor.inode === null ? cursor.agno : cursor.inode.ino;
  writeHeader(view, buf.addr, kind.inodeRooted, mp.features.v5, {
    magic: mp.features.v5 ? kind.magicV5 : kind.magicV4,
    level,
    uuid: mp.uuid,
    owner,
  });
  return buf;
}

function writeHeader(
  view: DataView,
  addr: number,
  long: boolean,
  v5: boolean,
  values: { magic: number; level: number; uuid: Uint8Array; owner: number },
): void {
  const header = long ? BtreeLongHeader : BtreeShortHeader;
  header.set.magic(view, 0, values.magic);
  header.set.level(view, 0, values.level);
  header.set.numrecs(view, 0, 0);
  if (long) {
    BtreeLongHeader.set.leftsib(view, 0, NULL_POINTER);
    BtreeLongHeader.set.rightsib(view, 0, NULL_POINTER);
  } else {
    BtreeShortHeader.set.leftsib(view, 0, 0xffffffff);
    BtreeShortHeader.set.rightsib(view, 0, 0xffffffff);
  }
  if (!v5) return;
  writeBe64(view, header.at.blkno, addr / 512);
  header.set.uuid(view, 0, values.uuid);
  header.set.owner(view, 0, values.owner);
}

/** Sets the number of entries of the block at `level` of the path, or of the root in the fork. */
export function setCount<R, K>(cursor: BtreeCursor<R, K>, level: number, count: number): void {
  const at = cursor.inFork(level) ? cursor.forkStart() + 2 : 6;
  logChange(cursor, level, at, 2);
  (cursor.bufs[level] as Buf).view.setUint16(at, count);
}

/** Sets the number of entries of a block that need not be on the path. */
export function setBlockCount<R, K>(cursor: BtreeCursor<R, K>, buf: Buf, count: number): void {
  cursor.trans().modify(buf, 6, 2);
  buf.view.setUint16(6, count);
}

export function setLeftSibling<R, K>(cursor: BtreeCursor<R, K>, buf: Buf, pointer: number): void {
  cursor.trans().modify(buf, 8, cursor.pointerSize);
  cursor.writePointer(buf, 8, pointer);
}

export function setRightSibling<R, K>(cursor: BtreeCursor<R, K>, buf: Buf, pointer: number): void {
  const at = 8 + cursor.pointerSize;
  cursor.trans().modify(buf, at, cursor.pointerSize);
  cursor.writePointer(buf, at, pointer);
}

/**
 * Copies `count` entries at `level` (records, or keys with their pointers) between real blocks, or within one
 * (areas may overlap). Counts are the caller's business.
 */
export function moveEntries<R, K>(
  cursor: BtreeCursor<R, K>,
  level: number,
  from: Buf,
  fromSlot: number,
  to: Buf,
  toSlot: number,
  count: number,
): void {
  if (count <= 0) return;
  if (level === 0) {
    const size = cursor.kind.recordSize;
    moveBytes(cursor, from, cursor.recordAt(fromSlot), to, cursor.recordAt(toSlot), count * size);
    return;
  }
  const keySize = cursor.nodeKeySize;
  const keys = cursor.headerSize;
  const pointers = keys + cursor.maxNodeRecords * keySize;
  const { pointerSize } = cursor;
  moveBytes(cursor, from, keys + fromSlot * keySize, to, keys + toSlot * keySize, count * keySize);
  moveBytes(cursor, from, pointers + fromSlot * pointerSize, to, pointers + toSlot * pointerSize, count * pointerSize);
}

function moveBytes<R, K>(
  cursor: BtreeCursor<R, K>,
  from: Buf,
  fromAt: number,
  to: Buf,
  toAt: number,
  size: number,
): void {
  cursor.trans().modify(to, toAt, size);
  if (from === to) to.bytes.copyWithin(toAt, fromAt, fromAt + size);
  else to.bytes.set(from.bytes.subarray(fromAt, fromAt + size), toAt);
}

/** The pointer of a block of this tree, from its address. */
export function pointerOf<R, K>(cursor: BtreeCursor<R, K>, buf: Buf): number {
  const { mp } = cursor;
  const block = buf.addr / mp.blockSize;
  const agno = Math.floor(block / mp.agBlocks);
  const agbno = block % mp.agBlocks;
  return cursor.agno < 0 ? mp.agbToFsb(agno, agbno) : agbno;
}
