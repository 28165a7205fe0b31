/** btrfs's answers to the engine, by kind of operation. */
import type { InodeIomapOps } from '../../core/iomap/iomap.ts';
import { roundUp } from '../../core/units.ts';
import type { BtrfsInode } from './inode.ts';
import { bounceDirect, directOps, endDirectWrite } from './iomap-direct.ts';
import { readOps, seekOps } from './iomap-read.ts';
import { writeOps } from './iomap-write.ts';
import { expand } from './truncate.ts';
import { writebackOps } from './writeback.ts';

export const btrfsIomapOps: InodeIomapOps = {
  read: readOps,
  seek: seekOps,
  write: writeOps,
  direct: directOps,
  writeback: writebackOps,
  bounceDirect,
  flushBounced: true,
  fillGap(inode, _pos, end) {
    const ip = inode as BtrfsInode;
    expand(ip, ip.size, roundUp(end, ip.mp.sectorSize));
  },
  endDirectWrite,
};
