/** New places for dirty bytes, and the ordered extents that say what is on its way there. */
import { IomapType, type Mapping } from '../../core/iomap/iomap.ts';
import type { BtrfsInode } from './inode.ts';
import { type Ordered, spendReservation } from './write-state.ts';

/** The largest extent. */
const MAX_EXTENT = 128 * 1024 * 1024;

/** Adds an ordered extent and answers it as a mapping. */
export function order(ip: BtrfsInode, ordered: Omit<Ordered, 'left' | 'lost'>, addr: number, iomap: Mapping): void {
  ip.writing.ordered.add(ordered);
  iomap.type = ordered.kind === 'prealloc' ? IomapType.UNWRITTEN : IomapType.MAPPED;
  iomap.addr = addr;
  iomap.offset = ordered.pos;
  iomap.length = ordered.length;
  iomap.device = ip.data;
}

/** A new place for the bytes, or for as many of them as lie free together. @throws FsError ENOSPC */
export function mapNew(ip: BtrfsInode, pos: number, length: number, iomap: Mapping): void {
  const { groups, sectorSize } = ip.mp;
  const { bytenr, length: got } = groups.allocData(sectorSize, Math.min(length, MAX_EXTENT), ip.writing.next);
  // What comes next in the file should come next on the disk.
  ip.writing.next = bytenr + got;
  spendReservation(ip, got);
  const whole = { kind: 'cow', pos, length: got, bytenr, diskLength: got, compression: 0, data: null } as const;
  order(ip, whole, bytenr, iomap);
}
