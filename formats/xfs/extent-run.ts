/**
 * The records of one extent list or btree leaf, unpacked into columns: a walk through a file of many extents asks for
 * one after the other, and finding each anew in packed bytes would cost ten times the unpacking.
 *
 * A run belongs to one state of one file's mappings, told by the inode's sequence; any change makes it void.
 */
import type { Extent } from './extent.ts';
import type { XfsInode } from './inode.ts';
import { bmbtBlockcount, bmbtStartblock, bmbtStartoff } from './structure/bmbt-record.ts';

const RECORD_SIZE = 16;
/** Records in a leaf of the largest block. */
const MOST = 65536 / RECORD_SIZE;

export class ExtentRun {
  private inode: XfsInode | null = null;
  private sequence = -1;
  private count = 0;
  /** The record that the last question found. */
  private at = 0;
  private off = new Float64Array(256);
  private block = new Float64Array(256);
  private length = new Int32Array(256);
  private unwritten = new Uint8Array(256);

  /** Unpacks `count` records at `start`, which lie in the data fork of `ip` as it is now. */
  load(ip: XfsInode, view: DataView, start: number, count: number): void {
    if (count > this.off.length) this.grow(Math.min(MOST, count * 2));
    const { off, block, length, unwritten } = this;
    const { blockLog } = ip.mp;
    for (let i = 0, at = start; i < count; i++, at += RECORD_SIZE) {
      off[i] = bmbtStartoff(view, at, blockLog);
      block[i] = bmbtStartblock(view, at);
      length[i] = bmbtBlockcount(view, at);
      unwritten[i] = view.getUint8(at) >> 7;
    }
    this.inode = ip;
    this.sequence = ip.sequence;
    this.count = count;
    this.at = 0;
  }

  /** The record that holds `offset` or the first one after it, if it is the one found last or one of the next two. */
  lookup(ip: XfsInode, offset: number, out: Extent): boolean {
    if (this.inode !== ip || this.sequence !== ip.sequence) return false;
    const { off, length, count } = this;
    let i = this.at;
    if (i > 0 && (off[i - 1] as number) + (length[i - 1] as number) > offset) return false;
    for (const stop = Math.min(count, i + 3); i < stop; i++) {
      if ((off[i] as number) + (length[i] as number) <= offset) continue;
      // Before the first record of a leaf others may lie.
      if (i === 0 && (off[0] as number) > offset) return false;
      this.at = i;
      out.off = off[i] as number;
      out.block = this.block[i] as number;
      out.count = length[i] as number;
      out.unwritten = this.unwritten[i] === 1;
      return true;
    }
    return false;
  }

  /** Old bytes came back under an unchanged sequence. */
  forget(): void {
    this.inode = null;
  }

  private grow(size: number): void {
    this.off = new Float64Array(size);
    this.block = new Float64Array(size);
    this.length = new Int32Array(size);
    this.unwritten = new Uint8Array(size);
  }
}
