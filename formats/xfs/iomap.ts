/** XFS's answers to the engine, by kind of operation. */
import type { InodeIomapOps } from '../../core/iomap/iomap.ts';
import { bounceDirect, directOps, endDirectWrite } from './iomap-direct.ts';
import { readOps, seekOps, xattrOps } from './iomap-read.ts';
import { writeOps } from './iomap-write.ts';
import { writebackOps } from './writeback.ts';

/** Loop devices and images: direct writes come in these units whatever the file system's sectors are. */
const SECTOR = 512;

const OPS: InodeIomapOps = {
  read: readOps,
  seek: seekOps,
  write: writeOps,
  direct: directOps,
  dax: directOps,
  xattr: xattrOps,
  writeback: writebackOps,
  directAlignment: SECTOR,
  bounceDirect,
  endDirectWrite,
};

/** How XFS answers the engine. */
export function xfsIomapOps(): InodeIomapOps {
  return OPS;
}
