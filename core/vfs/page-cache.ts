/**
 * The cached pages of one file. What is kept for each block: whether its bytes are up to date, and whether they are
 * newer than the device (dirty). Only the engine (core/iomap) moves data through it; a format calls invalidate() and
 * truncate() when it changes what lies below.
 *
 * Invariants: a dirty block is up to date; `dirtyBlocks` counts them all; a folio with dirty blocks is queued and is
 * never reclaimed; bytes of the last block beyond the end of the file are zeros or never shown.
 */
import { POS_END } from '../positions.ts';
import { DIRTY, Folio, UPTODATE } from './folio.ts';
import type { Inode } from './inode.ts';
import { split } from './large-folio.ts';
import { FOLIO_SIZE, PAGE_SIZE, type PagePool, poolFor } from './page-pool.ts';

const NO_MEMORY = new Uint8Array(0);

/** A run of pages of PAGE_SIZE: the first one and how many. */
export interface PageMark {
  readonly start: number;
  readonly pages: number;
}

export class PageCache {
  readonly inode: Inode;
  /** Bytes per block: what up to date and dirty are kept for. */
  readonly blockSize: number;
  readonly blockShift: number;
  readonly pageSize: number;
  readonly pageShift: number;
  readonly pool: PagePool;
  /** Dirty blocks of this file. */
  dirtyBlocks = 0;
  /** Whether blocks became dirty since all of the file system was last written back (kernel: I_DIRTY_PAGES). */
  marked = false;
  /** A write-back that failed since the last fsync; that fsync reports it. */
  writeError: unknown = null;
  /** File range that was written front to back and not yet handed to the device. */
  streamStart = 0;
  streamEnd = 0;
  /** Some of its pages are, or were, in folios of several: see large-folio.ts. */
  hasLarge = false;
  /** Runs of pages whose reading starts the next read ahead; whoever reads the file meets them. */
  readonly marks: PageMark[] = [];
  /** Where Folio.locate() found bytes. */
  memory: Uint8Array = NO_MEMORY;
  memoryAt = 0;

  private readonly folios = new Map<number, Folio>();
  private queue: Folio[] = [];
  /** The folio used last: looked at first, and never reclaimed while an operation is on it. */
  last: Folio | null = null;

  constructor(inode: Inode, blockSize: number) {
    this.inode = inode;
    this.blockSize = blockSize;
    this.pageSize = Math.max(PAGE_SIZE, blockSize);
    this.blockShift = Math.log2(blockSize);
    this.pageShift = Math.log2(this.pageSize);
    this.pool = poolFor(this.pageSize);
  }

  /** Dirty bytes, in whole blocks. */
  get dirtyBytes(): number {
    return this.dirtyBlocks * this.blockSize;
  }

  /** True if nothing is cached. */
  get empty(): boolean {
    return this.folios.size === 0;
  }

  /** The folio around `pos`, or null. */
  find(pos: number): Folio | null {
    const index = Math.floor(pos / FOLIO_SIZE);
    const last = this.last;
    if (last !== null && last.index === index) return last;
    const folio = this.folios.get(index);
    if (folio === undefined) return null;
    folio.referenced = true;
    this.last = folio;
    return folio;
  }

  /** The folio around `pos` for an operation on `length` bytes from there on; made if there is none. */
  grab(pos: number, length: number): Folio {
    const found = this.find(pos);
    if (found !== null) return found;
    const index = Math.floor(pos / FOLIO_SIZE);
    const folio = new Folio(this, index);
    const at = pos - folio.start;
    const stream = at === 0 && pos > 0 && (pos === this.streamEnd || this.endsFull(index - 1));
    folio.expect(Math.min(length, FOLIO_SIZE - at), stream);
    this.folios.set(index, folio);
    this.pool.enter(folio);
    this.last = folio;
    return folio;
  }

  /** True if the block of `pos` is up to date. */
  isUptodate(pos: number): boolean {
    const folio = this.find(pos);
    return folio?.has(pos - folio.start, UPTODATE) ?? false;
  }

  /** True if anything is known of the page around `pos`. */
  hasPage(pos: number): boolean {
    const folio = this.find(pos);
    if (folio === null) return false;
    const at = Math.floor((pos - folio.start) / this.pageSize) * this.pageSize;
    return folio.isKnown(at, this.pageSize);
  }

