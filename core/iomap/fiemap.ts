/**
 * The extents of a file as FS_IOC_FIEMAP reports them (kernel: fs/iomap/fiemap.c). Streaming: extents are told in
 * columns, one behind the mapping loop, since only the loop's end shows which one is the last. A file system that has
 * many mappings at hand (IomapOps.report) fills the columns itself; a trace shows the loop, mapping by mapping.
 */
import { FsError } from '../errors.ts';
import { MAX_POS } from '../units.ts';
import type { Inode } from '../vfs/inode.ts';
import { iomapApply, type Progress } from './apply.ts';
import { ExtentColumns } from './extent-columns.ts';
import { IomapFlag, IomapOp, type IomapOps, IomapType, type Mapping, NULL_ADDR } from './iomap.ts';
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

/** Receives the first `count` extents of `extents`, which are good until it returns; false stops. */
export type FiemapColumnsVisitor = (extents: ExtentColumns, count: number) => boolean;

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
  const each: FiemapColumnsVisitor = ({ logical, physical, length: bytes, flags }, count) => {
    for (let i = 0; i < count; i++)
      if (!visit(logical[i] as number, physical[i] as number, bytes[i] as number, flags[i] as number)) return false;
    return true;
  };
  fiemapColumns(inode, start, length, each, options);
}

/** As fiemap(), many extents at a time. @throws FsError EFBIG, EINVAL, EBADR */
export function fiemapColumns(
  inode: Inode,
  start: number,
  length: number,
  visit: FiemapColumnsVisitor,
  options: FiemapOptions = {},
): void {
  if (length === 0) throw new FsError('EINVAL');
  if (start >= MAX_POS) throw new FsError('EFBIG');
  if (options.sync === true && (inode.pages.dirtyBlocks > 0 || inode.pages.writeError !== null)) writeback(inode);
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

function walk(inode: Inode, start: number, length: number, ops: IomapOps, visit: FiemapColumnsVisitor): void {
  const context = { done: 0, told: new ExtentColumns(), pos: start, left: length, full: false, visit };
  const { told } = context;
  try {
    if (inode.fs.tracer === null) walkReported(inode, ops, context);
    if (context.left > 0 && !context.full)
      iomapApply(inode, context.pos, context.left, IomapOp.REPORT, ops, fiemapActor, context, 'iomap_fiemap');
  } catch (error) {
    // An inode without (attribute) mappings answers so.
    if (!(error instanceof FsError) || error.code !== 'ENOENT') throw error;
  }
  if (context.full || told.count === 0) return;
  const last = told.count - 1;
  const end = (told.logical[last] as number) + (told.length[last] as number);
  if (ops.isLast?.(inode, end) !== false) told.flags[last] = (told.flags[last] as number) | FiemapExtent.LAST;
  visit(told, told.count);
}

/** Takes what the file system reports by itself; what is left then, it must be asked for. */
function walkReported(inode: Inode, ops: IomapOps, context: FiemapContext): void {
  if (ops.report === undefined) return;
  try {
    while (context.left > 0 && !context.full) {
      const { pos, left } = context;
      const to = ops.report(inode, pos, left, context.told);
      if (to <= pos) return;
      // Near the end of the largest file sums round, and the rest must not.
      context.left = to >= pos + left ? 0 : left - (to - pos);
      context.pos = to;
      if (context.left > 0) tellAllButLast(context);
    }
  } catch (error) {
    tellAllButLast(context);
    throw error;
  }
}

interface FiemapContext extends Progress {
  readonly told: ExtentColumns;
  /** What has not been asked for yet. */
  pos: number;
  left: number;
  full: boolean;
  readonly visit: FiemapColumnsVisitor;
}

function tellAllButLast(context: FiemapContext): void {
  const { told } = context;
  if (told.count < 2) return;
  if (!context.visit(told, told.count - 1)) context.full = true;
  told.keepLast();
}

function fiemapActor(context: FiemapContext, _inode: Inode, _pos: number, length: number, iomap: Mapping): number {
  if (iomap.type === IomapType.HOLE) return length;
  context.told.push(iomap.offset, iomap.addr === NULL_ADDR ? 0 : iomap.addr, iomap.length, flagsOf(iomap));
  tellAllButLast(context);
  return context.full ? 0 : length;
}

function flagsOf({ type, flags }: Mapping): number {
  let told = 0;
  if (type === IomapType.DELALLOC) told |= FiemapExtent.DELALLOC | FiemapExtent.UNKNOWN;
  else if (type === IomapType.UNWRITTEN) told |= FiemapExtent.UNWRITTEN;
  else if (type === IomapType.INLINE) told |= FiemapExtent.DATA_INLINE;
  if ((flags & IomapFlag.MERGED) !== 0) told |= FiemapExtent.MERGED;
  if ((flags & IomapFlag.SHARED) !== 0) told |= FiemapExtent.SHARED;
  if ((flags & IomapFlag.ENCODED) !== 0) told |= FiemapExtent.ENCODED;
  if ((flags & IomapFlag.UNALIGNED) !== 0) told |= FiemapExtent.NOT_ALIGNED;
  return told;
}
