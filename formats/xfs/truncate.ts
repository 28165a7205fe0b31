/**
 * Changing a file's size. Growing zeroes what lies between the old end and the new one where blocks exist there;
 * shrinking zeroes the rest of the last block, records the new size first, then frees blocks from the end on in a
 * chain of transactions: a crash between two of them leaves blocks beyond the end, which belong to nobody's bytes.
 *
 * Mirrors: fs/xfs/xfs_iops.c (xfs_setattr_size), fs/xfs/xfs_inode.c (xfs_itruncate_extents_flags),
 * fs/xfs/libxfs/xfs_bmap.c (xfs_bunmapi).
 */
import { FsError } from '../../core/errors.ts';
import { truncatePage, zeroRange } from '../../core/iomap/write.ts';
import { writeback } from '../../core/iomap/writeback.ts';
import { MAX_POS } from '../../core/units.ts';
import { freeExtent } from './alloc/free.ts';
import { refcountDecrease } from './alloc/refcount.ts';
import { refcountReach } from './alloc/refcount-reach.ts';
import { unmapExtent } from './bmap-edit.ts';
import { forkBefore } from './bmap-fork.ts';
import { cancelCow } from './cow.ts';
import { punchDelalloc } from './delalloc.ts';
import { Extent, NULL_OFFSET } from './extent.ts';
import type { XfsInode } from './inode.ts';
import { diskSize, inodeFlags2, isReflinked, setDiskSize, setFlags2, setTimes } from './inode-core.ts';
import { logInode } from './inode-pin.ts';
import { checkNotAppendOnly } from './inode-write.ts';
import { unmapSomeRealtime } from './rt/unmap.ts';
import { DiFlag2 } from './structure/dinode.ts';
import type { Trans } from './trans.ts';

/** Records removed in one transaction. */
const BATCH = 64;

/** Sets the size of a regular file. @throws FsError EINVAL, EFBIG, EPERM, ENOSPC, EIO */
export function truncateInode(ip: XfsInode, size: number): void {
  if (ip.kind === 'dir') throw new FsError('EISDIR');
  if (ip.kind !== 'file' || size < 0) throw new FsError('EINVAL');
  if (size > MAX_POS) throw new FsError('EFBIG');
  // Of a file that was opened before it became immutable, the size may still change.
  checkNotAppendOnly(ip);
  setSize(ip, size);
}

/** truncateInode() without the questions about permission: also the end of fallocate and collapse. */
export function setSize(ip: XfsInode, size: number): void {
  const old = ip.size;
  if (size === 0 && old === 0 && ip.dataFork.nextents === 0 && ip.delalloc.size === 0) {
    ip.mp.transact('times', (tp) => {
      logInode(tp, ip);
      setTimes(ip, ip.fs.now(), 'mtime', 'ctime');
    });
    return;
  }
  // The zeroed edge may be the first write to the image, before any transaction.
  if (!ip.mp.log.inRecovery) ip.mp.log.start();
  const zeroed = size > old ? zeroRange(ip, old, size - old) : truncatePage(ip, size);
  const onDisk = diskSize(ip);
  ip.setMemorySize(size);
  ip.pages.truncate(size);
  // Bytes between both old ends must be on the device before the new size says that they exist.
  if (zeroed || (size > onDisk && old !== onDisk)) writeback(ip, onDisk, size);
  ip.mp.transact('truncate', (tp) => {
    logInode(tp, ip);
    setDiskSize(ip, size);
    setTimes(ip, ip.fs.now(), 'mtime', 'ctime');
  });
  ip.setMemorySize(size);
  if (size > old) return;
  freeFrom(ip, Math.ceil(size / ip.mp.blockSize));
  ip.truncated = true;
}

/** Frees every block of the data and CoW forks from file block `first` on. */
export function freeFrom(ip: XfsInode, first: number): void {
  punchDelalloc(ip, 'data', first, NULL_OFFSET);
  unmapRange(ip, first, NULL_OFFSET);
  cancelCow(ip, first, NULL_OFFSET);
  if (isReflinked(ip) && ip.dataFork.nextents === 0 && ip.delalloc.size === 0 && ip.cow.size === 0) {
    ip.mp.transact('clear reflink', (tp) => {
      logInode(tp, ip);
      setFlags2(ip, inodeFlags2(ip) & ~DiFlag2.REFLINK);
    });
  }
}

const found = new Extent();

/** Unmaps and frees the allocated blocks of [first, end), from the end on, in as many transactions as it takes (`rest` between). */
export function unmapRange(ip: XfsInode, first: number, end: number, rest?: () => void): void {
  // Linux has no blocks for a longer mapping when it cuts a file, but when it punches.
  const cut = end === NULL_OFFSET;
  let to = end;
  while (to > first && forkBefore(ip, 'data', to, found) && found.end > first) {
    const from = to;
    to = ip.mp.transact('unmap', (tp) => unmapSome(tp, ip, first, from, cut));
    rest?.();
  }
}

/** Removes up to BATCH records of [first, end) at its end (`cut`: of all that follows); answers where the rest ends. */
export function unmapSome(tp: Trans, ip: XfsInode, first: number, end: number, cut = true): number {
  if (ip.realtime) return unmapSomeRealtime(tp, ip, first, end, cut);
  let to = end;
  for (let i = 0; i < BATCH; i++) {
    if (!forkBefore(ip, 'data', to, found) || found.end <= first) return first;
    let off = Math.max(found.off, first);
    let count = Math.min(found.end, to) - off;
    let short = false;
    if (count > 0) {
      const shared = isReflinked(ip);
      const whole = count;
      if (shared) count = refcountReach(tp.mp, found.block + (off - found.off), count, 'end');
      short = count < whole;
      off += whole - count;
      const block = found.block + (off - found.off);
      logInode(tp, ip);
      unmapExtent(tp, ip, 'data', off, count);
      if (shared) refcountDecrease(tp, block, count);
      else freeExtent(tp, block, count, 'skip');
    }
    to = off;
    if (to <= first) return first;
    if (short) return to;
  }
  return to;
}
