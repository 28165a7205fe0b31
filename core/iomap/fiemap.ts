/**
 * The extents of a file as FS_IOC_FIEMAP reports them (kernel: fs/iomap/fiemap.c). Streaming: extents are told as
 * numbers, one behind the mapping loop, since only the loop's end shows which one is the last.
 */
import { FsError } from '../errors.ts';
import { MAX_POS } from '../units.ts';
import type { Inode } from '../vfs/inode.ts';
import { iomapApply, type Progress } from './apply.ts';
import { IomapFlag, IomapOp, type IomapOps, IomapType, Mapping, NULL_ADDR } from './iomap.ts';
import { writeback } from './writeback.ts';

/** FIEMAP_EXTENT_* flags. */
export const FiemapExtent = {
  LAST: 0x1,
  UNKNOWN: 0x2,
  DELALLOC: 0x4,
  ENCODED: 0x8,
  NOT_ALIGNED: 0x100,
  DATA_INLINE: 0x200,
  DATA_TAIL: 0x400,
  UNWRITTEN: 0x800,
  MERGED: 0x1000,
  SHARED: 0x2000,
} as const;

/** Receives one extent, bytes; false stops: the caller's array is full with this one. */
export type FiemapVisitor = (logical: number, physical: number, length: number, flags: number) => boolean;

export interface FiemapOptions {
  /** Write dirty pages first (FIEMAP_FLAG_SYNC). */
  readonly sync?: boolean;
  /** Extents of the attribute fork (FIEMAP_FLAG_XATTR). */
  readonly xattr?: boolean;
  /** Not a step of the engine to the user: Linux answers this question without iomap (XFS_IOC_GETBMAPX). */
  readonly untraced?: boolean;
}

/**
 * Visits the extents that touch [start, start + length), in order; an extent is told whole where the file system
 * tells it whole. @throws FsError EFBIG, EINVAL, EBADR
 */
export function fiemap(
  inode: Inode,
  start: number,
  length: number,
  visit: FiemapVisitor,
  options: FiemapOptions = {},
): void {
  if (start >= MAX_POS) throw new FsError('EFBIG');
  if (length === 0) throw new FsError('EINVAL');
  if (options.sync === true) writeback(inode);
  const ops = options.xattr === true ? inode.iomap.xattr : inode.iomap.read;
  if (ops === undefined) throw new FsError('EBADR');
  // "To the end" in whatever way the caller can say it is to the end of the largest file.
  const rest = MAX_POS - start;
  const { tracer } = inode.fs;
  if (options.untraced === true) inode.fs.tracer = null;
  try {
    walk(inode, start, Math.min(length, rest), ops, visit);
  } finally {
    inode.fs.tracer = tracer;
  }
}

function walk(inode: Inode, start: number, length: number, ops: IomapOps, visit: FiemapVisitor): void {
  const context: FiemapContext = { done: 0, previous: new Mapping(), full: false, visit };
  try {
    iomapApply(inode, start, length, IomapOp.REPORT, ops, fiemapActor, context, 'iomap_fiemap');
  } catch (error) {
    // An inode without (attribute) mappings answers so.
    if (!(error instanceof FsError) || error.code !== 'ENOENT') throw error;
  }
  if (context.full) return;
  const { offset, length: bytes } = context.previous;
  tell(context, ops.isLast?.(inode, offset + bytes) === false ? 0 : FiemapExtent.LAST);
}

interface FiemapContext extends Progress {
  readonly previous: Mapping;
  full: boolean;
  readonly visit: FiemapVisitor;
}

function fiemapActor(context: FiemapContext, _inode: Inode, _pos: number, length: number, iomap: Mapping): number {
  if (iomap.type === IomapType.HOLE) return length;
  tell(context, 0);
  context.previous.copyFrom(iomap);
  return context.full ? 0 : length;
}

function tell(context: FiemapContext, flags: number): void {
  const { previous } = context;
  if (previous.type === IomapType.UNSET) return;
  if (previous.type === IomapType.DELALLOC) flags |= FiemapExtent.DELALLOC | FiemapExtent.UNKNOWN;
  else if (previous.type === IomapType.UNWRITTEN) flags |= FiemapExtent.UNWRITTEN;
  else if (previous.type === IomapType.INLINE) flags |= FiemapExtent.DATA_INLINE;
  if ((previous.flags & IomapFlag.MERGED) !== 0) flags |= FiemapExtent.MERGED;
  if ((previous.flags & IomapFlag.SHARED) !== 0) flags |= FiemapExtent.SHARED;
  if ((previous.flags & IomapFlag.ENCODED) !== 0) flags |= FiemapExtent.ENCODED;
  if ((previous.flags & IomapFlag.UNALIGNED) !== 0) flags |= FiemapExtent.NOT_ALIGNED;
  const physical = previous.addr === NULL_ADDR ? 0 : previous.addr;
  if (!context.visit(previous.offset, physical, previous.length, flags)) context.full = true;
}
