/** btrfs's answers to the engine, by kind of operation. */
import { FsError } from '../../core/errors.ts';
import type { InodeIomapOps, IomapOps } from '../../core/iomap/iomap.ts';
import { readOps, seekOps } from './iomap-read.ts';

function refuse(): never {
  throw new FsError('EOPNOTSUPP');
}

const refused: IomapOps = { begin: refuse };

export const btrfsIomapOps: InodeIomapOps = {
  read: readOps,
  seek: seekOps,
  write: refused,
  direct: refused,
  writeback: { mapBlocks: refuse, endIo: refuse },
  endDirectWrite: refuse,
};
