/**
 * A run of cached bytes of one file, FOLIO_SIZE long and aligned, with what is known of each block.
 *
 *     state:   U = up to date   D = dirty (implies up to date)   . = unknown
 *     blocks   |U|U|D|D|.|.|.|U|
 *     memory   one whole buffer (bulk), or single pages where something is known (scattered)
 *
 * Memory that holds one byte all over is shared with others: who writes asks own() for it, who reads locate().
 */
import type { PageCache } from './page-cache.ts';
import { FOLIO_SIZE, PAGE_SIZE } from './page-pool.ts';

export const UPTODATE = 1;
export const DIRTY = 2;

/** A part of a folio from which on memory of its own is one whole buffer. */
const BULK = FOLIO_SIZE / 4;

/** Pages of Linux's size in a folio. */
const PAGES = FOLIO_SIZE / PAGE_SIZE;

export class Folio {
  readonly cache: PageCache;
  /** File position of the first byte. */
  readonly start: number;
  readonly index: number;
  /** UPTODATE and DIRTY bits, a byte a block. */
  readonly state: Uint8Array;
  dirtyBlocks = 0;
  /** Used since reclaim last looked. */
  referenced = true;
  /** In the cache's list of folios that became dirty. */
  queued = false;
  newer: Folio | null = null;
  older: Folio | null = null;
  /** Memory is or will be one whole buffer. */
  private bulk = false;
  private whole: Uint8Array | null = null;
  /** As many as the last one in use needs. */
  private pages: (Uint8Array | null)[] | null = null;
  /** For each page of PAGE_SIZE, the power of two of pages that Linux holds together with it; null: each by itself. */
  private orders: Uint8Array | null = null;

  constructor(cache: PageCache, index: number) {
    this.cache = cache;
    this.index = index;
    this.start = index * FOLIO_SIZE;
    this.state = new Uint8Array(FOLIO_SIZE / cache.blockSize);
  }

  /** Chooses the memory for an operation on `length` bytes: whole for bulk and for a stream, else pages. */
  expect(length: number, stream: boolean): void {
    if (this.bulk || this.pages !== null) return;
    if (length >= BULK || stream) this.bulk = true;
    else this.pages = [];
  }

  /**
   * Finds the memory of byte `at` for reading, taking some if there is none, as cache.memory from cache.memoryAt on.
   * Returns how many of `length` bytes lie there one after the other.
   */
  locate(at: number, length: number): number {
    const cache = this.cache;
    if (this.bulk) {
      this.whole ??= cache.pool.takeWhole();
      cache.memory = this.whole;
      cache.memoryAt = at;
      return length;
    }
    const slot = at >>> cache.pageShift;
    const pages = this.pagesUpTo(slot);
    let page = pages[slot] as Uint8Array | null;
    if (page === null) {
      page = cache.pool.takePage();
      pages[slot] = page;
    }
    cache.memory = page;
    cache.memoryAt = at - (slot << cache.pageShift);
    const rest = cache.pageSize - cache.memoryAt;
    return Math.min(length, rest);
  }

  /** As locate(), for writing: the memory is this folio's own. */
  own(at: number, length: number): number {
    const n = this.locate(at, length);
    const { pool, memory, memoryAt } = this.cache;
    if (!(this.bulk ? pool.filledWholes : pool.filledPages).has(memory)) return n;
    this.letGo(at);
    this.locate(at, length);
    this.cache.memory.set(memory);
    this.cache.memoryAt = memoryAt;
    return n;
  }

  copyIn(at: number, from: Uint8Array, fromAt: number, length: number): void {
    for (let done = 0; done < length; ) {
      let n = this.show(at + done, from, fromAt + done, length - done);
      if (n === 0) {
        n = this.own(at + done, length - done);
        copy(this.cache.memory, this.cache.memoryAt, from, fromAt + done, n);
      }
      done += n;
    }
  }

  /**
   * Takes shared memory at `at` if there is some with the bytes that `from` has: for a page, or for all of a bulk folio.
   * Returns how many bytes that are, 0 if there is none.
   */
  private show(at: number, from: Uint8Array, fromAt: number, length: number): number {
    const { pool, pageSize, pageShift } = this.cache;
    const size = this.bulk ? FOLIO_SIZE : pageSize;
    if (length < size || at % size !== 0) return 0;
    const shared = (this.bulk ? pool.filledWholes : pool.filledPages).like(from, fromAt);
    if (shared === null) return 0;
    this.letGo(at);
    pool.share(size);
    if (this.bulk) this.whole = shared;
    else this.pagesUpTo(at >>> pageShift)[at >>> pageShift] = shared;
    return size;
  }

  /** Gives back the memory of byte `at`. */
  private letGo(at: number): void {
    const { pool, pageSize, pageShift } = this.cache;
    if (this.bulk) {
      const { whole } = this;
      this.whole = null;
      if (whole === null) return;
      if (pool.filledWholes.has(whole)) pool.unshare(FOLIO_SIZE);
      else pool.giveWhole(whole);
      return;
    }
    const slot = at >>> pageShift;
    const page = this.pages?.[slot] ?? null;
    if (page === null) return;
    (this.pages as (Uint8Array | null)[])[slot] = null;
    if (pool.filledPages.has(page)) pool.unshare(pageSize);
    else pool.givePage(page);
  }

