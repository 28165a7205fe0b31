/**
 * Direct I/O (kernel: fs/iomap/direct-io.c): between the caller's buffer and the device, past the page cache.
 *
 * The cache never disagrees with the device: dirty pages of the range are written first; a write forgets the cached
 * pages before and after. The rest of a new block that a write covers in part comes from srcmap if the mapping has one, else it is zeros. What
 * the write means for the file (unwritten → written, CoW → data fork, size) is told once, when all data is there.
 */
import { FsError } from '../errors.ts';
import type { Inode } from '../vfs/inode.ts';
import { type Actor, iomapApply, type Progress } from './apply.ts';
import { IomapFlag, IomapOp, IomapType, type Mapping } from './iomap.ts';
import { deviceOf } from './read.ts';
import { writeback } from './writeback.ts';

interface DirectContext extends Progress {
  readonly buffer: Uint8Array;
  /** File position of buffer[0]. */
  readonly base: number;
  readonly write: boolean;
  unwritten: boolean;
  shared: boolean;
}

/**
 * Fills `into` from `pos` on, from the device; returns how many bytes, less only at EOF.
 * @throws FsError EINVAL if position or length are not multiples of the device's sector
 */
export function directRead(inode: Inode, pos: number, into: Uint8Array): number {
  inode.fs.tracer?.dioBegin(inode, pos, into.length, false);
  if (into.length === 0 || pos >= inode.size) return 0;
  flushRange(inode, pos, into.length);
  const context = start(pos, into, false);
  const size = inode.size;
  iomapApply(inode, pos, into.length, IomapOp.DIRECT, inode.iomap.read, directActor, context, 'iomap_dio_rw');
  const result = Math.max(0, Math.min(context.done, size - pos));
  inode.fs.tracer?.dioComplete(inode, pos, false, 0, result);
  return result;
}

/** Writes `from` at `pos` to the device and makes it part of the file; returns its length. @throws FsError as directRead */
export function directWrite(inode: Inode, pos: number, from: Uint8Array): number {
  inode.fs.tracer?.dioBegin(inode, pos, from.length, true);
  if (from.length === 0) return 0;
  flushRange(inode, pos, from.length);
  forgetPages(inode, pos, from.length);
  const context = start(pos, from, true);
  const flags = IomapOp.DIRECT | IomapOp.WRITE;
  iomapApply(inode, pos, from.length, flags, inode.iomap.direct, directActor, context, 'iomap_dio_rw');
  const type = context.unwritten ? IomapType.UNWRITTEN : IomapType.MAPPED;
  if (context.done > 0) {
    inode.iomap.endDirectWrite(inode, pos, context.done, type, context.shared ? IomapFlag.SHARED : 0);
    forgetPages(inode, pos, context.done);
  }
  inode.fs.tracer?.dioComplete(inode, pos, true, 0, context.done);
  return context.done;
}

function start(pos: number, buffer: Uint8Array, write: boolean): DirectContext {
  return { done: 0, buffer, base: pos, write, unwritten: false, shared: false };
}

function flushRange(inode: Inode, pos: number, length: number): void {
  if (inode.pages.hasDirty(pos, pos + length)) writeback(inode, pos, pos + length);
}

/** Linux invalidates whole pages. */
function forgetPages(inode: Inode, pos: number, length: number): void {
  const { pageSize } = inode.pages;
  const from = pos - (pos % pageSize);
  const to = Math.ceil((pos + length) / pageSize) * pageSize;
  if (!inode.pages.empty) {
    flushRange(inode, from, to - from);
    inode.pages.invalidate(from, to);
  }
}

const directActor: Actor<DirectContext> = (context, inode, pos, length, iomap, srcmap) => {
  switch (iomap.type) {
    case IomapType.INLINE:
      return inlineTransfer(context, inode, pos, length, iomap);
    case IomapType.HOLE:
      if (context.write) throw new FsError('EIO', { detail: 'direct write into a hole' });
      return readZeros(context, pos, length);
    case IomapType.UNWRITTEN:
      if (!context.write) return readZeros(context, pos, length);
      return transfer(context, inode, pos, length, iomap, srcmap);
    case IomapType.MAPPED:
    case IomapType.COW:
      return transfer(context, inode, pos, length, iomap, srcmap);
    default:
      throw new FsError('EIO', { detail: 'direct I/O over a delayed allocation' });
  }
};

function readZeros(context: DirectContext, pos: number, length: number): number {
  context.buffer.fill(0, pos - context.base, pos - context.base + length);
  return length;
}

function transfer(
  context: DirectContext,
  inode: Inode,
  pos: number,
  length: number,
  iomap: Mapping,
  srcmap: Mapping,
): number {
  const device = deviceOf(iomap);
  if (pos % device.sectorSize !== 0 || length % device.sectorSize !== 0) throw new FsError('EINVAL');
  const addr = iomap.addr + (pos - iomap.offset);
  const bytes = context.buffer.subarray(pos - context.base, pos - context.base + length);
  if (!context.write) {
    device.read(addr, bytes);
    return length;
  }
  const moves = (iomap.flags & IomapFlag.SHARED) !== 0 || iomap.type === IomapType.COW;
  const fresh = iomap.type === IomapType.UNWRITTEN || (iomap.flags & IomapFlag.NEW) !== 0 || moves;
  if (iomap.type === IomapType.UNWRITTEN) context.unwritten = true;
  if (moves) context.shared = true;
  const { blockSize } = inode.pages;
  const end = pos + length;
  const head = fresh ? pos % blockSize : 0;
  const tail = (fresh || end >= inode.size) && end % blockSize !== 0 ? blockSize - (end % blockSize) : 0;
  if (head === 0 && tail === 0) device.write(addr, bytes);
  else
    device.writev(addr - head, [oldBytes(inode, pos - head, head, srcmap), bytes, oldBytes(inode, end, tail, srcmap)]);
  return length;
}

/** What a new block holds beside the bytes written: those of the place it replaces, before EOF, else zeros. */
function oldBytes(inode: Inode, pos: number, length: number, srcmap: Mapping): Uint8Array {
  const bytes = new Uint8Array(length);
  const known = Math.min(length, inode.size - pos);
  if (srcmap.type === IomapType.MAPPED && known > 0) {
    deviceOf(srcmap).read(srcmap.addr + (pos - srcmap.offset), bytes.subarray(0, known));
  }
  return bytes;
}

/** Inline data is read and written in place; a write beyond the end zeroes what lies between. */
function inlineTransfer(context: DirectContext, inode: Inode, pos: number, length: number, iomap: Mapping): number {
  const data = iomap.inlineData;
  const at = pos - iomap.offset;
  if (data === null || at + length > data.length) throw new FsError('EIO', { detail: 'beyond inline data' });
  const from = pos - context.base;
  if (!context.write) {
    context.buffer.set(data.subarray(at, at + length), from);
    return length;
  }
  if (pos > inode.size) data.fill(0, inode.size - iomap.offset, at);
  data.set(context.buffer.subarray(from, from + length), at);
  return length;
}
