/**
 * The memory behind all page caches of one page size: buffers are pooled, because allocating costs thirty times more
 * than reusing, and bounded, because a file is larger than memory.
 *
 * Two sizes are lent: a whole folio for bulk data, a single page for scattered data. Clean folios leave in the order
 * of their last use (second chance: a folio used since the last look stays once more). Dirty folios never leave; when
 * there are too many, `overLimit` tells the engine to write some back at its next safe point.
 */
import { totalmem } from 'node:os';
import type { Folio } from './folio.ts';
import type { PageCache } from './page-cache.ts';
import { SameFilled } from './same-filled.ts';

const MiB = 1024 * 1024;

/** Linux's page size: a cached page holds at least this much. */
export const PAGE_SIZE = 4096;

/** Bytes of a folio: the unit of lookup and of bulk memory. */
export const FOLIO_SIZE = 256 * 1024;

/** Different bytes of which a whole folio is shared. */
const FILLED_WHOLES = 16;

export class PagePool {
  readonly pageSize: number;
  /** Dirty bytes of all files. */
  dirtyBytes = 0;
  /** Files that have dirty pages, oldest first. */
  readonly dirtyCaches = new Set<PageCache>();
  /** Pages and whole folios that hold one byte all over; lent by share(), as if they were memory of their own. */
  readonly filledPages: SameFilled;
  readonly filledWholes = new SameFilled(FOLIO_SIZE, FILLED_WHOLES);

  private limits: { capacity: number; dirtyLimit: number } | null = null;
  private used = 0;
  /** Bytes in use from which on looking for clean folios is worth while again, after a look that found too few. */
  private fruitless = 0;
  private readonly wholes: Uint8Array[] = [];
  private pages: Uint8Array[] = [];
  /** All folios, linked in order of use. */
  private newest: Folio | null = null;
  private oldest: Folio | null = null;

  constructor(pageSize: number) {
    this.pageSize = pageSize;
    this.filledPages = new SameFilled(pageSize, 256);
  }

  /**
   * Bytes that cached pages may take before clean ones leave: set, or by the machine's memory. Not by what is free: when
   * dirty pages are written decides where they go, and two runs shall write the same image.
   */
  get capacity(): number {
    return this.known().capacity;
  }

  set capacity(bytes: number) {
    this.known().capacity = bytes;
  }

  /** Dirty bytes above which the engine writes back. */
  get dirtyLimit(): number {
    return this.known().dirtyLimit;
  }

  set dirtyLimit(bytes: number) {
    this.known().dirtyLimit = bytes;
  }

  /** True when dirty pages take so much memory that some should be written. */
  get overLimit(): boolean {
    return this.dirtyBytes > 0 && this.dirtyBytes > this.known().dirtyLimit;
  }

  /** Counts `bytes` of shared memory as in use: what caches hold stays bounded, whatever it is made of. */
  share(bytes: number): void {
    if (this.used + bytes > this.capacity) this.reclaim(bytes);
    this.used += bytes;
  }

  unshare(bytes: number): void {
    this.used -= bytes;
  }

  /** A buffer of FOLIO_SIZE bytes with arbitrary content. */
  takeWhole(): Uint8Array {
    if (this.used + FOLIO_SIZE > this.capacity) this.reclaim(FOLIO_SIZE);
    this.used += FOLIO_SIZE;
    return this.wholes.pop() ?? Buffer.allocUnsafeSlow(FOLIO_SIZE);
  }

  giveWhole(buffer: Uint8Array): void {
    this.used -= FOLIO_SIZE;
    this.wholes.push(buffer);
  }

  /** A buffer of one page with arbitrary content. */
  takePage(): Uint8Array {
    if (this.used + this.pageSize > this.capacity) this.reclaim(this.pageSize);
    this.used += this.pageSize;
    const page = this.pages.pop();
    return page === undefined ? this.cutPages() : page;
  }

  givePage(page: Uint8Array): void {
    this.used -= this.pageSize;
    this.pages.push(page);
  }

  /** Enters a folio into the order of use, as the newest. */
  enter(folio: Folio): void {
    folio.older = this.newest;
    folio.newer = null;
    if (this.newest !== null) this.newest.newer = folio;
    this.newest = folio;
    if (this.oldest === null) this.oldest = folio;
  }

  leave(folio: Folio): void {
    if (folio.newer === null) this.newest = folio.older;
    else folio.newer.older = folio.older;
    if (folio.older === null) this.oldest = folio.newer;
    else folio.older.newer = folio.newer;
    folio.newer = null;
    folio.older = null;
  }

  /** Whoever only looks at a file takes no page: the system need not be asked for it. */
  private known(): { capacity: number; dirtyLimit: number } {
    if (this.limits !== null) return this.limits;
    const capacity = Math.min(512 * MiB, Math.max(64 * MiB, Math.floor(totalmem() / 16)));
    this.limits = { capacity, dirtyLimit: Math.floor(capacity / 2) };
    return this.limits;
  }

  private cutPages(): Uint8Array {
    const whole = this.wholes.pop() ?? Buffer.allocUnsafeSlow(FOLIO_SIZE);
    for (let at = FOLIO_SIZE - this.pageSize; at > 0; at -= this.pageSize) {
      this.pages.push(new Uint8Array(whole.buffer, whole.byteOffset + at, this.pageSize));
    }
    return new Uint8Array(whole.buffer, whole.byteOffset, this.pageSize);
  }

  /** Lets clean folios go, oldest first, until `need` more bytes fit or a full round found none. */
  private reclaim(need: number): void {
    if (this.used < this.fruitless) return;
    let looks = 2 * Math.ceil(this.capacity / FOLIO_SIZE) + 64;
    while (this.used + need > this.capacity && this.oldest !== null && looks-- > 0) {
      const folio = this.oldest;
      if (folio.dirtyBlocks === 0 && !folio.referenced && folio.cache.last !== folio) {
        folio.cache.drop(folio);
      } else {
        folio.referenced = false;
        this.leave(folio);
        this.enter(folio);
      }
    }
    this.fruitless = this.used + need > this.capacity ? this.used + this.capacity / 8 : 0;
    // Single pages that nobody uses would keep their whole folios from ever being reused.
    if (this.pages.length * this.pageSize > this.capacity / 2) this.pages = [];
  }
}

const pools = new Map<number, PagePool>();

/** The pool that all files with this page size share. */
export function poolFor(pageSize: number): PagePool {
  let pool = pools.get(pageSize);
  if (pool === undefined) {
    pool = new PagePool(pageSize);
    pools.set(pageSize, pool);
  }
  return pool;
}
