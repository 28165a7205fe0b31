/**
 * Which pages to read when a file is read in small pieces (kernel: mm/readahead.c): the first read of a stream gets a
 * window of a few pages, one page in it is marked, and reading the marked page starts the next, larger window.
 *
 *     |r r . .|                 sync: 4 pages, mark on the second
 *         ^mark  |. . . . . . . . . . . . . . . .|    async: 16 pages, mark on the first
 *
 * All numbers are Linux's pages of 4 KiB. Where blocks are larger, a folio holds a block at least: windows still begin
 * and end at any page, but what is read is whole blocks. The windows are those of Linux, so that a trace shows the same
 * mappings asked for.
 */
import type { Inode } from '../vfs/inode.ts';
import { anyCached, join, MAX_ORDER } from '../vfs/large-folio.ts';
import type { PageMark } from '../vfs/page-cache.ts';
import { PAGE_SIZE } from '../vfs/page-pool.ts';
import { cachedAfter, cachedBefore } from './cached-run.ts';

/** The largest window in bytes: what Linux gives a loop device. */
export const MAX_WINDOW = 2560 * 1024;
/** The same in pages. */
const MAX_PAGES = MAX_WINDOW / PAGE_SIZE;
/** Marks that are remembered: where reads jump about, old ones are seldom met again. */
const MOST_MARKS = 64;

/** Reads the pages [start, start + count), cut to whole blocks, those that are not cached. */
type ReadPages = (inode: Inode, start: number, count: number) => void;

/** The first marked page at or after `page`, where a copy must pause, or Infinity. */
export function nextMark({ pages: { marks } }: Inode, page: number): number {
  let next = Number.POSITIVE_INFINITY;
  for (const { start, pages } of marks) if (start + pages > page) next = Math.min(next, Math.max(start, page));
  return next;
}

export function isMarked({ pages: { marks } }: Inode, page: number): boolean {
  for (const { start, pages } of marks) if (page >= start && page < start + pages) return true;
  return false;
}

/** A window's mark stays until somebody reads it, whatever is read meanwhile. */
function setMark({ pages: { marks } }: Inode, start: number, pages: number): void {
  marks.push({ start, pages });
  if (marks.length > MOST_MARKS) marks.shift();
}

/** What one open file remembers of how it is read. */
export class Readahead {
  /** File position after the last read; -1 before the first. */
  prevPos = -1;
  /** Where the stream of reads, each continuing the one before, started or was last cut. */
  streamStart = 0;
  private start = 0;
  private size = 0;
  private asyncSize = 0;
  private order = 0;

  /** Page `index` is missing; `wanted` pages from there on are asked for. */
  miss(inode: Inode, index: number, wanted: number, read: ReadPages): void {
    const previous = Math.floor(this.prevPos / PAGE_SIZE);
    const sequential = this.prevPos >= 0 && index >= previous && index - previous <= 1;
    if (index === 0 || wanted > MAX_PAGES || sequential) {
      this.start = index;
      this.size = initialSize(wanted);
      this.asyncSize = this.size > wanted ? this.size - wanted : this.size >>> 1;
    } else {
      let known = cachedBefore(inode, index, MAX_PAGES);
      if (known <= wanted) {
        read(inode, index, wanted);
        return;
      }
      if (known === index) known *= 2;
      this.start = index;
      this.size = Math.min(known + wanted, MAX_PAGES);
      this.asyncSize = 1;
    }
    this.order = 0;
    this.window(inode, read);
  }

  /** Page `index` of a marked folio is being read, `end` being the page after the last one asked for: starts the next window. */
  ahead(inode: Inode, index: number, end: number, read: ReadPages): void {
    const { marks } = inode.pages;
    const place = marks.findIndex(({ start, pages }) => index >= start && index < start + pages);
    const [{ start: first, pages }] = marks.splice(place, 1) as [PageMark];
    const awaited = this.start + this.size - this.asyncSize;
    if (first === awaited - (awaited % pages)) {
      this.start += this.size;
      this.size = Math.max(this.size, nextSize(this.size));
    } else {
      const next = cachedAfter(inode, first + 1, MAX_PAGES);
      if (next - first > MAX_PAGES) return;
      this.start = next;
      this.size = nextSize(next - first + end - first);
    }
    this.order += 2;
    const align = 2 ** Math.min(this.order, trailingZeros(MAX_PAGES));
    const stop = this.start + this.size;
    const aligned = stop - (stop % align);
    if (aligned > this.start) this.size -= stop - aligned;
    this.asyncSize = this.size;
    this.window(inode, read);
  }

  /** Reads the window folio by folio; from the first one that is cached in part on, block by block. */
  private window(inode: Inode, read: ReadPages): void {
    const { pages } = inode;
    const least = pages.pageSize / PAGE_SIZE;
    const leastOrder = trailingZeros(least);
    const mark = this.start + this.size - this.asyncSize;
    this.order = Math.max(leastOrder, Math.min(this.order, MAX_ORDER, Math.floor(Math.log2(this.size))));
    const first = this.start - (this.start % least);
    // A block that the window begins within is there already: Linux stops, and what it is left with is negative.
    if (first < this.start && pages.hasPage(first * PAGE_SIZE)) return;
    const end = Math.min(Math.ceil(inode.size / PAGE_SIZE), this.start + this.size);
    let index = first;
    while (index < end) {
      const order = this.orderAt(index, end - 1, leastOrder);
      const count = 2 ** order;
      if (anyCached(pages, index, count)) break;
      if (inode.iomap.largeFolios === true) join(pages, index, order, (end - index) * PAGE_SIZE);
      if (mark >= index && mark < index + count) setMark(inode, index, count);
      index += count;
    }
    if (index > this.start) read(inode, this.start, Math.min(index, end) - this.start);
    if (index >= end) return;
    const single = Math.ceil((end - this.asyncSize) / least) * least;
    if (single >= index && !pages.hasPage(single * PAGE_SIZE)) setMark(inode, single, least);
    read(inode, index, end - index);
  }

  /** Linux reads into folios of up to `order`, aligned to their size and not beyond EOF. */
  private orderAt(index: number, limit: number, least: number): number {
    let order = this.order;
    if (index % 2 ** order !== 0) order = trailingZeros(index);
    while (order > least && index + 2 ** order - 1 > limit) order--;
    return order;
  }
}

function initialSize(wanted: number): number {
  const size = 2 ** Math.ceil(Math.log2(Math.max(1, wanted)));
  if (size <= MAX_PAGES / 32) return size * 4;
  if (size <= MAX_PAGES / 4) return size * 2;
  return MAX_PAGES;
}

function nextSize(size: number): number {
  if (size < MAX_PAGES / 16) return 4 * size;
  return size <= MAX_PAGES / 2 ? 2 * size : MAX_PAGES;
}

function trailingZeros(value: number): number {
  return 31 - Math.clz32(value & -value);
}
