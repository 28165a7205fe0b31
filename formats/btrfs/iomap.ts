/** btrfs's answers to the engine, by kind of operation. */
import type { InodeIomapOps } from '../../core/iomap/iomap.ts';
import { roundDown, roundUp } from '../../core/units.ts';
import type { BtrfsInode } from './inode.ts';
import { bounceDirect, directOps, endDirectWrite } from './iomap-direct.ts';
import { readOps, seekOps } from './iomap-read.ts';
import { writeOps } from './iomap-write.ts';
import { flushRange } from './space.ts';
import { expand } from './truncate.ts';
import { writebackOps } from './writeback.ts';

export const btrfsIomapOps: InodeIomapOps = {
  read: readOps,
  seek: seekOps,
  write: writeOps,
  direct: directOps,
  writeback: writebackOps,
  bounceDirect,
  endBouncedWrite(inode, pos, end) {
    const ip = inode as BtrfsInode;
    flushRange(ip, pos, end);
    ip.pages.invalidate(roundDown(pos, ip.pages.pageSize), roundUp(end, ip.pages.pageSize));
  },
  fillGap(inode, _pos, end) {
    const ip = inode as BtrfsInode;
    expand(ip, ip.size, roundUp(end, ip.mp.sectorSize));
  },
  endDirectWrite,
};
