/**
 * How many pages in a row are cached, as Linux counts them (kernel: page_cache_prev_miss, page_cache_next_miss).
 *
 * Linux steps through the nodes of an xarray, 64 slots each. In a folio of several pages its first step lands on the
 * folio's first slot, while the index stays: from then on slot and index are apart, until the next node is entered by
 * the index. What it counts decides how far it reads ahead, so it is counted the same way here.
 *
 *     index 61 62 63 | slot 48 of 48..63 is looked at first for 63, then slot 47 for 62, 46 for 61 …
 */
import type { Inode } from '../vfs/inode.ts';
import { folioSize } from '../vfs/large-folio.ts';
import type { PageCache } from '../vfs/page-cache.ts';
import { PAGE_SIZE } from '../vfs/page-pool.ts';

/** Slots of a node. */
const SLOTS = 64;

/** The first slot that the folio of page `at` has in the page's node; one that fills whole nodes has none of its own. */
function firstSlot(pages: PageCache, at: number): number {
  const size = folioSize(pages, at * PAGE_SIZE) / PAGE_SIZE;
  return size < SLOTS ? at - (at % size) : at;
}

/** How many pages just before page `index` count as cached, when `max` are looked at. */
export function cachedBefore(inode: Inode, index: number, max: number): number {
  const { pages } = inode;
  let at = index - 1;
  let slot = firstSlot(pages, at);
  for (let count = 0; count < max && at >= 0 && pages.hasPage(slot * PAGE_SIZE); count++) {
    at--;
    if (slot % SLOTS > 0) slot--;
    else if (at % SLOTS > 0) slot = slot - SLOTS + (at % SLOTS);
    if (slot < 0) break;
  }
  return index - at - 1;
}

/** The first page from `index` on that counts as not cached, when `max` are looked at. */
export function cachedAfter(inode: Inode, index: number, max: number): number {
  const { pages } = inode;
  let at = index;
  let slot = firstSlot(pages, at);
  for (let count = 0; count < max; count++) {
    if (!pages.hasPage(slot * PAGE_SIZE)) return at;
    at++;
    if (slot % SLOTS < SLOTS - 1) slot++;
    else if (at % SLOTS !== SLOTS - 1) slot = slot + 1 + (at % SLOTS);
  }
  return index + max;
}
