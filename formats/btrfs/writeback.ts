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
import type { IoEnd, Mapping, WritebackOps } from '../../core/iomap/iomap.ts';
import { compressedMapping } from './compress-write.ts';
import { FileExtent } from './file-extent.ts';
import { readAt, seekExtent } from './file-extents.ts';
import { inlineMapping } from './inline-write.ts';
import type { BtrfsInode } from './inode.ts';
import { mapNew, order } from './new-place.ts';
import { canWriteInPlace, mayWriteInPlace } from './nocow.ts';
import { finishOrdered } from './ordered.ts';
import { TreeCursor } from './tree/cursor.ts';
import type { Ordered } from './write-state.ts';

const found = new FileExtent();

function mapBlocks(ip: BtrfsInode, pos: number, length: number, iomap: Mapping): void {
  if (mayWriteInPlace(ip)) return mapInPlace(ip, pos, length, iomap);
  if (compressedMapping(ip, pos, length, iomap)) return;
  if (!inlineMapping(ip, pos, length, iomap)) mapNew(ip, pos, length, iomap);
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
        const whole = {
          kind,
          pos,
          length: end - pos,
          bytenr,
          diskLength: end - pos,
          compression: 0,
          data: null,
        } as const;
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
  const complete: Ordered[] = [];
  ip.writing.ordered.account(pos, pos + length, lost, complete);
  finishOrdered(ip, complete, (_pos, _length, error) => {
    throw error;
  });
}

/** As many as a transaction takes are recorded in one. */
function endIos(ioends: readonly IoEnd[], failed: (pos: number, length: number, error: unknown) => void): void {
  const complete: Ordered[] = [];
  const ip = (ioends[0] as IoEnd).inode as BtrfsInode;
  for (const { offset, length } of ioends) ip.writing.ordered.account(offset, offset + length, false, complete);
  finishOrdered(ip, complete, failed);
}

export const writebackOps: WritebackOps = {
  wholeRuns: true,
  mapBlocks: (inode, pos, length, iomap) => mapBlocks(inode as BtrfsInode, pos, length, iomap),
  endIo: ({ inode, offset, length }: IoEnd) => account(inode as BtrfsInode, offset, length, false),
  endIos,
  discard: (inode, pos, length) => account(inode as BtrfsInode, pos, length, true),
};

/** A direct write through mappings of mapBlocks() has its data on the device. */
export function endDirect(ip: BtrfsInode, pos: number, length: number): void {
  account(ip, pos, length, false);
}
