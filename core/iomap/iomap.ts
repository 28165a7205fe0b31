/**
 * A mapping and the questions that produce one (kernel: include/linux/iomap.h with the patch "iomap: Use a
 * IOMAP_COW/srcmap for a read-modify-write I/O").
 *
 * begin() fills two mappings that the caller owns and reuses: `iomap`, where the operation goes, and `srcmap`,
 * where old bytes are read from first when they live elsewhere. srcmap.type stays 0 when there is no such place.
 */
import type { Device } from '../device/device.ts';
import type { Inode } from '../vfs/inode.ts';
import type { ExtentColumns } from './extent-columns.ts';

/** What lies at a file range. Values of the patch; 0 means the mapping is not set. */
export const IomapType = {
  UNSET: 0,
  HOLE: 1,
  DELALLOC: 2,
  MAPPED: 3,
  UNWRITTEN: 4,
  INLINE: 5,
  COW: 6,
} as const;
export type IomapType = (typeof IomapType)[keyof typeof IomapType];

/** Facts about a mapping (kernel: IOMAP_F_*). */
export const IomapFlag = {
  NEW: 1 << 0,
  DIRTY: 1 << 1,
  SHARED: 1 << 2,
  MERGED: 1 << 3,
  BUFFER_HEAD: 1 << 4,
  XATTR: 1 << 5,
  BOUNDARY: 1 << 6,
  ANON_WRITE: 1 << 7,
  ATOMIC_BIO: 1 << 8,
  /** For FIEMAP, where a format can say so: the bytes on the device are compressed; they lie at no block's start. */
  ENCODED: 1 << 9,
  UNALIGNED: 1 << 10,
  SIZE_CHANGED: 1 << 14,
  STALE: 1 << 15,
} as const;

/** What the caller is doing (kernel: IOMAP_WRITE, IOMAP_ZERO, …). */
export const IomapOp = {
  WRITE: 1 << 0,
  ZERO: 1 << 1,
  REPORT: 1 << 2,
  FAULT: 1 << 3,
  DIRECT: 1 << 4,
  NOWAIT: 1 << 5,
  OVERWRITE_ONLY: 1 << 6,
  UNSHARE: 1 << 7,
  DAX: 1 << 8,
} as const;

/** Mapping.addr of a mapping without a place on a device. */
export const NULL_ADDR = -1;

/** One mapping: a range of a file and where it lies. All numbers are bytes. Filled in place by begin(). */
export class Mapping {
  type: IomapType = IomapType.UNSET;
  flags = 0;
  /** Device byte address of `offset`, or NULL_ADDR. */
  addr: number = NULL_ADDR;
  /** File position where the mapping starts; may lie before the position asked for. */
  offset = 0;
  length = 0;
  /** The device that `addr` is on: a file system of many devices may read from one and write to another. */
  device: Device | null = null;
  /** The bytes of an INLINE mapping, from `offset` on. */
  inlineData: Uint8Array | null = null;
  /** Changes when the file's mappings change; lets a cached mapping be recognised as stale. */
  cookie = 0;

  reset(): void {
    this.type = IomapType.UNSET;
    this.flags = 0;
    this.addr = NULL_ADDR;
    this.offset = 0;
    this.length = 0;
    this.device = null;
    this.inlineData = null;
    this.cookie = 0;
  }

  copyFrom(other: Mapping): void {
    this.type = other.type;
    this.flags = other.flags;
    this.addr = other.addr;
    this.offset = other.offset;
    this.length = other.length;
    this.device = other.device;
    this.inlineData = other.inlineData;
    this.cookie = other.cookie;
  }
}

/** How a file system answers where a range of a file lies, for one kind of operation. */
export interface IomapOps {
  /**
   * Fills `iomap` (and `srcmap` where old bytes live elsewhere) for a range that starts at or before `pos` and
   * reaches beyond it. For writes it reserves or allocates what the operation needs.
   * @throws FsError ENOSPC, EUCLEAN, …
   */
  begin(inode: Inode, pos: number, length: number, flags: number, iomap: Mapping, srcmap: Mapping): void;
  /** Commits what the actor did (`written` bytes of `length`), or gives back what begin() reserved. */
  end?(inode: Inode, pos: number, length: number, written: number, flags: number, iomap: Mapping): void;
  /** False if the file's mappings changed since begin() (by the cookie): the engine asks again. Absent: always true. */
  valid?(inode: Inode, iomap: Mapping): boolean;
  /**
   * For FIEMAP: puts behind `into` what begin() would answer from `pos` on, mapping by mapping and without the holes, as
   * far as it is at hand and fits. Returns how far that is: `pos` where only begin() can tell. Absent: nowhere.
   */
  report?(inode: Inode, pos: number, length: number, into: ExtentColumns): number;
  /** For FIEMAP: false if an extent lies beyond `end`. Absent: what a walk found last is the last. */
  isLast?(inode: Inode, end: number): boolean;
}