  private pagesUpTo(slot: number): (Uint8Array | null)[] {
    const pages = this.pages as (Uint8Array | null)[];
    while (pages.length <= slot) pages.push(null);
    return pages;
  }

  copyOut(at: number, into: Uint8Array, intoAt: number, length: number): void {
    for (let done = 0; done < length; ) {
      const n = this.locate(at + done, length - done);
      copy(into, intoAt + done, this.cache.memory, this.cache.memoryAt, n);
      done += n;
    }
  }

  zero(at: number, length: number): void {
    for (let done = 0; done < length; ) {
      const n = this.own(at + done, length - done);
      this.cache.memory.fill(0, this.cache.memoryAt, this.cache.memoryAt + n);
      done += n;
    }
  }

  /** Marks the blocks that [at, at + length) touches up to date. */
  markUptodate(at: number, length: number): void {
    const shift = this.cache.blockShift;
    const last = (at + length - 1) >>> shift;
    for (let b = at >>> shift; b <= last; b++) this.state[b] = (this.state[b] as number) | UPTODATE;
  }

  /** Marks the blocks that [at, at + length) touches up to date and dirty. */
  markDirty(at: number, length: number): void {
    const shift = this.cache.blockShift;
    const last = (at + length - 1) >>> shift;
    const state = this.state;
    let fresh = 0;
    for (let b = at >>> shift; b <= last; b++) {
      if (((state[b] as number) & DIRTY) === 0) fresh++;
      state[b] = UPTODATE | DIRTY;
    }
    if (fresh > 0) this.cache.dirtied(this, fresh);
  }

  /** Marks the blocks of [at, at + length) clean, their content kept. */
  markClean(at: number, length: number): void {
    const shift = this.cache.blockShift;
    const last = (at + length - 1) >>> shift;
    let cleaned = 0;
    for (let b = at >>> shift; b <= last; b++) {
      if (((this.state[b] as number) & DIRTY) === 0) continue;
      this.state[b] = UPTODATE;
      cleaned++;
    }
    if (cleaned > 0) this.cache.cleaned(this, cleaned);
  }

  /** Forgets the blocks of [at, at + length), whole blocks, and gives back pages of which nothing is known. */
  forget(at: number, length: number): void {
    this.markClean(at, length);
    const shift = this.cache.blockShift;
    this.state.fill(0, at >>> shift, (at + length) >>> shift);
    this.orders?.fill(0, Math.ceil(at / PAGE_SIZE), Math.floor((at + length) / PAGE_SIZE));
    if (this.pages === null) return;
    const pageShift = this.cache.pageShift;
    for (let slot = at >>> pageShift; slot << pageShift < at + length; slot++) {
      if (this.pageUnknown(slot)) this.letGo(slot << pageShift);
    }
  }

  /** The order of the page of the file: see large-folio.ts. */
  orderOf(page: number): number {
    return this.orders === null ? 0 : (this.orders[page % PAGES] as number);
  }

  /** Sets the order of up to `count` pages from `page` on; returns of how many. */
  setOrder(page: number, count: number, order: number): number {
    const at = page % PAGES;
    const end = Math.min(at + count, PAGES);
    if (order > 0) this.orders ??= new Uint8Array(PAGES);
    this.orders?.fill(order, at, end);
    return end - at;
  }

  /** The end of the run of blocks from `at` whose `bit` is as at `at`, at most `end`. */
  runEnd(at: number, end: number, bit: number): number {
    const shift = this.cache.blockShift;
    let b = at >>> shift;
    const last = (end - 1) >>> shift;
    const want = (this.state[b] as number) & bit;
    while (b < last && ((this.state[b + 1] as number) & bit) === want) b++;
    const runEnd = (b + 1) << shift;
    return Math.min(runEnd, end);
  }

  /** True if a block of [at, at + length) is up to date. */
  isKnown(at: number, length: number): boolean {
    return this.has(at, UPTODATE) || this.runEnd(at, at + length, UPTODATE) < at + length;
  }

  has(at: number, bit: number): boolean {
    return ((this.state[at >>> this.cache.blockShift] as number) & bit) !== 0;
  }

  /** Gives all memory back. */
  free(): void {
    if (this.bulk) this.letGo(0);
    const { pageShift } = this.cache;
    for (let slot = (this.pages?.length ?? 0) - 1; slot >= 0; slot--) this.letGo(slot << pageShift);
    this.bulk = false;
    this.pages = null;
  }

  private pageUnknown(slot: number): boolean {
    const blocks = this.cache.pageSize >>> this.cache.blockShift;
    for (let b = slot * blocks; b < (slot + 1) * blocks; b++) if (this.state[b] !== 0) return false;
    return true;
  }
}

function copy(into: Uint8Array, intoAt: number, from: Uint8Array, fromAt: number, length: number): void {
  if (length === from.length) into.set(from, intoAt);
  else if (length <= 32) for (let i = 0; i < length; i++) into[intoAt + i] = from[fromAt + i] as number;
  else into.set(new Uint8Array(from.buffer, from.byteOffset + fromAt, length), intoAt);
}