  /** Copies bytes in; the blocks touched become dirty. Blocks covered in part must be up to date. */
  copyIn(pos: number, from: Uint8Array, fromAt: number, length: number): void {
    for (let done = 0; done < length; ) {
      const folio = this.grab(pos + done, length - done);
      const at = pos + done - folio.start;
      const n = Math.min(length - done, FOLIO_SIZE - at);
      folio.copyIn(at, from, fromAt + done, n);
      folio.markDirty(at, n);
      done += n;
    }
  }

  /** Copies up-to-date bytes out. */
  copyOut(pos: number, into: Uint8Array, intoAt: number, length: number): void {
    for (let done = 0; done < length; ) {
      const folio = this.grab(pos + done, length - done);
      const at = pos + done - folio.start;
      const n = Math.min(length - done, FOLIO_SIZE - at);
      folio.copyOut(at, into, intoAt + done, n);
      done += n;
    }
  }

  /** Zeroes bytes; the blocks touched become dirty if `dirty`, else up to date. */
  zero(pos: number, length: number, dirty: boolean): void {
    for (let done = 0; done < length; ) {
      const folio = this.grab(pos + done, length - done);
      const at = pos + done - folio.start;
      const n = Math.min(length - done, FOLIO_SIZE - at);
      folio.zero(at, n);
      if (dirty) folio.markDirty(at, n);
      else folio.markUptodate(at, n);
      done += n;
    }
  }

  /** Marks cached, up-to-date bytes dirty. */
  markDirty(pos: number, length: number): void {
    for (let done = 0; done < length; ) {
      const folio = this.grab(pos + done, length - done);
      const at = pos + done - folio.start;
      const n = Math.min(length - done, FOLIO_SIZE - at);
      folio.markDirty(at, n);
      done += n;
    }
  }

  /** The end of the run of bytes from `pos`, at most `end`, all of which are (or all are not) up to date. */
  uptodateRunEnd(pos: number, end: number): number {
    return this.runEnd(pos, end, UPTODATE);
  }

  /** The first byte in [pos, end) whose up-to-date state is `wanted`, or `end`. */
  seekUptodate(pos: number, end: number, wanted: boolean): number {
    if (this.isUptodate(pos) === wanted) return pos;
    return this.runEnd(pos, end, UPTODATE);
  }

  /** The end of the run of bytes from `pos`, at most `end`, all of which are (or all are not) dirty. */
  dirtyRunEnd(pos: number, end: number): number {
    return this.runEnd(pos, end, DIRTY);
  }

  /** True if the block of `pos` is dirty. */
  isDirty(pos: number): boolean {
    const folio = this.find(pos);
    return folio?.has(pos - folio.start, DIRTY) ?? false;
  }

  /** True if a block in [start, end) is dirty. */
  hasDirty(start: number, end: number): boolean {
    if (this.dirtyBlocks === 0 || start >= end) return false;
    for (const folio of this.queue) {
      const from = Math.max(start, folio.start) - folio.start;
      const to = Math.min(end, folio.start + FOLIO_SIZE) - folio.start;
      if (folio.dirtyBlocks === 0 || from >= to) continue;
      if (folio.has(from, DIRTY) || folio.runEnd(from, to, DIRTY) < to) return true;
    }
    return false;
  }

  /** Takes the folios with dirty blocks in [start, end) from the queue, in file order. */
  takeDirty(start: number, end: number): Folio[] {
    const taken: Folio[] = [];
    const rest: Folio[] = [];
    for (const folio of this.queue) {
      if (folio.dirtyBlocks === 0) folio.queued = false;
      else if (folio.start < end && folio.start + FOLIO_SIZE > start) {
        folio.queued = false;
        taken.push(folio);
      } else rest.push(folio);
    }
    this.queue = rest;
    return taken.sort(byIndex);
  }

  /** Puts a folio back that takeDirty() took and that still has dirty blocks. */
  requeue(folio: Folio): void {
    if (folio.dirtyBlocks === 0 || folio.queued) return;
    folio.queued = true;
    this.queue.push(folio);
  }

  /** Forgets cached bytes in [start, end), dirty ones too; a block covered in part is kept. */
  invalidate(start: number, end: number): void {
    if (this.folios.size === 0) return;
    const from = Math.ceil(start / this.blockSize) * this.blockSize;
    const to = Math.floor(end / this.blockSize) * this.blockSize;
    if (from >= to) return;
    split(this, from, to);
    for (let i = this.marks.length - 1; i >= 0; i--) {
      const at = (this.marks[i] as PageMark).start * PAGE_SIZE;
      if (at >= from && at < to) this.marks.splice(i, 1);
    }
    const first = Math.floor(from / FOLIO_SIZE);
    const last = Math.floor((to - 1) / FOLIO_SIZE);
    if (last - first < this.folios.size) {
      for (let index = first; index <= last; index++) this.forget(this.folios.get(index), from, to);
    } else {
      for (const folio of this.folios.values()) this.forget(folio, from, to);
    }
  }

