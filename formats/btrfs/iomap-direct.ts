/**
 * Direct I/O. Linux writes past the page cache only where nobody could change the bytes between their checksum and the
 * device: files without checksums, on profiles with one copy, in whole sectors. All other direct writes go through the
 * cache and are written back at once; reads go through it where the bytes do not lie in the file's order on a device.
 *
 * Mirrors: fs/btrfs/direct-io.c (btrfs_direct_write, btrfs_dio_iomap_begin).
 */
import type { IomapOps } from '../../core/iomap/iomap.ts';
import type { Inode } from '../../core/vfs/inode.ts';
import { FileExtent } from './file-extent.ts';
import { readAt, seekExtent } from './file-extents.ts';
import type { BtrfsInode } from './inode.ts';
import { TreeCursor } from './tree/cursor.ts';
import { withRoom } from './write-state.ts';
import { endDirect, writebackOps } from './writeback.ts';

const found = new FileExtent();

export const directOps: IomapOps = {
  begin(inode, pos, length, _flags, iomap) {
    const ip = inode as BtrfsInode;
    withRoom(ip.mp, () => writebackOps.mapBlocks(ip, pos, length, iomap));
  },
  end(inode, pos, length, written) {
    // What the device refused goes back; what it took is told by endDirectWrite().
    if (written < length) writebackOps.discard?.(inode, pos + written, length - written);
  },
};

/** The data of a direct write are on the device: the trees hear of it, and the file grows. */
export function endDirectWrite(inode: Inode, pos: number, written: number): void {
  const ip = inode as BtrfsInode;
  ip.growSize(pos + written);
  endDirect(ip, pos, written);
}

/** True if direct I/O at this place goes through the page cache in Linux, or has to here. */
export function bounceDirect(inode: Inode, pos: number, length: number, write: boolean): boolean {
  const ip = inode as BtrfsInode;
  const { sectorSize } = ip.mp;
  if (pos % sectorSize !== 0 || length % sectorSize !== 0) return true;
  if (!write) return hasUnreadable(ip, pos, pos + length);
  return !ip.noDataSum || ip.mp.groups.copiesData || hasUnreadable(ip, pos, pos + length);
}

/** True if a part of the range is inline or compressed. */
function hasUnreadable(ip: BtrfsInode, pos: number, end: number): boolean {
  const cursor = new TreeCursor(ip.root);
  try {
    let more = seekExtent(cursor, ip.ino, pos, found);
    while (more && found.pos < end) {
      if (found.inline || found.compression !== 0) return true;
      more = cursor.next() && readAt(cursor, ip.ino, found);
    }
    return false;
  } finally {
    cursor.close();
  }
}
