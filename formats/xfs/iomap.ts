/** XFS's answers to the engine, by kind of operation. */
import type { InodeIomapOps } from '../../core/iomap/iomap.ts';
import { bounceDirect, directOps, endDirectWrite } from './iomap-direct.ts';
import { readOps, seekOps, xattrOps } from './iomap-read.ts';
import { makeRoom, writeOps } from './iomap-write.ts';
import { writebackOps } from './writeback.ts';

/** Loop devices and images: direct writes come in these units whatever the file system's sectors are. */
const SECTOR = 512;

// What only writing asks for is fetched when it is asked for: most runs of the program that read never do.
const OPS: InodeIomapOps = {
  read: readOps,
  seek: seekOps,
  xattr: xattrOps,
  get write() {
    return writeOps();
  },
  get direct() {
    return directOps();
  },
  get dax() {
    return directOps();
  },
  get writeback() {
    return writebackOps();
  },
  directAlignment: SECTOR,
  largeFolios: true,
  bounceDirect,
  makeRoom,
  endDirectWrite,
};

/** How XFS answers the engine. */
export function xfsIomapOps(): InodeIomapOps {
  return OPS;
}
