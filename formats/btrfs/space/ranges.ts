/**
 * A set of byte ranges, ascending and never touching each other (neighbours are joined), in pages of at most CAPACITY
 * ranges: insertion moves one page, and each page knows its longest range, so that a search skips those that cannot
 * help. A million ranges cost a few comparisons and one short move each.
 */
import { FsError } from '../../../core/errors.ts';

const CAPACITY = 256;

class Page {
  starts: number[] = [];
  ends: number[] = [];
  /** Bytes of the longest range; -1 unknown. */
  longest = -1;

  measure(): number {
    if (this.longest >= 0) return this.longest;
    let most = 0;
    for (let i = 0; i < this.starts.length; i++) {
      const length = (this.ends[i] as number) - (this.starts[i] as number);
      if (length > most) most = length;
    }
    this.longest = most;
    return most;
  }
}

/** One range, as a search found it. */
export interface Range {
  readonly start: number;
  readonly length: number;
}

export class RangeSet {
  private pages: Page[] = [new Page()];
  /** Bytes in all ranges. */
  bytes = 0;
  /** Number of ranges. */
  count = 0;
  private page = 0;
  private slot = 0;

  /** Adds bytes that are not in the set. @throws FsError EUCLEAN if some are: they would be given away twice */
  add(start: number, length: number): void {
    const end = start + length;
    this.seek(start);
    const page = this.pages[this.page] as Page;
    const next = this.slot < page.starts.length ? (page.starts[this.slot] as number) : this.firstAfterPage();
    const previousEnd = this.slot > 0 ? (page.ends[this.slot - 1] as number) : this.lastBeforePage();
    if (previousEnd > start || next < end) throw overlap(start, end);
    this.bytes += length;
    page.longest = -1;
    const joinsBefore = this.slot > 0 && previousEnd === start;
    const joinsAfter = this.slot < page.starts.length && next === end;
    if (joinsBefore && joinsAfter) {
      page.ends[this.slot - 1] = page.ends[this.slot] as number;
      this.drop(page, this.slot);
    } else if (joinsBefore) page.ends[this.slot - 1] = end;
    else if (joinsAfter) page.starts[this.slot] = start;
    else this.insert(page, this.slot, start, end);
    this.joinPages();
  }

  /** Removes bytes that are all in the set. @throws FsError EUCLEAN if some are not */
  remove(start: number, length: number): void {
    const end = start + length;
    this.seek(start + 1);
    const page = this.pages[this.page] as Page;
    const slot = this.slot - 1;
    if (slot < 0 || (page.starts[slot] as number) > start || (page.ends[slot] as number) < end) {
      throw absent(start, end);
    }
    this.cutRange(page, slot, start, end);
  }

  /** Takes out whatever of these bytes is in the set, and tells each piece. */
  cut(start: number, length: number, piece?: (start: number, length: number) => void): void {
    const end = start + length;
    for (let at = start; at < end; ) {
      const found = this.findOverlap(at, end);
      if (found === null) return;
      const from = Math.max(at, found.start);
      const to = Math.min(end, found.start + found.length);
      this.remove(from, to - from);
      piece?.(from, to - from);
      at = to;
    }
  }

  /** The first range that has bytes between `start` and `end`, whole. */
  findOverlap(start: number, end: number): Range | null {
    this.seek(start + 1);
    let pageIndex = this.page;
    let page = this.pages[pageIndex] as Page;
    let slot = this.slot;
    if (slot > 0 && (page.ends[slot - 1] as number) > start) slot--;
    if (slot >= page.starts.length) {
      page = this.pages[++pageIndex] as Page;
      slot = 0;
    }
    if (page === undefined || slot >= page.starts.length) return null;
    const first = page.starts[slot] as number;
    return first < end ? { start: first, length: (page.ends[slot] as number) - first } : null;
  }

