/** ext4's answers to the engine, by kind of operation. */
import type { InodeIomapOps, IomapOps } from '../../core/iomap/iomap.ts';
import { isInline } from './inline.ts';
import type { Ext4Inode } from './inode.ts';
import { readOps, xattrOps } from './iomap-read.ts';
import { refuseChange } from './unwritable.ts';

const refused: IomapOps = { begin: refuseChange };

export const ext4IomapOps: InodeIomapOps = {
  read: readOps,
  seek: readOps,
  write: refused,
  direct: refused,
  xattr: xattrOps,
  writeback: { mapBlocks: refuseChange, endIo: refuseChange },
  // Bytes in an inode have no sectors of their own.
  bounceDirect: (inode) => isInline(inode as Ext4Inode),
  endDirectWrite: refuseChange,
};
