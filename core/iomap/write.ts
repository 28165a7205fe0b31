/**
 * Operations that dirty pages (kernel: iomap_file_buffered_write, iomap_file_unshare, iomap_zero_range,
 * iomap_truncate_page, iomap_page_mkwrite).
 *
 *     write [pos, end)      |....WWWW|WWWWWWWW|WWW.....|     blocks
 *     read first             ^^^^                 ^^^^^      only the two that are covered in part, from srcmap if the
 *                                                            mapping has one, else from iomap; zeros if nothing is there
 *
 * An operation stops after SLICE bytes of one mapping and asks again, so that dirty pages can be written back between.
 */
import { FsError } from '../errors.ts';
import { step } from '../steps.ts';
import type { Inode } from '../vfs/inode.ts';
import { folioSize, joinWritten } from '../vfs/large-folio.ts';
import { FOLIO_SIZE, PAGE_SIZE } from '../vfs/page-pool.ts';
import { type Actor, iomapApply, type Progress, sourceOf } from './apply.ts';
import { IomapFlag, IomapOp, type IomapOps, IomapType, type Mapping } from './iomap.ts';
import { fillMissing, readInlinePages, readMissing, readPage } from './read.ts';
import { MAX_WINDOW } from './readahead.ts';
import { quietWriteback, writeback } from './writeback.ts';

/** Bytes of one mapping that are dirtied before the engine looks at memory again. */
const SLICE = 16 * 1024 * 1024;

/** Bytes written front to back before they go to the device. */
const STREAM = 16 * 1024 * 1024;

interface WriteContext extends Progress {
  from: Uint8Array;
  /** File position of from[0]. */
  base: number;
}

const NOTHING = new Uint8Array(0);

/** Reused by every write: writes never nest. */
const writeContext: WriteContext = { done: 0, from: NOTHING, base: 0 };

/**
 * Writes `from` at `pos` into the page cache and grows the file; returns how many bytes, less only when an error came
 * after some progress. @throws FsError
 */
export function bufferedWrite(inode: Inode, pos: number, from: Uint8Array): number {
  const { pages } = inode;
  // What is dirty has its place already. Whoever traces wants to see that asked for.
  if (pages.isDirty(pos) && inode.fs.tracer === null && pos + from.length <= inode.size) {
    if (pages.dirtyRunEnd(pos, pos + from.length) === pos + from.length) {
      pages.copyIn(pos, from, 0, from.length);
      writeBehind(inode, pos, pos + from.length);
      return from.length;
    }
  }
  let done: number;
  try {
    done = writeThrough(inode, pos, from);
  } catch (error) {
    if (inode.iomap.makeRoom === undefined) throw error;
    inode.iomap.makeRoom(inode, error);
    done = writeThrough(inode, pos, from);
  }
  writeBehind(inode, pos, pos + done);
  return done;
}

/** Writes to the page cache; an error that comes after some progress only ends it. */
function writeThrough(inode: Inode, pos: number, from: Uint8Array): number {
  const context = writeContext;
  context.done = 0;
  context.from = from;
  context.base = pos;
  try {
    const ops = inode.iomap.write;
    iomapApply(inode, pos, from.length, IomapOp.WRITE, ops, writeActor, context, 'iomap_file_buffered_write');
  } catch (error) {
    if (context.done === 0) throw error;
  } finally {
    context.from = NOTHING;
  }
  return context.done;
}

/**
 * A long stream goes to the device while it is written, and its memory is used again: touching new memory costs more
 * than the copy. Whole folios only, so that the next write finds the one it continues.
 */
function writeBehind(inode: Inode, pos: number, end: number): void {
  const { pages } = inode;
  if (pos !== pages.streamEnd) pages.streamStart = pos;
  pages.streamEnd = end;
  if (end - pages.streamStart < STREAM) return;
  const start = pages.streamStart;
  const stop = end - (end % FOLIO_SIZE);
  quietWriteback(inode, start, stop);
  pages.dropClean(start, stop);
  pages.streamStart = stop;
}

const writeActor: Actor<WriteContext> = (context, inode, pos, length, iomap, srcmap, ops) => {
  const source = sourceOf(iomap, srcmap);
  const total = Math.min(length, SLICE);
  joinWritten(inode, pos, total);
  for (let done = 0; done < total; ) {
    const at = pos + done;
    const n = Math.min(total - done, FOLIO_SIZE - (at % FOLIO_SIZE));
    if (!prepareOrStop(inode, at, n, iomap, source, ops, done)) return done;
    inode.pages.copyIn(at, context.from, at - context.base, n);
    if (iomap.type === IomapType.INLINE) copyToInline(inode, at, n, iomap);
    if (at + n > inode.size) {
      inode.growSize(at + n);
      iomap.flags |= IomapFlag.SIZE_CHANGED;
    }
    done += n;
  }
  return total;
};

