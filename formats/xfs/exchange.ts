/**
 * Exchanging the contents of ranges of two files by exchanging their mappings, all of it or nothing.
 *
 * Mirrors: fs/xfs/xfs_exchrange.c, fs/xfs/libxfs/xfs_exchmaps.c, fs/xfs/xfs_bmap_util.c (xfs_swap_extents).
 */
import { FsError } from '../../core/errors.ts';
import { writeback } from '../../core/iomap/writeback.ts';
import { crossesGap, POS_END } from '../../core/positions.ts';
import type { ExchangeOptions } from '../../core/vfs/inode.ts';
import { atomically } from './atomic-work.ts';
import { mapExtent, unmapExtent } from './bmap-edit.ts';
import { forkBefore } from './bmap-fork.ts';
import { extentAddBlocks } from './bmap-limits.ts';
import { cancelCow } from './cow.ts';
import { punchDelalloc } from './delalloc.ts';
import { DELAY, Extent, NULL_OFFSET } from './extent.ts';
import { readMapping } from './fork-view.ts';
import type { XfsInode } from './inode.ts';
import { diskSize, inodeFlags2, isReflinked, setDiskSize, setFlags2, setTimes } from './inode-core.ts';
import { logInode } from './inode-pin.ts';
import { checkWritable } from './inode-write.ts';
import { flushRange } from './space.ts';
import { DiFlag2 } from './structure/dinode.ts';
import type { Trans } from './trans.ts';

/** Mappings exchanged in one transaction. */
const BATCH = 16;

/**
 * Exchanges `length` bytes of `one` at `posOne` and `two` at `posTwo` (toEof: everything from there on, sizes too).
 * @throws FsError EOPNOTSUPP, EXDEV, EISDIR, EINVAL, EPERM, ENOSPC
 */
export function exchangeRange(
  one: XfsInode,
  posOne: number,
  two: XfsInode,
  posTwo: number,
  length: number,
  options: ExchangeOptions,
): void {
  if (one.mp !== two.mp) throw new FsError('EXDEV');
  if (one.kind === 'dir' || two.kind === 'dir') throw new FsError('EISDIR');
  if (one.kind !== 'file' || two.kind !== 'file') throw new FsError('EINVAL');
  if (!one.mp.features.exchange) throw new FsError('EOPNOTSUPP', { detail: 'the image has no exchange-range' });
  if (one.realtime || two.realtime) throw new FsError('EOPNOTSUPP', { detail: 'a file is on the realtime device' });
  const { mp } = one;
  const count = checkRanges(one, posOne, two, posTwo, length, options);
  if (count === 0) return;
  for (const [ip, pos] of [
    [one, posOne],
    [two, posTwo],
  ] as const) {
    if (options.toEof) writeback(ip);
    else writeback(ip, Math.min(pos, diskSize(ip)), pos + count);
  }
  if (options.dryRun) return;
  for (const [ip, pos] of [
    [two, posTwo],
    [one, posOne],
  ] as const) {
    flushRange(ip, pos, count);
    cancelCow(ip, Math.floor(pos / mp.blockSize), Math.ceil((pos + count) / mp.blockSize));
  }
  const blocks = Math.ceil(count / mp.blockSize);
  atomically(mp, (rest) => {
    begin(one, two, true);
    swapMappings(one, posOne / mp.blockSize, two, posTwo / mp.blockSize, blocks, options.fileOneWritten, rest);
    if (options.toEof) swapSizes(one, two);
  });
}

function checkRanges(
  one: XfsInode,
  posOne: number,
  two: XfsInode,
  posTwo: number,
  length: number,
  options: ExchangeOptions,
): number {
  const { blockSize } = one.mp;
  const invalid = (detail: string) => new FsError('EINVAL', { detail });
  checkWritable(one);
  checkWritable(two);
  if (posOne > one.size || posTwo > two.size) throw invalid('a range starts beyond the end of its file');
  const count = options.toEof ? Math.max(one.size - posOne, two.size - posTwo) : length;
  const beyond = posOne + count > one.size || posTwo + count > two.size;
  if (!options.toEof && beyond) throw invalid('a range ends beyond the end of its file');
  const whole = (value: number): boolean => value % blockSize === 0;
  if (!whole(posOne) || !whole(posTwo)) throw invalid(`not a multiple of ${blockSize} bytes`);
  if (posOne !== posTwo && (crossesGap(posOne, count) || crossesGap(posTwo, count))) throw new FsError('EFBIG');
  const toEnd = posOne + count === one.size || posTwo + count === two.size;
  if (!toEnd && !whole(count)) throw invalid(`not a multiple of ${blockSize} bytes`);
  const rounded = Math.ceil(count / blockSize) * blockSize;
  if (one.ino === two.ino && posTwo + rounded > posOne && posOne + rounded > posTwo) throw invalid('ranges overlap');
  if (!whole(count) && (posTwo + count < two.size || posOne + count < one.size)) {
    throw invalid('a partial block would end inside a file');
  }
  return count;
}

