/**
 * Which inodes have changes that only the log's memory knows. FIEMAP shows it (IOMAP_F_DIRTY), and fsync needs the
 * log only for them. A change of timestamps alone does not count, as in Linux (XFS_ILOG_TIMESTAMP).
 */
import type { XfsInode } from './inode.ts';
import type { Trans } from './trans.ts';

/** Announces a change of the inode that fsync must make durable. Call before changing its bytes. */
export function logInode(tp: Trans, ip: XfsInode): void {
  tp.modifyInode(ip);
  ip.timesOnly = null;
}

/** Call after a transaction that changed nothing but times was committed: `before` is what was pinned before it. */
export function notePinnedTimes(ip: XfsInode, before: object | null): void {
  if (before === null) ip.timesOnly = pinned(ip);
}

/** What the log holds of this inode, or null. Another object after each checkpoint. */
export function pinned(ip: XfsInode): object | null {
  const inodes = ip.mp.log?.cil.inodes;
  return inodes === undefined || inodes.size === 0 ? null : (inodes.get(ip.ino) ?? null);
}

/** The inode has changes, other than times, that are not in the log on disk. */
export function isPinnedDirty(ip: XfsInode): boolean {
  const item = pinned(ip);
  return item !== null && item !== ip.timesOnly;
}