/** Makes [pos, pos + length) ready to be covered. False: stop here, because the mapping is stale or blocks failed to read. */
function prepareOrStop(
  inode: Inode,
  pos: number,
  length: number,
  iomap: Mapping,
  source: Mapping,
  ops: IomapOps,
  done: number,
): boolean {
  if (ops.valid !== undefined && !ops.valid(inode, iomap)) {
    iomap.flags |= IomapFlag.STALE;
    return false;
  }
  const size = inode.pages.blockSize;
  const head = pos % size;
  const tail = (pos + length) % size;
  if (head === 0 && tail === 0 && source.type !== IomapType.INLINE) return true;
  try {
    if (source.type === IomapType.INLINE) readInlinePages(inode, pos, length, source);
    else {
      if (head !== 0) fillMissing(inode, pos - head, size, source);
      if (tail !== 0 && (head === 0 || length + head > size)) fillMissing(inode, pos + length - tail, size, source);
    }
  } catch (error) {
    if (done === 0) throw error;
    return false;
  }
  return true;
}

/** Inline data is metadata of the file: it takes the bytes at once, and the page stays clean. */
function copyToInline(inode: Inode, pos: number, length: number, iomap: Mapping): void {
  const data = iomap.inlineData;
  const at = pos - iomap.offset;
  if (data === null || at + length > data.length) throw new FsError('EIO', { detail: 'write beyond inline data' });
  if (pos > inode.size) data.fill(0, inode.size - iomap.offset, at);
  inode.pages.copyOut(pos, data, at, length);
  const folio = inode.pages.grab(pos, length);
  folio.markClean(pos - folio.start, length);
}

/** Gives a range of a file blocks of its own: dirties what is shared. @throws FsError */
export function unshareRange(inode: Inode, pos: number, length: number): void {
  if (pos >= inode.size) return;
  const flags = IomapOp.WRITE | IomapOp.UNSHARE;
  const rest = Math.min(length, inode.size - pos);
  iomapApply(inode, pos, rest, flags, inode.iomap.write, unshareActor, { done: 0 }, 'iomap_file_unshare');
}

const unshareActor: Actor<Progress> = (context, inode, pos, length, iomap, srcmap, ops) => {
  const elsewhere = (iomap.flags & IomapFlag.SHARED) !== 0 || iomap.type === IomapType.COW;
  if (!elsewhere || srcmap.type !== IomapType.MAPPED) return length;
  step(context.done, context.done + length);
  if (ops.valid !== undefined && !ops.valid(inode, iomap)) {
    iomap.flags |= IomapFlag.STALE;
    return 0;
  }
  const { blockSize } = inode.pages;
  const total = Math.min(length, SLICE);
  joinWritten(inode, pos, total);
  // Folio by folio: what was filled must be dirty before the next one needs memory, or it may be gone.
  for (let done = 0; done < total; ) {
    const at = pos + done;
    const n = Math.min(total - done, FOLIO_SIZE - (at % FOLIO_SIZE));
    const start = at - (at % blockSize);
    fillMissing(inode, start, Math.ceil((at + n) / blockSize) * blockSize - start, srcmap);
    inode.pages.markDirty(at, n);
    done += n;
  }
  return total;
};

interface ZeroContext extends Progress {
  /** The range had dirty pages when the operation started: holes and unwritten extents may hide data. */
  rangeDirty: boolean;
  /** End of what is left to do. */
  end: number;
  zeroed: boolean;
}

/**
 * Zeroes bytes of a file; what is a hole or unwritten and not dirty in memory already reads as zeros and stays.
 * The size does not change. Returns whether any page was dirtied. @throws FsError
 */
export function zeroRange(inode: Inode, pos: number, length: number): boolean {
  const { pages } = inode;
  const ops = inode.iomap.write;
  const context: ZeroContext = { done: 0, rangeDirty: false, end: pos + length, zeroed: false };
  const offset = pos % pages.blockSize;
  const head = Math.min(length, pages.blockSize - offset);
  // The first block is often the one that holds EOF: if it is dirty, zero it there instead of flushing it.
  if (offset !== 0 && pages.hasDirty(pos, pos + head)) {
    const left = iomapApply(inode, pos, head, IomapOp.ZERO, ops, zeroActor, context, 'iomap_zero_range');
    if (left > 0 || head === length) return context.zeroed;
    pos += head;
    length -= head;
  }
  context.rangeDirty = pages.hasDirty(pos, pos + length);
  iomapApply(inode, pos, length, IomapOp.ZERO, ops, zeroUnlessHoleActor, context, 'iomap_zero_range');
  return context.zeroed;
}

