/** Where new blocks of a file are asked for: beside those of its neighbours in the file (kernel: xfs_bmap_adjacent). */
import type { Extent } from './extent.ts';
import type { Span } from './extent-hint.ts';
import type { MemoryFork } from './fork-view.ts';
import type { XfsInode } from './inode.ts';

/** How far the neighbour may be, in lengths of the request, for its position to matter. */
const GAP_UNITS = 4;

/** What placing an allocation looks at: neighbours in the fork and the request. */
export interface Request {
  readonly ip: XfsInode;
  readonly fork: MemoryFork;
  /** The extent before, and the one that holds or follows the range; null at the ends of the fork. */
  readonly before: Extent | null;
  readonly after: Extent | null;
  off: number;
  count: number;
}

/** A block next to a neighbour in the file, else `home`. `same`: a block exists, and may go with another. */
export function adjacent(req: Request, at: Span, home: number, same: (a: number, b: number) => boolean): number {
  const prev = req.before?.real ? req.before : null;
  if (req.after === null) {
    if (prev === null) return home;
    const end = prev.block + prev.count;
    if (!same(end, prev.block)) return home;
    const gap = at.off - prev.end;
    return gap > 0 && same(end + gap, prev.block) ? end + gap : end;
  }
  let left = -1;
  let leftGap = 0;
  if (prev !== null && same(prev.block + prev.count, prev.block)) {
    left = prev.block + prev.count;
    leftGap = at.off - prev.end;
    if (leftGap <= GAP_UNITS * at.count && same(left + leftGap, prev.block)) left += leftGap;
    else leftGap *= 2;
  }
  let right = -1;
  let rightGap = 0;
  if (req.after.real) {
    right = req.after.block;
    const gap = req.after.off - at.off;
    rightGap = gap;
    if (gap <= GAP_UNITS * at.count && same(right - gap, right)) right -= gap;
    else if (same(right - at.count, right)) {
      right -= at.count;
      rightGap += gap - at.count;
    } else rightGap += gap;
  }
  if (left >= 0 && right >= 0) return leftGap <= rightGap ? left : right;
  return left >= 0 ? left : right >= 0 ? right : home;
}
