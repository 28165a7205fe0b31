/**
 * Which pages to read when a file is read in small pieces (kernel: mm/readahead.c): the first read of a stream gets a
 * window of a few pages, one page in it is marked, and reading the marked page starts the next, larger window.
 *
 *     |r r . .|                 sync: 4 pages, mark on the second
 *         ^mark  |. . . . . . . . . . . . . . . .|    async: 16 pages, mark on the first
 *
 * All numbers are pages. The windows are those of Linux, so that a trace shows the same mappings asked for.
 */
import type { Inode } from '../vfs/inode.ts';
import { PAGE_SIZE } from '../vfs/page-cache.ts';

/** The largest window in bytes: what Linux gives a loop device. */
export const MAX_WINDOW = 2560 * 1024;
/** Linux's largest page-cache folio on x86, as a power of two of pages. */
const MAX_ORDER = 9;

/** Reads pages [start, start + count), those that are not cached. */
type ReadPages = (inode: Inode, start: number, count: number) => void;

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
  /** First page and length of the marked folio; length 0: none. */
  private mark = 0;
  private markPages = 0;

  /** The marked page at or after `page`, where a copy must pause, or Infinity. */
  nextMark(page: number): number {
    return this.markPages > 0 && this.mark + this.markPages > page
      ? Math.max(this.mark, page)
      : Number.POSITIVE_INFINITY;
  }

  isMarked(page: number): boolean {
    return this.markPages > 0 && page >= this.mark && page < this.mark + this.markPages;
  }

  /** Page `index` is missing: it is read from byte `pos` on, and `wanted` pages from there on are asked for. */
  miss(inode: Inode, pos: number, index: number, wanted: number, read: ReadPages): void {
    const max = MAX_WINDOW / inode.pages.pageSize;
    // Linux counts in its own pages here, however large a block is.
    const first = Math.floor(pos / PAGE_SIZE);
    const previous = Math.floor(this.prevPos / PAGE_SIZE);
    const sequential = this.prevPos >= 0 && first >= previous && first - previous <= 1;
    if (first === 0 || wanted > max || sequential) {
      this.start = index;
      this.size = initialSize(wanted, max);
      this.asyncSize = this.size > wanted ? this.size - wanted : this.size >>> 1;
    } else {
      let known = cachedBefore(inode, index, max);
      if (known <= wanted) {
        read(inode, index, wanted);
        return;
      }
      if (known === index) known *= 2;
      this.start = index;
      this.size = Math.min(known + wanted, max);
      this.asyncSize = 1;
    }
    this.order = 0;
    this.window(inode, read);
  }

  /** The marked page `index` is being read: starts the next window. */
  ahead(inode: Inode, index: number, wanted: number, read: ReadPages): void {
    const max = MAX_WINDOW / inode.pages.pageSize;
    const pages = this.markPages;
    const first = this.mark;
    this.markPages = 0;
    const awaited = this.start + this.size - this.asyncSize;
    if (first === awaited - (awaited % pages)) {
      this.start += this.size;
      this.size = Math.max(this.size, nextSize(this.size, max));
    } else {
      const next = cachedAfter(inode, index + 1, max);
      if (next - index > max) return;
      this.start = next;
      this.size = nextSize(next - index + wanted, max);
    }
    this.order += 2;
    const align = 2 ** Math.min(this.order, trailingZeros(max));
    const end = this.start + this.size;
    const aligned = end - (end % align);
    if (aligned > this.start) this.size -= end - aligned;
    this.asyncSize = this.size;
    this.window(inode, read);
  }

  private window(inode: Inode, read: ReadPages): void {
    const pageSize = inode.pages.pageSize;
    const mark = this.start + this.size - this.asyncSize;
    this.order = Math.min(this.order, MAX_ORDER, Math.floor(Math.log2(this.size)));
    this.markPages = 0;
    const limit = Math.min(Math.ceil(inode.size / pageSize), this.start + this.size) - 1;
    for (let index = this.start; index <= limit; ) {
      const order = inode.pages.hasPage(index * pageSize) ? 0 : this.orderAt(index, limit);
      const pages = 2 ** order;
      if (mark >= index && mark < index + pages && !inode.pages.hasPage(index * pageSize)) {
        this.mark = index;
        this.markPages = pages;
      }
      index += pages;
    }
    if (limit >= this.start) read(inode, this.start, limit - this.start + 1);
  }

  /** Linux reads into folios of up to `order`, aligned to their size and not beyond EOF. */
  private orderAt(index: number, limit: number): number {
    let order = this.order;
    if (index % 2 ** order !== 0) order = trailingZeros(index);
    while (order > 0 && index + 2 ** order - 1 > limit) order--;
    return order;
  }
}

function initialSize(wanted: number, max: number): number {
  const size = 2 ** Math.ceil(Math.log2(Math.max(1, wanted)));
  if (size <= max / 32) return size * 4;
  if (size <= max / 4) return size * 2;
  return max;
}

function nextSize(size: number, max: number): number {
  if (size < max / 16) return 4 * size;
  return size <= max / 2 ? 2 * size : max;
}

/** How many pages just before `index` are cached, at most `max`. */
function cachedBefore(inode: Inode, index: number, max: number): number {
  let count = 0;
  while (count < max && count < index && inode.pages.hasPage((index - count - 1) * inode.pages.pageSize)) count++;
  return count;
}

/** The first page from `index` on that is not cached, looking at `max` at most. */
function cachedAfter(inode: Inode, index: number, max: number): number {
  let count = 0;
  while (count < max && inode.pages.hasPage((index + count) * inode.pages.pageSize)) count++;
  return index + count;
}

function trailingZeros(value: number): number {
  return 31 - Math.clz32(value & -value);
}
