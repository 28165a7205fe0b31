/** ext4's answers to the engine, by kind of operation. */
import type { InodeIomapOps } from '../../core/iomap/iomap.ts';
import { REFUSED_CHANGES } from '../../core/vfs/unwritable.ts';
import { isInline } from './inline.ts';
import type { Ext4Inode } from './inode.ts';
import { readOps, xattrOps } from './iomap-read.ts';

export const ext4IomapOps: InodeIomapOps = {
  read: readOps,
  seek: readOps,
  ...REFUSED_CHANGES,
  xattr: xattrOps,
  // Bytes in an inode have no sectors of their own.
  bounceDirect: (inode) => isInline(inode as Ext4Inode),
};
