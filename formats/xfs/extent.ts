/**
 * One file extent: a run of file blocks and where it lies. Objects are reused by their owners; nothing here
 * allocates on the hot path. Block numbers are file system blocks; HOLE and DELAY stand for "no place" and
 * "reserved, not allocated yet".
 */
import { bmbtBlockcount, bmbtStartblock, bmbtStartoff, bmbtUnwritten, writeBmbt } from './structure/bmbt-record.ts';

/** Extent.block of a range that nothing is mapped to. */
export const HOLE = -1;
/** Extent.block of a delayed allocation. */
export const DELAY = -2;
/** Longest extent that a record holds: 21 bits. */
export const MAX_EXTENT_LENGTH = 0x1fffff;
/** File block beyond every one that a record can name: the end of "to the last block". */
export const NULL_OFFSET = 2 ** 54;
/** Bytes of one record in an extent list or bmap btree leaf. */
export const RECORD_SIZE = 16;

export class Extent {
  off = 0;
  block: number = HOLE;
  count = 0;
  unwritten = false;

  get end(): number {
    return this.off + this.count;
  }

  /** Blocks stand behind it on the device, written or not. */
  get real(): boolean {
    return this.block >= 0;
  }

  /** It holds data. */
  get written(): boolean {
    return this.block >= 0 && !this.unwritten;
  }

  set(off: number, block: number, count: number, unwritten: boolean): this {
    this.off = off;
    this.block = block;
    this.count = count;
    this.unwritten = unwritten;
    return this;
  }

  copyFrom(other: Extent): this {
    return this.set(other.off, other.block, other.count, other.unwritten);
  }

  clone(): Extent {
    return new Extent().copyFrom(this);
  }

  /** Cuts it to [off, off + count); count becomes 0 when nothing is left. */
  trim(off: number, count: number): void {
    const end = off + count;
    if (this.end <= off || this.off >= end) {
      this.count = 0;
      return;
    }
    if (this.off < off) {
      const distance = off - this.off;
      if (this.block >= 0) this.block += distance;
      this.off = off;
      this.count -= distance;
    }
    if (this.end > end) this.count = end - this.off;
  }

  /** `next` continues this one in the file and on the device with the same state, and one record can hold both. */
  joins(next: Extent): boolean {
    return (
      this.block >= 0 &&
      next.block >= 0 &&
      this.off + this.count === next.off &&
      this.block + this.count === next.block &&
      this.unwritten === next.unwritten &&
      this.count + next.count <= MAX_EXTENT_LENGTH
    );
  }
}

/** Decodes the packed record at `at`; `blockLog`: log2 of the block size. @throws FsError EFBIG */
export function readExtent(view: DataView, at: number, blockLog: number, out: Extent): void {
  out.off = bmbtStartoff(view, at, blockLog);
  out.block = bmbtStartblock(view, at);
  out.count = bmbtBlockcount(view, at);
  out.unwritten = bmbtUnwritten(view, at);
}

/** Encodes a real extent at `at`. */
export function writeExtent(view: DataView, at: number, blockLog: number, e: Extent): void {
  writeBmbt(view, at, e.off, e.block, e.count, e.unwritten, blockLog);
}
