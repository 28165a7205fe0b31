/**
 * Small files lie in the leaf: when all of a file is at most one sector, and no more than 2 KiB (compressed or not),
 * its bytes become the extent item itself.
 *
 * Mirrors: fs/btrfs/inode.c (can_cow_file_range_inline, cow_file_range_inline).
 */
import type { Device } from '../../core/device/device.ts';
import { IomapType, type Mapping } from '../../core/iomap/iomap.ts';
import { inlineItemSize } from './file-extent.ts';
import type { BtrfsInode } from './inode.ts';
import { ITEM_SIZE, leafDataSize } from './structure/block.ts';
import { spendReservation } from './write-state.ts';

/** Linux's mount option max_inline, unless told otherwise. */
const MAX_INLINE = 2048;
/** Linux makes no inline data where sectors are not its pages. */
const PAGE = 4096;

/** Takes bytes that have gone their own way already: into a leaf, or compressed. */
export const sink: Device = {
  name: 'written already',
  size: Number.MAX_SAFE_INTEGER,
  sectorSize: 512,
  writable: true,
  read: () => undefined,
  write: () => undefined,
  writev: () => undefined,
  flush: () => undefined,
  close: () => undefined,
};

/** True if bytes [pos, end), `length` of them when stored, may be the file's inline data. */
export function fitsInline(ip: BtrfsInode, pos: number, end: number, length: number): boolean {
  const { sectorSize, nodeSize } = ip.mp;
  const size = Math.min(ip.size, end);
  if (pos !== 0 || sectorSize !== PAGE || size > sectorSize || size < ip.size) return false;
  return length <= MAX_INLINE && length <= leafDataSize(nodeSize) - ITEM_SIZE - inlineItemSize(0);
}

/** Orders `data`, all of the file as it is stored, into the leaf. */
export function orderInline(
  ip: BtrfsInode,
  length: number,
  data: Uint8Array,
  compression: number,
  iomap: Mapping,
): void {
  spendReservation(ip, length);
  ip.writing.ordered.add({ kind: 'inline', pos: 0, length, bytenr: 0, diskLength: 0, compression, data });
  toSink(0, length, iomap);
}

/** Answers that [pos, pos + length) needs no writing. */
export function toSink(pos: number, length: number, iomap: Mapping): void {
  iomap.type = IomapType.MAPPED;
  iomap.device = sink;
  iomap.addr = pos;
  iomap.offset = pos;
  iomap.length = length;
}

/** Orders the uncompressed bytes from `pos` on into the leaf; false if they do not belong there. */
export function inlineMapping(ip: BtrfsInode, pos: number, length: number, iomap: Mapping): boolean {
  const size = Math.min(ip.size, pos + length);
  if (pos !== 0 || !fitsInline(ip, pos, pos + length, size)) return false;
  const data = new Uint8Array(size);
  ip.pages.copyOut(0, data, 0, size);
  orderInline(ip, ip.mp.sectorSize, data, 0, iomap);
  return true;
}