  /** Lets go of the clean folios that lie in [start, end). */
  dropClean(start: number, end: number): void {
    for (let index = Math.ceil(start / FOLIO_SIZE); (index + 1) * FOLIO_SIZE <= end; index++) {
      const folio = this.folios.get(index);
      if (folio?.dirtyBlocks === 0) this.drop(folio);
    }
  }

  /** The file now ends at `size`: forgets what lies beyond, zeroes the rest of a cached last block. */
  truncate(size: number): void {
    this.invalidate(size, POS_END);
    const tail = size % this.blockSize;
    if (tail === 0 || !this.isUptodate(size)) return;
    const folio = this.find(size) as Folio;
    folio.zero(size - folio.start, this.blockSize - tail);
  }

  /** Lets a folio go; dirty blocks are lost. */
  drop(folio: Folio): void {
    split(this, folio.start, folio.start + FOLIO_SIZE);
    folio.markClean(0, FOLIO_SIZE);
    folio.free();
    this.pool.leave(folio);
    this.folios.delete(folio.index);
    if (this.last === folio) this.last = null;
  }

  /** Accounts for blocks of `folio` that became dirty. */
  dirtied(folio: Folio, blocks: number): void {
    if (this.dirtyBlocks === 0) {
      this.pool.dirtyCaches.add(this);
      this.marked = true;
    }
    folio.dirtyBlocks += blocks;
    this.dirtyBlocks += blocks;
    this.pool.dirtyBytes += blocks * this.blockSize;
    if (folio.queued) return;
    folio.queued = true;
    this.queue.push(folio);
  }

  /** Accounts for blocks of `folio` that became clean. */
  cleaned(folio: Folio, blocks: number): void {
    folio.dirtyBlocks -= blocks;
    this.dirtyBlocks -= blocks;
    this.pool.dirtyBytes -= blocks * this.blockSize;
    if (this.dirtyBlocks === 0) this.pool.dirtyCaches.delete(this);
  }

  private forget(folio: Folio | undefined, from: number, to: number): void {
    if (folio === undefined) return;
    const start = Math.max(from - folio.start, 0);
    const end = Math.min(to - folio.start, FOLIO_SIZE);
    if (start >= end) return;
    if (start === 0 && end === FOLIO_SIZE) this.drop(folio);
    else folio.forget(start, end - start);
  }

  private runEnd(pos: number, end: number, bit: number): number {
    const first = this.find(pos);
    const want = first?.has(pos - first.start, bit) ?? false;
    while (pos < end) {
      const folio = this.find(pos);
      const start = Math.floor(pos / FOLIO_SIZE) * FOLIO_SIZE;
      const stop = Math.min(end, start + FOLIO_SIZE);
      if (folio === null) {
        if (want) return pos;
        pos = this.nextFolioStart(pos, end);
        continue;
      }
      if (folio.has(pos - start, bit) !== want) return pos;
      const runEnd = start + folio.runEnd(pos - start, stop - start, bit);
      if (runEnd < stop) return runEnd;
      pos = stop;
    }
    return end;
  }

  /** Where the next folio after `pos` starts, at most `end`; a look at each folio if the range could be vast. */
  private nextFolioStart(pos: number, end: number): number {
    const next = Math.floor(pos / FOLIO_SIZE) + 1;
    const last = Math.ceil(end / FOLIO_SIZE);
    let found = last;
    if (last - next <= this.folios.size) {
      found = next;
      while (found < last && !this.folios.has(found)) found++;
    } else {
      for (const index of this.folios.keys()) if (index >= next && index < found) found = index;
    }
    return Math.min(end, found * FOLIO_SIZE);
  }

  /** True if folio `index` is known up to its last block: a stream comes by. */
  private endsFull(index: number): boolean {
    const folio = this.folios.get(index);
    return folio?.has(FOLIO_SIZE - 1, UPTODATE) ?? false;
  }
}

function byIndex(a: Folio, b: Folio): number {
  return a.index - b.index;
}
