/**
 * ext4's answers to the engine. A block-mapped file's extents are told as MERGED, an inline file's bytes as they lie in
 * its inode.
 *
 * Mirrors: fs/ext4/inode.c (ext4_iomap_begin_report, ext4_set_iomap).
 */
import { type InodeIomapOps, IomapFlag, type IomapOps, IomapType } from '../../core/iomap/iomap.ts';
import type { Ext4Inode } from './inode.ts';
import { BlockRun, MAX_FILE_BLOCKS } from './map/run.ts';
import { refuseChange } from './unwritable.ts';

const run = new BlockRun();

const readOps: IomapOps = {
  begin(inode, pos, length, _flags, iomap) {
    const ip = inode as Ext4Inode;
    const { blockSize } = ip.mp;
    const first = Math.floor(pos / blockSize);
    const count = Math.ceil((pos + length) / blockSize) - first;
    if (first >= MAX_FILE_BLOCKS) run.set(first, count, 0, false);
    else ip.map(first, run);
    iomap.offset = first * blockSize;
    iomap.length = Math.min(run.length, count) * blockSize;
    iomap.type = run.physical === 0 ? IomapType.HOLE : run.unwritten ? IomapType.UNWRITTEN : IomapType.MAPPED;
    if (run.physical === 0) return;
    iomap.addr = run.physical * blockSize;
    iomap.device = ip.mp.device;
    if (!run.unwritten && !ip.has('EXTENTS')) iomap.flags = IomapFlag.MERGED;
  },
};

const refused: IomapOps = { begin: refuseChange };

export const ext4IomapOps: InodeIomapOps = {
  read: readOps,
  seek: readOps,
  write: refused,
  direct: refused,
  writeback: { mapBlocks: refuseChange, endIo: refuseChange },
  endDirectWrite: refuseChange,
};
