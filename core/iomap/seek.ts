/**
 * lseek's SEEK_HOLE and SEEK_DATA (kernel: fs/iomap/seek.c). An unwritten extent is a hole, except where cached pages
 * are up to date: they may hold data that is not on the device yet.
 */
import { FsError } from '../errors.ts';
import type { Inode } from '../vfs/inode.ts';
import { type Actor, iomapApply, type Progress } from './apply.ts';
import { IomapOp, IomapType } from './iomap.ts';

interface SeekContext extends Progress {
  /** Where the search ended, -1 while it has not. */
  found: number;
}

/** The first hole at or after `pos`; the end of the file counts as one. @throws FsError ENXIO at or beyond EOF */
export function seekHole(inode: Inode, pos: number): number {
  const context = search(inode, pos, holeActor, 'iomap_seek_hole');
  return context.found < 0 ? inode.size : context.found;
}

/** The first data at or after `pos`. @throws FsError ENXIO if there is none before EOF */
export function seekData(inode: Inode, pos: number): number {
  const context = search(inode, pos, dataActor, 'iomap_seek_data');
  if (context.found < 0) throw new FsError('ENXIO');
  return context.found;
}

function search(inode: Inode, pos: number, actor: Actor<SeekContext>, caller: string): SeekContext {
  if (pos < 0 || pos >= inode.size) throw new FsError('ENXIO');
  const context: SeekContext = { done: 0, found: -1 };
  iomapApply(inode, pos, inode.size - pos, IomapOp.REPORT, inode.iomap.seek, actor, context, caller);
  return context;
}

const holeActor: Actor<SeekContext> = (context, inode, pos, length, iomap) => {
  if (iomap.type === IomapType.HOLE) context.found = pos;
  if (iomap.type === IomapType.UNWRITTEN) {
    const hole = inode.pages.seekUptodate(pos, pos + length, false);
    if (hole < pos + length) context.found = hole;
  }
  return context.found < 0 ? length : 0;
};

const dataActor: Actor<SeekContext> = (context, inode, pos, length, iomap) => {
  if (iomap.type === IomapType.HOLE) return length;
  if (iomap.type !== IomapType.UNWRITTEN) context.found = pos;
  else {
    const data = inode.pages.seekUptodate(pos, pos + length, true);
    if (data < pos + length) context.found = data;
  }
  return context.found < 0 ? length : 0;
};
