/**
 * Rounds an allocation to an extent size hint without running into its neighbours.
 * Mirrors: fs/xfs/libxfs/xfs_bmap.c (xfs_bmap_extsize_align).
 */
import { FsError } from '../../core/errors.ts';
import { DELAY, type Extent, HOLE, MAX_EXTENT_LENGTH, NULL_OFFSET } from './extent.ts';

/** A range of file blocks, changed in place. */
export interface Span {
  off: number;
  count: number;
}

/**
 * Widens `span` to multiples of `hint` blocks, between `before` and `after` (null: no such extent). `delay`: for a
 * reservation; otherwise a span inside `after` is left alone, since it is a delayed extent being allocated: false.
 */
export function alignToHint(
  span: Span,
  hint: number,
  before: Extent | null,
  after: Extent | null,
  delay: boolean,
): boolean {
  const origOff = span.off;
  const origEnd = span.off + span.count;
  if (!delay && after !== null && origOff >= after.off && origEnd <= after.end) return false;
  let off = origOff - (origOff % hint);
  let count = Math.ceil((origEnd - off) / hint) * hint;
  while (count > MAX_EXTENT_LENGTH) count -= hint;
  const floor = before === null ? 0 : before.block === HOLE ? before.off : before.end;
  if (off !== origOff && off < floor) off = floor;
  let ceiling = NULL_OFFSET;
  if (after !== null) {
    const passes = delay ? after.block === HOLE : after.block === DELAY;
    ceiling = passes ? after.end : after.off;
    if (off + count !== origEnd && off + count > ceiling) off = Math.max(0, ceiling - count);
  }
  if (off !== origOff && off < floor) off = floor;
  if (off + count !== origEnd && off + count > ceiling) count = ceiling - off;
  span.off = off;
  span.count = count;
  return true;
}

/**
 * Cuts what alignToHint() made to whole realtime extents of `unit` blocks, so that it still covers the `count` blocks
 * at `off` that were asked for. @throws FsError EINVAL if it cannot
 */
export function alignRealtime(span: Span, unit: number, off: number, count: number): void {
  const over = span.count % unit;
  if (over === 0) return;
  const end = off + count;
  const covers = () => off >= span.off && end <= span.off + span.count;
  if (covers() && span.count - over >= count) {
    if (span.off + over <= off) {
      span.off += over;
      span.count -= over;
    } else if (span.off + span.count - over >= end) span.count -= over;
    else {
      span.count -= off - span.off;
      span.off = off;
      span.count -= span.count % unit;
    }
    if (covers()) return;
  }
  throw new FsError('EINVAL', { detail: 'no whole realtime extents fit between the neighbours' });
}
