/**
 * Moving the extents behind a point of a file to the left (collapse) or right (insert), one record at a time from
 * the side that makes room. Each step is valid on its own; callers make all of them one step for crashes.
 *
 * Mirrors: fs/xfs/libxfs/xfs_bmap.c (xfs_bmap_collapse_extents, xfs_bmap_insert_extents, xfs_bmap_split_extent).
 */
import { FsError } from '../../core/errors.ts';
import { crossesGap, FAR, POS_END } from '../../core/positions.ts';
import { rmapMap, rmapUnmap } from './alloc/rmap.ts';
import { forkBefore, forkLookup, spliceRecords } from './bmap-fork.ts';
import { Extent, MAX_EXTENT_LENGTH, NULL_OFFSET } from './extent.ts';
import type { XfsInode } from './inode.ts';
import { logInode } from './inode-pin.ts';
import type { Trans } from './trans.ts';

/** Records moved in one transaction. */
const BATCH = 64;

const moving = new Extent();
const neighbour = new Extent();
const old: Extent[] = [new Extent(), new Extent()];
const fresh: Extent[] = [new Extent(), new Extent()];

/**
 * Far extents move by labels (core/positions.ts), which is their real distance only inside an island: none of those at
 * or behind `off` may leave its own when it moves by `distance` blocks. @throws FsError EFBIG, EINVAL behind the last one
 */
export function checkShift(ip: XfsInode, off: number, distance: number): void {
  const { blockSize } = ip.mp;
  // Linux moves what is kept beyond the end of a file behind the largest position; xfs_repair then calls it damage.
  const beyond = POS_END / blockSize - distance;
  if (distance > 0 && forkBefore(ip, 'data', NULL_OFFSET, moving) && moving.off >= beyond) throw new FsError('EINVAL');
  let at = Math.max(off, FAR / blockSize - Math.abs(distance));
  for (; forkLookup(ip, 'data', at, moving); at = moving.end) {
    const from = Math.min(moving.off, moving.off + distance) * blockSize;
    if (crossesGap(from, (moving.count + Math.abs(distance)) * blockSize)) throw new FsError('EFBIG');
  }
}

/** Moves everything from file block off + count on to the left by `count`; that range is a hole. */
export function collapseRange(ip: XfsInode, off: number, count: number, rest: () => void): void {
  let next = off + count;
  while (forkLookup(ip, 'data', next, moving)) {
    const from = next;
    next = ip.mp.transact('collapse', (tp) => {
      let at = from;
      for (let i = 0; i < BATCH && forkLookup(ip, 'data', at, moving); i++) {
        at = moving.end;
        shiftLeft(tp, ip, count);
      }
      return at;
    });
    rest();
  }
}

function shiftLeft(tp: Trans, ip: XfsInode, count: number): void {
  const target = moving.off - count;
  const hasLeft = forkBefore(ip, 'data', moving.off, neighbour);
  if (target < 0 || (hasLeft && neighbour.end > target)) throw new FsError('EINVAL', { detail: 'no room to shift' });
  const joins =
    hasLeft &&
    neighbour.end === target &&
    neighbour.block + neighbour.count === moving.block &&
    neighbour.unwritten === moving.unwritten &&
    neighbour.count + moving.count <= MAX_EXTENT_LENGTH;
  logInode(tp, ip);
  if (joins) {
    (old[0] as Extent).copyFrom(neighbour);
    (old[1] as Extent).copyFrom(moving);
    (fresh[0] as Extent).copyFrom(neighbour).count += moving.count;
    spliceRecords(tp, ip, 'data', old, 2, fresh, 1);
  } else replaceAt(tp, ip, target);
  moveOwner(tp, ip, target);
}

/** Moves everything from file block `off` on to the right by `count`; an extent across `off` is split first. */
export function insertRange(ip: XfsInode, off: number, count: number, rest: () => void): void {
  ip.mp.transact('split', (tp) => splitAt(tp, ip, off));
  rest();
  let end = NULL_OFFSET;
  while (forkBefore(ip, 'data', end, moving) && moving.off >= off) {
    const from = end;
    end = ip.mp.transact('insert', (tp) => {
      let at = from;
      for (let i = 0; i < BATCH && forkBefore(ip, 'data', at, moving) && moving.off >= off; i++) {
        at = moving.off;
        const target = moving.off + count;
        logInode(tp, ip);
        replaceAt(tp, ip, target);
        moveOwner(tp, ip, target);
      }
      return at;
    });
    rest();
  }
}

function splitAt(tp: Trans, ip: XfsInode, off: number): void {
  if (!forkLookup(ip, 'data', off, moving) || moving.off >= off) return;
  const head = off - moving.off;
  logInode(tp, ip);
  (old[0] as Extent).copyFrom(moving);
  (fresh[0] as Extent).set(moving.off, moving.block, head, moving.unwritten);
  (fresh[1] as Extent).set(off, moving.block + head, moving.count - head, moving.unwritten);
  spliceRecords(tp, ip, 'data', old, 1, fresh, 2);
}

/** Gives the record `moving` another file offset between the same neighbours. */
function replaceAt(tp: Trans, ip: XfsInode, target: number): void {
  (old[0] as Extent).copyFrom(moving);
  (fresh[0] as Extent).set(target, moving.block, moving.count, moving.unwritten);
  spliceRecords(tp, ip, 'data', old, 1, fresh, 1);
}

function moveOwner(tp: Trans, ip: XfsInode, target: number): void {
  if (!ip.mp.features.rmapbt) return;
  const owner = (offset: number) => ({ ino: ip.ino, offset, fork: 'data' as const, unwritten: moving.unwritten });
  rmapUnmap(tp, moving.block, moving.count, owner(moving.off));
  rmapMap(tp, moving.block, moving.count, owner(target));
}
