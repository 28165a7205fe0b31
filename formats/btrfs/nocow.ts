/**
 * Whether bytes may be written where they are. Only into preallocated space, and over any extent of a file without
 * copy-on-write (chattr +C); and only if nobody else uses the extent: not a snapshot taken since it was written, not a
 * reflink, and no checksum that would no longer be right.
 *
 * Mirrors: fs/btrfs/inode.c (can_nocow_file_extent, should_nocow).
 */
import { hasCsums } from './csum-items.ts';
import type { FileExtent } from './file-extent.ts';
import type { BtrfsInode } from './inode.ts';
import { FileExtentType } from './structure/file-extent.ts';
import { InodeFlag } from './structure/inode.ts';

/** True if some extents of the file may be written in place at all. */
export function mayWriteInPlace(ip: BtrfsInode): boolean {
  return (ip.flags & (InodeFlag.NODATACOW | InodeFlag.PREALLOC)) !== 0;
}

/** True if the bytes [start, end) of `extent` may be overwritten where they are. @throws FsError EUCLEAN, EIO */
export function canWriteInPlace(ip: BtrfsInode, extent: FileExtent, start: number, end: number): boolean {
  if (extent.inline || extent.bytenr === 0) return false;
  if (extent.type === FileExtentType.REG && (ip.flags & InodeFlag.NODATACOW) === 0) return false;
  if (extent.compression !== 0 || extent.encoded) return false;
  if (extent.generation <= ip.root.lastSnapshot) return false;
  const origin = extent.refOffset;
  if (ip.mp.refs.crossReferenced(ip.root, ip.ino, origin, extent.bytenr)) return false;
  return !hasCsums(ip.mp, extent.bytenr + extent.offset + (start - extent.pos), end - start);
}
