/** The cached pages of one file (shape first; filled in next). */
import type { Inode } from './inode.ts';

export class PageCache {
  readonly inode: Inode;
  /** Bytes per block: what uptodate and dirty are kept for. */
  readonly blockSize: number;
  /** Dirty bytes in whole blocks. */
  dirtyBytes = 0;

  constructor(inode: Inode, blockSize: number) {
    this.inode = inode;
    this.blockSize = blockSize;
  }

  /** Forgets cached bytes in [start, end), dirty ones too; a block covered in part is kept. */
  invalidate(_start: number, _end: number): void {}

  /** The file now ends at `size`: forgets what lies beyond, zeroes the rest of a cached last block. */
  truncate(_size: number): void {}
}
