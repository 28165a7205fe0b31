/**
 * Writing compressed: a run of dirty bytes is dealt with in pieces of 512 KiB, each in extents of up to 128 KiB that
 * are worth it only if they save a sector. When one does not, the rest of its piece goes plain, and the file is marked
 * so that nobody tries again (unless it was told to by force or by name).
 *
 * Mirrors: fs/btrfs/inode.c (compress_file_range, inode_need_compress).
 */
import { FsError } from '../../core/errors.ts';
import type { Mapping } from '../../core/iomap/iomap.ts';
import { roundUp } from '../../core/units.ts';
import { compress, MAX_COMPRESSED_EXTENT } from './compress/compress.ts';
import { looksCompressible } from './compress/heuristic.ts';
import { type CompressionWish, compressionWish } from './compression-wish.ts';
import { fitsInline, inlineMapping, orderInline, toSink } from './inline-write.ts';
import type { BtrfsInode } from './inode.ts';
import { updateInode } from './inode-write.ts';
import { mapNew } from './new-place.ts';
import { InodeFlag, InodeItem } from './structure/inode.ts';
import { type CompressionPlan, spendReservation } from './write-state.ts';

const PIECE = 512 * 1024;

/** Answers where bytes from `pos` on go; false if no compression comes into it. */
export function compressedMapping(ip: BtrfsInode, pos: number, length: number, iomap: Mapping): boolean {
  const wish = compressionWish(ip);
  if (wish === null) return false;
  const plan = planFor(ip, wish, pos, length);
  if (!plan.compress) return false;
  if (pos >= plan.chunkEnd) {
    plan.chunkEnd = Math.min(pos + PIECE, plan.end);
    plan.plain = false;
  }
  if (plan.plain || !compressOne(ip, wish, pos, plan, iomap)) {
    plan.plain = true;
    const length = plan.chunkEnd - pos;
    if (!inlineMapping(ip, pos, length, iomap)) mapNew(ip, pos, length, iomap);
  }
  plan.next = iomap.offset + iomap.length;
  return true;
}

function planFor(ip: BtrfsInode, wish: CompressionWish, pos: number, length: number): CompressionPlan {
  const { plan } = ip.writing;
  const end = pos + length;
  // Only the run whose last answer ended here: a later pass over the same bytes decides anew.
  if (plan !== null && plan.next === pos && plan.end === end) return plan;
  const fresh = { next: pos, end, compress: worthTrying(ip, wish, pos, end), chunkEnd: pos, plain: false };
  ip.writing.plan = fresh;
  return fresh;
}

/** What the heuristic says of the bytes, unless the user has said it already. */
function worthTrying(ip: BtrfsInode, wish: CompressionWish, pos: number, end: number): boolean {
  if (wish.force) return true;
  if ((ip.flags & InodeFlag.NOCOMPRESS) !== 0) return false;
  const sample = new Uint8Array(Math.min(end - pos, MAX_COMPRESSED_EXTENT));
  copyBytes(ip, pos, sample);
  return looksCompressible(sample);
}

/** The bytes as they will be on the disk: zeros beyond the end of the file. */
function copyBytes(ip: BtrfsInode, pos: number, into: Uint8Array): void {
  ip.pages.copyOut(pos, into, 0, into.length);
  if (pos + into.length > ip.size) into.fill(0, Math.max(0, ip.size - pos));
}

/** Compresses and orders one extent; false if the bytes go plain. */
function compressOne(
  ip: BtrfsInode,
  wish: CompressionWish,
  pos: number,
  plan: CompressionPlan,
  iomap: Mapping,
): boolean {
  const { sectorSize } = ip.mp;
  const end = plan.chunkEnd;
  const actualEnd = Math.min(ip.size, end);
  if (actualEnd <= pos) return false;
  // A sector in the middle of a file cannot get smaller.
  if (actualEnd - pos <= sectorSize && (pos > 0 || end < ip.diskSize)) return false;
  if (!worthTrying(ip, wish, pos, end)) return false;
  const taken = Math.min(actualEnd - pos, MAX_COMPRESSED_EXTENT);
  const data = new Uint8Array(taken);
  copyBytes(ip, pos, data);
  const packed = compress(wish.kind, wish.level, data, sectorSize);
  if (packed === null) return giveUp(ip, wish);
  if (pos + taken < actualEnd) {
    if (inlineMapping(ip, pos, end - pos, iomap)) return true;
  } else if (fitsInline(ip, pos, end, packed.length)) {
    orderInline(ip, end - pos, packed.slice(), wish.kind, iomap);
    return true;
  }
  if (pos === 0 && end <= sectorSize) return false;
  const diskLength = roundUp(packed.length, sectorSize);
  const length = roundUp(taken, sectorSize);
  if (diskLength + sectorSize > length) return giveUp(ip, wish);
  return writePacked(ip, wish.kind, pos, length, packed, diskLength, iomap);
}

/** Bytes that do not compress: the file remembers it. */
function giveUp(ip: BtrfsInode, wish: CompressionWish): false {
  if (wish.force || wish.named) return false;
  if ((ip.flags & InodeFlag.NOCOMPRESS) !== 0) return false;
  ip.mp.change('do not compress', 1, () =>
    updateInode(ip, (view) => InodeItem.set.flags(view, 0, (ip.flags | InodeFlag.NOCOMPRESS) >>> 0)),
  );
  return false;
}

function writePacked(
  ip: BtrfsInode,
  compression: number,
  pos: number,
  length: number,
  packed: Uint8Array,
  diskLength: number,
  iomap: Mapping,
): boolean {
  let bytenr: number;
  try {
    ({ bytenr } = ip.mp.groups.allocData(diskLength, diskLength, ip.writing.next));
    ip.writing.next = bytenr + diskLength;
  } catch (error) {
    // In pieces there may be room for the bytes as they are.
    if (error instanceof FsError && error.code === 'ENOSPC') return false;
    throw error;
  }
  spendReservation(ip, length);
  const padded = new Uint8Array(diskLength);
  padded.set(packed);
  ip.data.write(bytenr, padded);
  ip.writing.ordered.add({ kind: 'cow', pos, length, bytenr, diskLength, compression, data: null });
  toSink(pos, length, iomap);
  return true;
}
