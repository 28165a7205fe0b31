/** FIBMAP (kernel: iomap_bmap): where one block of a file lies. */
import { FsError } from '../errors.ts';
import type { Inode } from '../vfs/inode.ts';
import { type Actor, iomapApply, type Progress } from './apply.ts';
import { IomapOp, IomapType } from './iomap.ts';
import { writeback } from './writeback.ts';

interface BmapContext extends Progress {
  addr: number;
}

/** The device block of file block `block`, both in file-system blocks; 0 if it is a hole or not plainly mapped. */
export function bmap(inode: Inode, block: number): number {
  const { blockSize } = inode.pages;
  writeback(inode);
  const context: BmapContext = { done: 0, addr: 0 };
  try {
    iomapApply(inode, block * blockSize, blockSize, IomapOp.REPORT, inode.iomap.read, actor, context, 'iomap_bmap');
  } catch (error) {
    // An inode without a mapping there answers so.
    if (!(error instanceof FsError) || error.code !== 'ENOENT') throw error;
  }
  return Math.floor(context.addr / blockSize);
}

const actor: Actor<BmapContext> = (context, _inode, pos, _length, iomap) => {
  if (iomap.type === IomapType.MAPPED) context.addr = iomap.addr + (pos - iomap.offset);
  return 0;
};
