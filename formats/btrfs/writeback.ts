/**
 * Writeback's questions. mapBlocks gives dirty bytes their place: nearly always a new one (copy on write), of at most
 * 128 MiB; in place where that is allowed; in the leaf for a small file that is nothing else; compressed where the
 * file asks for it. endIo lets the file's tree hear of it when the data are on the device: old extents out, the new
 * one in, its reference, its checksums, size and nbytes, in one transaction.
 *
 *     dirty run    |=============|======|====|
 *     ordered      |  cow        | cow  | prealloc |       each answered as one mapping
 *
 * Mirrors: fs/btrfs/inode.c (btrfs_run_delalloc_range, cow_file_range, run_delalloc_nocow,
 * btrfs_finish_one_ordered).
 */
import { type IoEnd, IomapType, type Mapping, type WritebackOps } from '../../core/iomap/iomap.ts';
import { compressedMapping } from './compress-write.ts';
import { FileExtent } from './file-extent.ts';
import { readAt, seekExtent } from './file-extents.ts';
import { inlineMapping } from './inline-write.ts';
import type { BtrfsInode } from './inode.ts';
import { canWriteInPlace, mayWriteInPlace } from './nocow.ts';
import { finishOrdered } from './ordered.ts';
import { TreeCursor } from './tree/cursor.ts';
import { type Ordered, useReservation } from './write-state.ts';

/** The largest extent. */
export const MAX_EXTENT = 128 * 1024 * 1024;

const found = new FileExtent();

function mapBlocks(ip: BtrfsInode, pos: number, length: number, iomap: Mapping): void {
  ip.writing.truncated = false;
  if (mayWriteInPlace(ip)) return mapInPlace(ip, pos, length, iomap);
  if (inlineMapping(ip, pos, length, iomap)) return;
  if (compressedMapping(ip, pos, length, iomap)) return;
  mapNew(ip, pos, length, iomap);
}

/** Adds an ordered extent and answers it as a mapping. */
export function order(ip: BtrfsInode, ordered: Omit<Ordered, 'left' | 'lost'>, addr: number, iomap: Mapping): void {
  ip.writing.ordered.push({ ...ordered, left: ordered.length, lost: [] });
  iomap.type = ordered.kind === 'prealloc' ? IomapType.UNWRITTEN : IomapType.MAPPED;
  iomap.addr = addr;
  iomap.offset = ordered.pos;
  iomap.length = ordered.length;
  iomap.device = ip.data;
}

/** A new place for the bytes, or for as many of them as lie free together. @throws FsError ENOSPC */
export function mapNew(ip: BtrfsInode, pos: number, length: number, iomap: Mapping): void {
  const { bytenr, length: got } = ip.mp.groups.allocData(ip.mp.sectorSize, Math.min(length, MAX_EXTENT), hint(ip, pos));
  useReservation(ip, got);
  const whole = { kind: 'cow', pos, length: got, bytenr, diskLength: got, compression: 0, data: null } as const;
  order(ip, whole, bytenr, iomap);
}

/** Where the bytes before `pos` are going: what comes next in the file should come next on the disk. */
function hint(ip: BtrfsInode, pos: number): number | undefined {
  const last = ip.writing.ordered.at(-1);
  if (last === undefined || last.kind !== 'cow' || last.pos + last.length > pos) return undefined;
  return last.bytenr + last.diskLength;
}

/** Bytes of a file some of whose extents may be overwritten. */
function mapInPlace(ip: BtrfsInode, pos: number, length: number, iomap: Mapping): void {
  const cursor = new TreeCursor(ip.root);
  let stop = pos;
  try {
    let more = seekExtent(cursor, ip.ino, pos, found);
    while (more && stop < pos + length) {
      const start = Math.max(pos, found.pos);
      const end = Math.min(found.end, pos + length);
      if (start < end && canWriteInPlace(ip, found, start, end)) {
        if (start > pos) {
          stop = start;
          break;
        }
        const bytenr = found.bytenr + found.offset + (pos - found.pos);
        const kind = found.prealloc ? 'prealloc' : 'inplace';
        const whole = { kind, pos, length: end - pos, bytenr, diskLength: end - pos, compression: 0, data: null } as const;
        return order(ip, whole, bytenr, iomap);
      }
      stop = Math.max(stop, end);
      more = cursor.next() && readAt(cursor, ip.ino, found);
      if (!more) stop = pos + length;
    }
    if (stop === pos) stop = pos + length;
  } finally {
    cursor.close();
  }
  mapNew(ip, pos, stop - pos, iomap);
}

/** Bytes [pos, pos + length) came to an end, well or not: extents all of whose bytes did are finished. */
function account(ip: BtrfsInode, pos: number, length: number, lost: boolean): void {
  const state = ip.writing;
  const end = pos + length;
  const complete: Ordered[] = [];
  for (const one of state.ordered) {
    const from = Math.max(pos, one.pos);
    const to = Math.min(end, one.pos + one.length);
    if (from >= to || one.left === 0) continue;
    one.left -= to - from;
    if (lost) one.lost.push(from, to);
    if (one.left === 0) complete.push(one);
  }
  if (complete.length === 0) return;
  state.ordered = state.ordered.filter((one) => one.left > 0);
  for (const one of complete) finishOrdered(ip, one);
}

export const writebackOps: WritebackOps = {
  wholeRuns: true,
  mapBlocks: (inode, pos, length, iomap) => mapBlocks(inode as BtrfsInode, pos, length, iomap),
  endIo: ({ inode, offset, length }: IoEnd) => account(inode as BtrfsInode, offset, length, false),
  discard: (inode, pos, length) => account(inode as BtrfsInode, pos, length, true),
};

/** A direct write through mappings of mapBlocks() has its data on the device. */
export function endDirect(ip: BtrfsInode, pos: number, length: number): void {
  account(ip, pos, length, false);
}
