/**
 * The bytes that a transaction is about to change, as they were: cancel puts them back, last first. One growing
 * byte array is used again for every transaction, since only one runs at a time.
 */
import type { Buf } from '../../../core/buffer-cache.ts';

const FIRST = 64 * 1024;
/** Memory above this is given back when the transaction ends. */
const KEEP = 4 * 1024 * 1024;
/** So are lists longer than this; shorter ones stay, since growing them again costs each transaction. */
const KEEP_ENTRIES = 4096;

/** Undo bytes in the order in which they were saved. */
export class UndoLog {
  private bytes = new Uint8Array(FIRST);
  private used = 0;
  private count = 0;
  private readonly bufs: Buf[] = [];
  private readonly offsets: number[] = [];
  private readonly lengths: number[] = [];

  /**
   * Keeps `length` bytes of `buf` from `offset` on. Of a block that changes again and again all bytes are kept once:
   * on the way back they come before what was kept earlier.
   */
  save(buf: Buf, offset: number, length: number): void {
    if (buf.undoBytes < 0) return;
    buf.undoBytes += length;
    if (buf.undoBytes <= buf.length) return this.keep(buf, offset, length);
    buf.undoBytes = -1;
    this.keep(buf, 0, buf.length);
  }

  private keep(buf: Buf, offset: number, length: number): void {
    if (this.used + length > this.bytes.length) this.grow(length);
    if (length <= 16) {
      for (let i = 0; i < length; i++) this.bytes[this.used + i] = buf.bytes[offset + i] as number;
    } else this.bytes.set(buf.bytes.subarray(offset, offset + length), this.used);
    this.used += length;
    this.bufs[this.count] = buf;
    this.offsets[this.count] = offset;
    this.lengths[this.count] = length;
    this.count++;
  }

  /** Puts every saved byte back and forgets them. */
  restore(): void {
    for (let i = this.count - 1; i >= 0; i--) {
      const length = this.lengths[i] as number;
      this.used -= length;
      (this.bufs[i] as Buf).bytes.set(this.bytes.subarray(this.used, this.used + length), this.offsets[i]);
    }
    this.clear();
  }

  clear(): void {
    this.used = 0;
    this.count = 0;
    if (this.bufs.length > KEEP_ENTRIES) {
      this.bufs.length = 0;
      this.offsets.length = 0;
      this.lengths.length = 0;
    }
    if (this.bytes.length > KEEP) this.bytes = new Uint8Array(FIRST);
  }

  private grow(length: number): void {
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.used + length));
    larger.set(this.bytes.subarray(0, this.used));
    this.bytes = larger;
  }
}
