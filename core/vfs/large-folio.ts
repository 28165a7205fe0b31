/**
 * Linux keeps pages that come together, by a large write or a read ahead, in one folio: a power of two of pages, aligned
 * to its size. What happens to one of them happens to all: a store through a memory mapping dirties the folio,
 * writeback of a part writes it whole. So it decides which blocks are copied and allocated, and is kept track of here,
 * as an order for each page; memory itself is cut otherwise (folio.ts).
 *
 *     write of 36 KiB from page 1 on   |1|2 3|4 5 6 7|8 9|     orders 0, 1, 2, 1
 *
 * Kernel: __filemap_get_folio (mm/filemap.c), fgf_set_order, truncate_inode_partial_folio (mm/truncate.c).
 */
import type { Inode } from './inode.ts';
import type { PageCache } from './page-cache.ts';
import { FOLIO_SIZE, PAGE_SIZE } from './page-pool.ts';

/** Linux's largest page-cache folio on x86, as a power of two of pages. */
export const MAX_ORDER = 9;

const PAGE_SHIFT = Math.log2(PAGE_SIZE);
/** Linux's pages in the unit of memory here. */
const FOLIO_PAGES = FOLIO_SIZE / PAGE_SIZE;

/** Bytes of Linux's folio around `pos`; it starts at a multiple of that. */
export function folioSize(pages: PageCache, pos: number): number {
  return pages.hasLarge ? Math.max(pages.pageSize, PAGE_SIZE * 2 ** orderAt(pages, pageOf(pos))) : pages.pageSize;
}

/** [pos, pos + length) is about to be written: pages that are not cached come in folios as large as fit. */
export function joinWritten(inode: Inode, pos: number, length: number): void {
  if (inode.iomap.largeFolios !== true || length < 2 * PAGE_SIZE) return;
  const { pages } = inode;
  const least = pages.pageShift - PAGE_SHIFT;
  const end = pos + length;
  for (let at = pos; at < end; ) {
    const page = pageOf(at);
    const folio = pages.grab(at, end - at);
    const inside = (page % FOLIO_PAGES) * PAGE_SIZE;
    let order = folio.orderOf(page);
    if (!folio.isKnown(inside, PAGE_SIZE)) {
      order = orderFor(pages, page, end - at);
      if (order > least) join(pages, page, order, end - at);
    }
    if (order < least) order = least;
    at = (page - (page % 2 ** order) + 2 ** order) * PAGE_SIZE;
  }
}

/** The order of a new folio at `page` for a write of `length` bytes from within it on. */
function orderFor(pages: PageCache, page: number, length: number): number {
  const fits = 31 - Math.clz32(Math.min(length, PAGE_SIZE << MAX_ORDER) >>> PAGE_SHIFT);
  const aligned = (page % 2 ** MAX_ORDER) | (2 ** MAX_ORDER);
  let order = Math.min(fits, 31 - Math.clz32(aligned & -aligned));
  while (order > 0 && anyCached(pages, page, 2 ** order)) order--;
  return order;
}

/** True if any of `count` pages from `page` on is cached. */
export function anyCached(pages: PageCache, page: number, count: number): boolean {
  const inside = page % FOLIO_PAGES;
  if (inside + count <= FOLIO_PAGES)
    return pages.find(page * PAGE_SIZE)?.isKnown(inside * PAGE_SIZE, count * PAGE_SIZE) ?? false;
  const end = (page + count) * PAGE_SIZE;
  return pages.seekUptodate(page * PAGE_SIZE, end, true) < end;
}

/** The pages [page, page + 2^order) are one folio from now on; `length` bytes from there on are about to be filled. */
export function join(pages: PageCache, page: number, order: number, length: number): void {
  if (order <= pages.pageShift - PAGE_SHIFT) return;
  pages.hasLarge = true;
  setOrder(pages, page, order, length);
}

/**
 * [start, end) leaves the cache. A clean folio that reaches out of it is halved again and again around the edge; one with
 * dirty pages is what it was: Linux does not split it.
 */
export function split(pages: PageCache, start: number, end: number): void {
  if (!pages.hasLarge) return;
  splitAt(pages, start);
  splitAt(pages, end);
}

function splitAt(pages: PageCache, edge: number): void {
  const page = pageOf(edge);
  let order = orderAt(pages, page);
  let first = page - (page % 2 ** order);
  const at = first * PAGE_SIZE;
  if (edge === at || pages.hasDirty(at, at + PAGE_SIZE * 2 ** order)) return;
  while (order > 0) {
    order--;
    const half = first + 2 ** order;
    const before = page < half;
    setOrder(pages, before ? half : first, order);
    if (!before) first = half;
  }
  setOrder(pages, page, 0);
}

function pageOf(pos: number): number {
  return Math.floor(pos / PAGE_SIZE);
}

function orderAt(pages: PageCache, page: number): number {
  return pages.find(page * PAGE_SIZE)?.orderOf(page) ?? 0;
}

/** `length` bytes are to come from `page` on, or are there already. */
function setOrder(pages: PageCache, page: number, order: number, length = 0): void {
  const count = 2 ** order;
  for (let done = 0; done < count; ) {
    const at = (page + done) * PAGE_SIZE;
    const folio = length > 0 ? pages.grab(at, length - done * PAGE_SIZE) : pages.find(at);
    done += folio?.setOrder(page + done, count - done, order) ?? FOLIO_PAGES - ((page + done) % FOLIO_PAGES);
  }
}