/** Times (`timed`), and the flag that keeps shared blocks shared wherever they go. */
function begin(one: XfsInode, two: XfsInode, timed: boolean): void {
  const shared = isReflinked(one) || isReflinked(two);
  one.mp.transact('exchange', (tp) => {
    for (const ip of one.ino === two.ino ? [one] : [one, two]) {
      logInode(tp, ip);
      if (timed) setTimes(ip, ip.fs.now(), 'mtime', 'ctime');
      if (shared && !isReflinked(ip)) setFlags2(ip, inodeFlags2(ip) | DiFlag2.REFLINK);
    }
  });
}

const first = new Extent();
const second = new Extent();
const mapped = new Extent();

/** Exchanges `count` blocks of mappings in a chain of transactions; `rest` runs between two. @throws FsError ENOSPC */
export function swapMappings(
  one: XfsInode,
  offOne: number,
  two: XfsInode,
  offTwo: number,
  count: number,
  writtenOnly: boolean,
  rest: () => void,
): void {
  const { mp } = one;
  for (let done = 0; done < count; ) {
    const start = done;
    const held = BATCH * 2 * extentAddBlocks(mp);
    mp.space.reserve(held);
    try {
      done = mp.transact('exchange', (tp) => {
        let next = start;
        for (let i = 0; i < BATCH && next < count; i++) {
          next += swapOne(tp, one, offOne + next, two, offTwo + next, count - next, writtenOnly);
        }
        return next;
      });
    } finally {
      mp.space.unreserve(held);
    }
    rest();
  }
}

/** Exchanges as many blocks as lie in one mapping of both files. @returns how many */
function swapOne(
  tp: Trans,
  one: XfsInode,
  offOne: number,
  two: XfsInode,
  offTwo: number,
  count: number,
  writtenOnly: boolean,
): number {
  readMapping(one, offOne, count, first);
  if (writtenOnly && !first.written) return first.count;
  readMapping(two, offTwo, first.count, second);
  const n = second.count;
  first.count = n;
  if (first.block === second.block && first.block !== DELAY) return n;
  logInode(tp, one);
  logInode(tp, two);
  if (first.block === DELAY) punchDelalloc(one, 'data', offOne, offOne + n);
  if (second.block === DELAY) punchDelalloc(two, 'data', offTwo, offTwo + n);
  if (first.real) unmapExtent(tp, one, 'data', offOne, n);
  if (second.real) unmapExtent(tp, two, 'data', offTwo, n);
  if (second.real) mapExtent(tp, one, 'data', mapped.set(offOne, second.block, n, second.unwritten));
  if (first.real) mapExtent(tp, two, 'data', mapped.set(offTwo, first.block, n, first.unwritten));
  return n;
}

/** Linux gives each file the other's size, also where the ranges begin at different places. */
function swapSizes(one: XfsInode, two: XfsInode): void {
  const [sizeOne, sizeTwo] = [two.size, one.size];
  one.mp.transact('exchange sizes', (tp) => {
    logInode(tp, one);
    logInode(tp, two);
    setDiskSize(one, sizeOne);
    setDiskSize(two, sizeTwo);
  });
  one.setMemorySize(sizeOne);
  two.setMemorySize(sizeTwo);
}

/** The end of the last extent of a realtime file, whose realtime extents must not come apart; 0 of others. */
function realtimeEnd(ip: XfsInode): number {
  return ip.realtime && forkBefore(ip, 'data', NULL_OFFSET, first) ? first.end : 0;
}

/**
 * Exchanges the whole data of two files of the same size (XFS_IOC_SWAPEXT): `donor` has no more extents than
 * `target`. @throws FsError EINVAL, EFAULT when the sizes differ, ENOSPC
 */
export function swapExtents(target: XfsInode, donor: XfsInode): void {
  const invalid = (detail: string) => new FsError('EINVAL', { detail });
  if (target.mp !== donor.mp || target.ino === donor.ino) throw invalid('not two files of one file system');
  if (target.kind !== 'file' || donor.kind !== 'file') throw invalid('not a regular file');
  if (target.realtime !== donor.realtime) throw invalid('one file is on the realtime device');
  checkWritable(target);
  const { mp } = target;
  for (const ip of [target, donor]) {
    writeback(ip);
    ip.pages.invalidate(0, POS_END);
    cancelCow(ip, 0, NULL_OFFSET);
    punchDelalloc(ip, 'data', Math.ceil(ip.size / mp.blockSize), NULL_OFFSET);
  }
  if (diskSize(target) !== diskSize(donor)) throw new FsError('EFAULT', { detail: 'the files differ in size' });
  if (target.dataFork.nextents < donor.dataFork.nextents) throw invalid('the donor has more extents');
  // This older call leaves the times alone.
  const end = Math.max(Math.ceil(target.size / mp.blockSize), realtimeEnd(target), realtimeEnd(donor));
  const both = inodeFlags2(target) | inodeFlags2(donor);
  atomically(mp, (rest) => {
    if ((both & DiFlag2.REFLINK) !== 0) begin(target, donor, false);
    swapMappings(target, 0, donor, 0, end, false, rest);
  });
}
