/**
 * What changes an inode besides its blocks: times when content changes, set-id bits, and fsync. Sizes on disk are
 * set where data becomes durable (writeback.ts, truncate.ts).
 *
 * Mirrors: fs/xfs/xfs_iops.c (xfs_vn_update_time), fs/inode.c (file_modified), fs/xfs/xfs_file.c (xfs_file_fsync).
 */

import { FsError } from '../../core/errors.ts';
import { writeback } from '../../core/iomap/writeback.ts';
import type { Timestamp } from '../../core/vfs/inode.ts';
import { setIdBits } from '../../core/vfs/mode.ts';
import type { XfsInode } from './inode.ts';
import { inodeFlags, inodeFlags2, setTimes } from './inode-core.ts';
import { isPinnedDirty, logInode, notePinnedTimes, pinned } from './inode-pin.ts';
import { DiFlag, DiFlag2, Dinode, readTimestamp } from './structure/dinode.ts';

/** Linux's clock for timestamps moves in ticks; a write in the same tick as the last one changes no time. */
const TICK = 4_000_000;

/** @throws FsError EPERM for a file marked immutable or append-only (`append`: growing it is all right) */
export function checkWritable(ip: XfsInode, append = false): void {
  const flags = inodeFlags(ip);
  if ((flags & DiFlag.IMMUTABLE) !== 0) throw new FsError('EPERM', { detail: 'the file is immutable' });
  if (!append && (flags & DiFlag.APPEND) !== 0) throw new FsError('EPERM', { detail: 'the file is append-only' });
}

/** @throws FsError EPERM for an append-only file */
export function checkNotAppendOnly(ip: XfsInode): void {
  if ((inodeFlags(ip) & DiFlag.APPEND) !== 0) throw new FsError('EPERM', { detail: 'the file is append-only' });
}

/** Content is about to change: mtime and ctime become now, set-id bits go. */
export function touchInode(ip: XfsInode): void {
  const now = ip.fs.now();
  // Who has root's capability (CAP_FSETID) writes without taking the bits away.
  const cleared = ip.mp.options.owner.uid === 0 ? 0 : setIdBits(ip.mode);
  if (cleared === 0 && sameTick(ip, now)) return;
  const before = isPinnedDirty(ip) ? pinned(ip) : null;
  ip.mp.transact('times', (tp) => {
    if (cleared !== 0) {
      logInode(tp, ip);
      Dinode.set.mode(ip.buf.view, ip.base, ip.mode & ~cleared);
    } else tp.modifyInode(ip, 'core');
    setTimes(ip, now, 'mtime', 'ctime');
  });
  if (cleared === 0) notePinnedTimes(ip, before);
}

function sameTick(ip: XfsInode, now: Timestamp): boolean {
  const bigtime = (inodeFlags2(ip) & DiFlag2.BIGTIME) !== 0;
  for (const field of ['mtime', 'ctime'] as const) {
    const was = readTimestamp(ip.buf.view, ip.base + Dinode.at[field], bigtime);
    if (was.seconds !== now.seconds || Math.abs(now.nanoseconds - was.nanoseconds) >= TICK) return false;
  }
  return true;
}

/** Makes what was changed in the inode durable; dirty pages stay as they are (kernel: xfs_log_force_inode). */
export function forceLog(ip: XfsInode): void {
  if (!ip.mp.readOnly && pinned(ip) !== null) ip.mp.log.force();
}

/** Writes the dirty pages and makes what was written findable after a crash. `dataOnly`: times need not be. */
export function fsyncInode(ip: XfsInode, dataOnly: boolean, start?: number, end?: number): void {
  writeback(ip, start, end);
  if (ip.mp.readOnly) return;
  if (dataOnly ? isPinnedDirty(ip) : pinned(ip) !== null) ip.mp.log.force();
  // Its changes are in a checkpoint that was written before, perhaps to a log on another device.
  else if (ip.mp.log.active) ip.mp.log.flushDevices();
}