/** A run of written pages whose mapping must be made permanent when the data is on the device. */
export interface IoEnd {
  inode: Inode;
  /** File position and length in bytes, whole blocks. */
  offset: number;
  length: number;
  /** Type and flags of the mapping written through: UNWRITTEN and SHARED (CoW) decide what completion does. */
  type: IomapType;
  flags: number;
  addr: number;
}

/** What writeback asks a file system (kernel: struct iomap_writeback_ops). */
export interface WritebackOps {
  /**
   * Fills `iomap` with a real (MAPPED or UNWRITTEN) mapping for dirty bytes at `pos`, allocating delayed blocks. The
   * `length` bytes from there on are dirty and will be written: those at hand, or all of the run with `wholeRuns`.
   */
  mapBlocks(inode: Inode, pos: number, length: number, iomap: Mapping): void;
  /**
   * mapBlocks() wants to know how far the run of dirty blocks goes that this pass writes, because it allocates for it.
   * Every byte of a mapping within that run then comes back in endIo() or discard().
   */
  readonly wholeRuns?: boolean;
  /**
   * A mapping that is SHARED and UNWRITTEN is staged for the file, and what is on the device there matters to nobody
   * before endIo(): blocks of it that are not dirty may be overwritten.
   */
  readonly stagesEmpty?: boolean;
  /** False if `iomap`, answered earlier in this pass, no longer holds. Absent: it does. */
  valid?(inode: Inode, iomap: Mapping): boolean;
  /** The data of the ioend is on the device: unwritten → written, CoW fork → data fork, on-disk size. */
  endIo(ioend: IoEnd): void;
  /**
   * endIo() of many at once, for a format that records them together. What cannot be recorded is told to `failed`; the
   * others are done. Absent: endIo() is called for each.
   */
  endIos?(ioends: readonly IoEnd[], failed: (pos: number, length: number, error: unknown) => void): void;
  /** Writing failed at [pos, pos + length): drop delayed blocks there. */
  discard?(inode: Inode, pos: number, length: number): void;
}

/** A file system's answers, by kind of operation. Absent: the file system does not offer it. */
export interface InodeIomapOps {
  /** Buffered and direct reads, bmap, swapfile; also flags REPORT for fiemap. */
  readonly read: IomapOps;
  /** lseek SEEK_HOLE and SEEK_DATA: also sees delayed and CoW reservations. */
  readonly seek: IomapOps;
  /** Buffered write, zero range, unshare, page fault. */
  readonly write: IomapOps;
  /** Direct writes. */
  readonly direct: IomapOps;
  /** DAX writes and faults, where the device is byte addressable. */
  readonly dax?: IomapOps;
  /** fiemap -a: the attribute fork. */
  readonly xattr?: IomapOps;
  readonly writeback: WritebackOps;
  /** Direct writes must start and end at multiples of this many bytes: the sector of the file's device. */
  readonly directAlignment?: number;
  /** Linux holds this file system's pages in folios of several: see core/vfs/large-folio.ts. */
  readonly largeFolios?: boolean;
  /** True if this direct read or write has to go through the page cache after all. Absent: never. */
  bounceDirect?(inode: Inode, pos: number, length: number, write: boolean): boolean;
  /** A direct write went through the page cache: writes it back and lets it go. Absent: it stays there. */
  endBouncedWrite?(inode: Inode, pos: number, end: number): void;
  /** A write of [pos, end), with `pos` beyond the end of the file, follows. Absent: the gap is zeroed in the cache. */
  fillGap?(inode: Inode, pos: number, end: number): void;
  /** A buffered write failed before its first byte: frees what it may need, if `error` says that space ended. @throws `error` otherwise */
  makeRoom?(inode: Inode, error: unknown): void;
  /** Direct write finished: convert, remap, grow the size. */
  endDirectWrite(inode: Inode, pos: number, written: number, type: IomapType, flags: number): void;
}