const zeroUnlessHoleActor: Actor<ZeroContext> = (context, inode, pos, length, iomap, srcmap, ops) => {
  const source = sourceOf(iomap, srcmap);
  if (source.type !== IomapType.HOLE && source.type !== IomapType.UNWRITTEN) {
    return zeroActor(context, inode, pos, length, iomap, srcmap, ops);
  }
  if (!context.rangeDirty) return length;
  // Written data may lie in dirty pages over this mapping; once they are written the mapping shows them.
  context.rangeDirty = false;
  iomap.flags |= IomapFlag.STALE;
  writeback(inode, pos, context.end);
  return 0;
};

const zeroActor: Actor<ZeroContext> = (context, inode, pos, length, iomap, srcmap, ops) => {
  const source = sourceOf(iomap, srcmap);
  const total = Math.min(length, SLICE);
  joinWritten(inode, pos, total);
  for (let done = 0; done < total; ) {
    const at = pos + done;
    const n = Math.min(total - done, FOLIO_SIZE - (at % FOLIO_SIZE));
    if (!prepareOrStop(inode, at, n, iomap, source, ops, done)) return done;
    inode.fs.tracer?.range('iomap_zero_iter', inode, at, n);
    inode.pages.zero(at, n, true);
    if (iomap.type === IomapType.INLINE) copyToInline(inode, at, n, iomap);
    context.zeroed = true;
    done += n;
  }
  return total;
};

/** Zeroes from `pos` to the end of its block, before the file ends there. @throws FsError */
export function truncatePage(inode: Inode, pos: number): boolean {
  const { blockSize } = inode.pages;
  const offset = pos % blockSize;
  return offset === 0 ? false : zeroRange(inode, pos, blockSize - offset);
}

/** The memory mapping in which a fault happens: what is read besides the page depends on it (kernel: mm/filemap.c). */
export interface FaultMapping {
  readonly executable: boolean;
  /** Where it ends in the file. */
  readonly end: number;
}

/** Makes the page around `pos` readable through a memory mapping. @throws FsError EFAULT beyond EOF */
export function faultPage(inode: Inode, pos: number, mapping: FaultMapping | null = null): void {
  const { pages } = inode;
  if (pos >= inode.size) throw new FsError('EFAULT');
  const page = Math.floor(pos / pages.pageSize);
  const start = page * pages.pageSize;
  const missing = (): boolean => pages.seekUptodate(start, start + pages.pageSize, false) < start + pages.pageSize;
  if (!missing()) return;
  // As Linux does: a program is read from here on, up to the end of its mapping, other files around the page.
  const here = pos - (pos % PAGE_SIZE);
  const from = mapping?.executable === false ? Math.max(0, here - MAX_WINDOW / 2) : here;
  const to = Math.min(from + MAX_WINDOW, mapping?.executable === true ? mapping.end : Number.POSITIVE_INFINITY);
  const first = Math.floor(from / PAGE_SIZE);
  readMissing(inode, first, Math.ceil(to / PAGE_SIZE) - first);
  if (missing()) readPage(inode, start);
}

/** A memory mapping is about to write into the page around `pos`: reserves for its folio and dirties it. @throws FsError */
export function pageMkwrite(inode: Inode, pos: number, mapping: FaultMapping | null = null): void {
  faultPage(inode, pos, mapping);
  const size = folioSize(inode.pages, pos);
  const start = pos - (pos % size);
  const length = Math.min(size, inode.size - start);
  const flags = IomapOp.WRITE | IomapOp.FAULT;
  iomapApply(inode, start, length, flags, inode.iomap.write, mkwriteActor, { done: 0 }, 'iomap_page_mkwrite');
}

const mkwriteActor: Actor<Progress> = (_, inode, pos, length, iomap) => {
  inode.pages.markDirty(pos, length);
  if (iomap.type === IomapType.INLINE) copyToInline(inode, pos, length, iomap);
  return length;
};

/**
 * A write of [pos, end) from beyond the end on leaves a gap: what memory or blocks hold there must read as zeros. To
 * be called before any write. @throws FsError
 */
export function zeroGap(inode: Inode, pos: number, end: number): void {
  if (pos <= inode.size) return;
  if (inode.iomap.fillGap !== undefined) inode.iomap.fillGap(inode, pos, end);
  else zeroRange(inode, inode.size, pos - inode.size);
}
