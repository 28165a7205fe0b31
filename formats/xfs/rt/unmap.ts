/**
 * Taking blocks out of a file on the realtime device, where only whole realtime extents can be freed: the rest of one
 * stays mapped and becomes unwritten, which reads as zeros and costs no writing.
 *
 *     | rtext | rtext | rtext |        punched: xxxxxxxxxx        | u x | freed | x u |
 *           xxxxxxxxxx
 *
 * Mirrors: fs/xfs/libxfs/xfs_bmap.c (__xfs_bunmapi).
 */
import { convertExtent, unmapExtent } from '../bmap-edit.ts';
import { forkBefore } from '../bmap-fork.ts';
import { Extent } from '../extent.ts';
import type { XfsInode } from '../inode.ts';
import { logInode } from '../inode-pin.ts';
import type { Trans } from '../trans.ts';
import { giveRealtime } from './space.ts';

/** Steps of one transaction. */
const BATCH = 64;

const found = new Extent();
const left = new Extent();

/** As unmapSome(): goes through [first, end) from its end; answers where the rest ends. */
export function unmapSomeRealtime(tp: Trans, ip: XfsInode, first: number, end: number, cut: boolean): number {
  let to = end;
  for (let i = 0; i < BATCH; i++) {
    if (!forkBefore(ip, 'data', to, found) || found.end <= first) return first;
    to = unmapOne(tp, ip, first, Math.min(found.end, to), cut);
    if (to <= first) return first;
  }
  return to;
}

/** What `found` has in [first, to), or as much of it as is one realtime extent's; answers where the rest ends. */
function unmapOne(tp: Trans, ip: XfsInode, first: number, to: number, cut: boolean): number {
  const unit = ip.mp.rtExtSize;
  let off = Math.max(found.off, first);
  let count = to - off;
  const { unwritten } = found;
  const block = found.block + (off - found.off);
  const behind = (block + count) % unit;
  if (behind > 0) {
    const part = Math.min(behind, count);
    if (!unwritten) convertExtent(tp, ip, 'data', to - part, part, true);
    return to - part;
  }
  const before = block % unit;
  const lead = before === 0 ? 0 : unit - before;
  if (count <= lead) {
    if (!unwritten) {
      // What is kept behind the new end of a cut file stays as it is.
      if (cut && off === first) return off;
      convertExtent(tp, ip, 'data', off, count, true);
      return to;
    }
    // Its realtime extent begins in the record before: if that is written, what is to go of it becomes unwritten too.
    const joined = off > first && forkBefore(ip, 'data', off, left) && left.end === off && left.written;
    if (!joined || left.block + left.count !== block) return off;
    const from = Math.max(first, off - before, left.off);
    convertExtent(tp, ip, 'data', from, off - from, true);
    return to;
  }
  off += lead;
  count -= lead;
  logInode(tp, ip);
  unmapExtent(tp, ip, 'data', off, count);
  giveRealtime(tp, (block + lead) / unit, count / unit);
  return off;
}
