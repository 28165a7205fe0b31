/**
 * Blocks on the realtime device for a request of a file: rounded to its hint, or at least to whole realtime extents,
 * behind what the file has, or spread over the device where it has nothing yet.
 *
 * Mirrors: fs/xfs/xfs_bmap_util.c (xfs_bmap_rtalloc).
 */
import { corrupt, FsError } from '../../../core/errors.ts';
import { adjacent, type Request } from '../bmap-place.ts';
import { MAX_EXTENT_LENGTH } from '../extent.ts';
import { alignRealtime, alignToHint, type Span } from '../extent-hint.ts';
import { extentHint } from '../inode-hints.ts';
import type { Trans } from '../trans.ts';
import { pickStart, takeRealtime } from './space.ts';

const span: Span = { off: 0, count: 0 };

/** Allocates for a request and narrows it to what was got; answers the first block. @throws FsError ENOSPC, ENODEV, EINVAL */
export function allocateRealtime(tp: Trans, req: Request): number {
  const { mp } = tp;
  const unit = mp.rtExtSize;
  mp.realtimeDevice();
  const hint = extentHint(req.ip);
  for (const align of hint > unit ? [hint, unit] : [unit]) {
    const near = place(tp, req, align);
    const least = unit + Math.max(0, req.off - span.off);
    const prod = span.off % align !== 0 || span.count % align !== 0 ? 1 : align / unit;
    const most = Math.min(span.count / unit, Math.floor(MAX_EXTENT_LENGTH / unit));
    const ask = (target: number) => takeRealtime(tp, target, Math.max(1, Math.floor(least / unit)), most, prod);
    // Near a place first, then with less rounding, and only then anywhere.
    const run = ask(near) ?? (align === unit && near !== 0 ? ask(0) : null);
    if (run === null) continue;
    const block = run.start * unit;
    if (!mp.validRtb(block, run.count * unit)) {
      throw corrupt({ structure: 'realtime bitmap', value: String(run.start), rule: 'free, and beyond the device' });
    }
    req.off = span.off;
    req.count = run.count * unit;
    return block;
  }
  throw new FsError('ENOSPC');
}

/** Puts the rounded request into `span`; answers the realtime extent to ask for, 0 for any. */
function place(tp: Trans, req: Request, align: number): number {
  const { mp } = tp;
  const unit = mp.rtExtSize;
  span.off = req.off;
  span.count = req.count;
  if (alignToHint(span, align, req.before, req.after, false)) alignRealtime(span, unit, req.off, req.count);
  if (span.count % unit !== 0) throw new FsError('EINVAL', { detail: 'the hole is no whole realtime extent' });
  const first = req.after === null && span.off === 0;
  const home = first ? pickStart(tp, span.count / unit) * unit : 0;
  return Math.floor(adjacent(req, span, home, (block) => block >= 0 && block < mp.sb.rblocks) / unit);
}