  /**
   * The first place at or after `from` with `length` bytes whose start is a multiple of `step`; -1 if there is none.
   */
  find(length: number, from: number, step: number): number {
    this.seek(from + 1);
    let slot = Math.max(0, this.slot - 1);
    for (let p = this.page; p < this.pages.length; p++, slot = 0) {
      const page = this.pages[p] as Page;
      if (page.measure() < length) continue;
      for (; slot < page.starts.length; slot++) {
        const end = page.ends[slot] as number;
        const start = Math.max(page.starts[slot] as number, from);
        const aligned = start % step === 0 ? start : start + step - (start % step);
        if (end - aligned >= length) return aligned;
      }
    }
    return -1;
  }

  /** The longest range; null if the set is empty. */
  longest(): Range | null {
    let best: Page | null = null;
    for (const page of this.pages) if (best === null || page.measure() > best.measure()) best = page;
    if (best === null || best.starts.length === 0) return null;
    const length = best.measure();
    const slot = best.starts.findIndex((start, i) => (best.ends[i] as number) - start === length);
    return { start: best.starts[slot] as number, length };
  }

  /** Calls `visit` with every range, ascending. The set must not change meanwhile. */
  forEach(visit: (start: number, length: number) => void): void {
    for (const page of this.pages) {
      for (let i = 0; i < page.starts.length; i++) {
        const start = page.starts[i] as number;
        visit(start, (page.ends[i] as number) - start);
      }
    }
  }

  /** Sets page and slot to the first range that starts at or after `start`; slot may be the page's end. */
  private seek(start: number): void {
    let low = 0;
    let high = this.pages.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (((this.pages[middle] as Page).starts[0] as number) < start) low = middle;
      else high = middle;
    }
    this.page = low;
    const { starts } = this.pages[low] as Page;
    let first = 0;
    let last = starts.length;
    while (first < last) {
      const middle = (first + last) >>> 1;
      if ((starts[middle] as number) < start) first = middle + 1;
      else last = middle;
    }
    this.slot = first;
  }

  private firstAfterPage(): number {
    return this.pages[this.page + 1]?.starts[0] ?? Number.POSITIVE_INFINITY;
  }

  private lastBeforePage(): number {
    return this.pages[this.page - 1]?.ends.at(-1) ?? Number.NEGATIVE_INFINITY;
  }

  private insert(page: Page, slot: number, start: number, end: number): void {
    page.starts.splice(slot, 0, start);
    page.ends.splice(slot, 0, end);
    page.longest = -1;
    this.count++;
    if (page.starts.length <= CAPACITY) return;
    const half = new Page();
    half.starts = page.starts.splice(CAPACITY / 2);
    half.ends = page.ends.splice(CAPACITY / 2);
    this.pages.splice(this.pages.indexOf(page) + 1, 0, half);
  }

  private drop(page: Page, slot: number): void {
    page.starts.splice(slot, 1);
    page.ends.splice(slot, 1);
    page.longest = -1;
    this.count--;
    if (page.starts.length === 0 && this.pages.length > 1) this.pages.splice(this.pages.indexOf(page), 1);
  }

  /** Ranges that touch across the border of the page just changed and its neighbours become one. */
  private joinPages(): void {
    for (let p = Math.max(1, this.page); p <= this.page + 1; p++) {
      const left = this.pages[p - 1];
      const right = this.pages[p];
      if (left === undefined || right === undefined || left.ends.at(-1) !== right.starts[0]) continue;
      left.ends[left.ends.length - 1] = right.ends[0] as number;
      left.longest = -1;
      this.drop(right, 0);
      p--;
    }
  }

  private cutRange(page: Page, slot: number, start: number, end: number): void {
    const first = page.starts[slot] as number;
    const last = page.ends[slot] as number;
    this.bytes -= end - start;
    page.longest = -1;
    if (first < start) {
      page.ends[slot] = start;
      if (end < last) this.insert(page, slot + 1, end, last);
    } else if (end < last) page.starts[slot] = end;
    else this.drop(page, slot);
  }
}

function overlap(start: number, end: number): FsError {
  return new FsError('EUCLEAN', { detail: `bytes ${start} to ${end} are free already` });
}

function absent(start: number, end: number): FsError {
  return new FsError('EUCLEAN', { detail: `bytes ${start} to ${end} are not free` });
}
