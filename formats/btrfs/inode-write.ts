/**
 * What changes an inode item beside its names: times when content changes, sizes when data are on the disk, fsync.
 *
 * The size on disk follows the data: with holes that need no items it is the size in memory as soon as anything is
 * recorded; where every hole is an item, it must not pass the first byte that no item covers.
 *
 * Mirrors: fs/btrfs/inode.c (btrfs_update_inode), fs/btrfs/file-item.c (btrfs_inode_safe_disk_i_size_write),
 * fs/btrfs/file.c (btrfs_sync_file, update_time_for_write), fs/attr.c (setattr_should_drop_suidgid).
 */

import { FsError } from '../../core/errors.ts';
import { writeback } from '../../core/iomap/writeback.ts';
import { roundUp } from '../../core/units.ts';
import type { Timestamp } from '../../core/vfs/inode.ts';
import { setIdBits } from '../../core/vfs/mode.ts';
import { FileExtent } from './file-extent.ts';
import { readAt, seekExtent } from './file-extents.ts';
import type { BtrfsInode } from './inode.ts';
import { InodeFlag, InodeItem } from './structure/inode.ts';
import { TreeCursor } from './tree/cursor.ts';
import type { TreeRoot } from './tree/root.ts';
import { settle } from './write-state.ts';

/** Linux's clock for timestamps moves in ticks; a write in the same tick as the last one changes no time. */
const TICK = 4_000_000;

const { get, set } = InodeItem;

/** @throws FsError EROFS, EPERM for a file marked immutable or append-only (`append`: growing it is all right) */
export function checkWritable(ip: BtrfsInode, append = false): void {
  if (ip.mp.readOnly || ip.root.readOnly) throw new FsError('EROFS');
  if ((ip.flags & InodeFlag.IMMUTABLE) !== 0) throw new FsError('EPERM', { detail: 'the file is immutable' });
  if (!append && (ip.flags & InodeFlag.APPEND) !== 0) throw new FsError('EPERM', { detail: 'the file is append-only' });
}

/** @throws FsError EROFS, EPERM for an append-only file */
export function checkNotAppendOnly(ip: BtrfsInode): void {
  if (ip.mp.readOnly || ip.root.readOnly) throw new FsError('EROFS');
  if ((ip.flags & InodeFlag.APPEND) !== 0) throw new FsError('EPERM', { detail: 'the file is append-only' });
}

/** Sets times in an inode item. */
export function setTimes(view: DataView, now: Timestamp, ...fields: readonly ('atime' | 'ctime' | 'mtime')[]): void {
  for (const field of fields) set[field](view, 0, { sec: now.seconds, nsec: now.nanoseconds });
}

/** Changes the inode item as part of the running transaction. Inside mp.change(). */
export function updateInode(ip: BtrfsInode, change: (view: DataView) => void): void {
  ip.edit((view) => {
    set.transid(view, 0, ip.mp.trans.id);
    change(view);
  });
  touchRoot(ip.root);
}

/** The tree changes now: its ROOT_ITEM, which is written at commit, says when. Inside mp.change(). */
export function touchRoot(root: TreeRoot): void {
  const { item, mp } = root;
  if (item === null) return;
  const { seconds, nanoseconds } = mp.now();
  item.ctransid = mp.trans.id;
  item.ctime = { sec: seconds, nsec: nanoseconds };
}

/** Content is about to change: mtime and ctime become now, set-id bits go. */
export function touchInode(ip: BtrfsInode): void {
  const now = ip.mp.now();
  // Who has root's capability (CAP_FSETID) writes without taking the bits away.
  const cleared = ip.mp.options.owner.uid === 0 ? 0 : setIdBits(ip.mode);
  if (cleared === 0 && sameTick(ip.item, now)) return;
  ip.mp.change('times', 1, () =>
    updateInode(ip, (view) => {
      set.mode(view, 0, ip.mode & ~cleared);
      set.sequence(view, 0, get.sequence(view, 0) + 1);
      setTimes(view, now, 'mtime', 'ctime');
    }),
  );
}

function sameTick(item: DataView, now: Timestamp): boolean {
  for (const field of ['mtime', 'ctime'] as const) {
    const was = get[field](item, 0);
    if (was.sec !== now.seconds || Math.abs(now.nanoseconds - was.nsec) >= TICK) return false;
  }
  return true;
}

/**
 * Records what a change of the file's extents means for its item: `added` bytes count in nbytes now, and the size on
 * disk reaches as far as it may. Inside mp.change(), after the items have changed.
 */
export function recordData(ip: BtrfsInode, added: number, change?: (view: DataView) => void): void {
  const size = safeDiskSize(ip);
  const before = ip.size;
  updateInode(ip, (view) => {
    set.nbytes(view, 0, Math.max(0, get.nbytes(view, 0) + added));
    set.size(view, 0, size);
    change?.(view);
  });
  ip.setMemorySize(before);
}

/** The file ends at `size` from now on, in memory and as far as it may on disk. @throws FsError ENOSPC: it does not */
export function recordGrowth(ip: BtrfsInode, size: number, change: (view: DataView) => void): void {
  const before = ip.size;
  ip.setMemorySize(size);
  try {
    ip.mp.change('size', 1, () => recordData(ip, 0, change));
  } catch (error) {
    ip.setMemorySize(before);
    throw error;
  }
}

const found = new FileExtent();

/** How far the size on disk may go: to the size in memory, but not past a gap between items where there must be none. */
function safeDiskSize(ip: BtrfsInode): number {
  const { size } = ip;
  if (ip.mp.features.noHoles || size === 0) return size;
  const { sectorSize } = ip.mp;
  let covered = roundUp(Math.min(ip.diskSize, size), sectorSize);
  const cursor = new TreeCursor(ip.root);
  try {
    let more = seekExtent(cursor, ip.ino, Math.max(0, covered - sectorSize), found);
    while (more && covered < size) {
      if (found.pos > covered) break;
      covered = Math.max(covered, roundUp(found.end, sectorSize));
      more = cursor.next() && readAt(cursor, ip.ino, found);
    }
  } finally {
    cursor.close();
  }
  return Math.min(size, covered);
}

/** Writes the dirty pages of the file and commits, if there is anything to commit. @throws FsError */
export function fsyncInode(ip: BtrfsInode): void {
  writeback(ip);
  settle(ip);
  if (ip.mp.trans.running) ip.mp.trans.commit();
}
