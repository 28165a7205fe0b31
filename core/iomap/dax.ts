/**
 * Direct access to byte-addressable storage (kernel: fs/dax.c): reads, writes and faults go to the device's bytes
 * themselves; there are no pages to be written back, and no alignment to keep.
 *
 * The page cache never disagrees: dirty pages of a range are written and let go before. A block that a write covers in
 * part keeps its other bytes: those of srcmap where it is copied on write, zeros where it is new. A write fault copies
 * or zeroes the whole page first, then lets the program store into it; only then is the mapping made permanent.
 *
 *     fault at pos      2 MiB, if the file and the device hold them in one aligned piece      else one page
 */
import type { Device } from '../device/device.ts';
import { FsError } from '../errors.ts';
import type { Inode } from '../vfs/inode.ts';
import { PAGE_SIZE } from '../vfs/page-pool.ts';
import { type Actor, iomapApply, type Progress } from './apply.ts';
import { IomapFlag, IomapOp, type IomapOps, IomapType, type Mapping } from './iomap.ts';
import { deviceOf } from './read.ts';
import { writeback } from './writeback.ts';

/** What one entry of a page middle directory maps. */
export const PMD_SIZE = 2 * 1024 * 1024;

/** A piece of a file in memory: its bytes are those of the device, or zeros that nobody may store into. */
export interface DaxPiece {
  readonly pos: number;
  readonly length: number;
  /** Null: the zero page. */
  readonly device: Device | null;
  readonly addr: number;
}

interface DaxContext extends Progress {
  /** Null to write zeros. */
  readonly buffer: Uint8Array | null;
  /** File position of buffer[0]. */
  readonly base: number;
  unwritten: boolean;
  shared: boolean;
}

/** @throws FsError EOPNOTSUPP where the format, or the size of its blocks, does not allow it */
export function daxOps(inode: Inode): IomapOps {
  const { dax } = inode.iomap;
  if (dax === undefined) throw new FsError('EOPNOTSUPP', { detail: `${inode.fs.type} has no direct access` });
  if (inode.fs.blockSize !== PAGE_SIZE)
    throw new FsError('EOPNOTSUPP', { detail: `direct access wants blocks of ${PAGE_SIZE} bytes` });
  return dax;
}

/** Fills `into` from `pos` on; returns how many bytes, less only at EOF. @throws FsError */
export function daxRead(inode: Inode, pos: number, into: Uint8Array): number {
  const length = Math.min(into.length, inode.size - pos);
  if (length <= 0) return 0;
  letGo(inode, pos, length);
  const context = start(pos, into);
  iomapApply(inode, pos, length, IomapOp.DAX, inode.iomap.read, readActor, context, 'dax_iomap_rw');
  return context.done;
}

/** Writes `from` at `pos`; returns its length. @throws FsError ENOSPC, EIO */
export function daxWrite(inode: Inode, pos: number, from: Uint8Array): number {
  const context = start(pos, from);
  writeThrough(inode, pos, from.length, IomapOp.WRITE | IomapOp.DAX, context, 'dax_iomap_rw');
  return context.done;
}

/** Makes bytes zeros where blocks are written; what is a hole or unwritten reads as zeros anyway. @throws FsError */
export function daxZeroRange(inode: Inode, pos: number, length: number): void {
  if (length <= 0) return;
  const context: DaxContext = { done: 0, buffer: null, base: pos, unwritten: false, shared: false };
  writeThrough(inode, pos, length, IomapOp.WRITE | IomapOp.DAX | IomapOp.ZERO, context, 'dax_zero_range');
}

/**
 * The memory around `pos` of a mapping that covers [start, end) of the file.
 * @throws FsError EFAULT beyond the file's last page; what the file system says, which is SIGBUS to the program
 */
export function daxFault(inode: Inode, pos: number, write: boolean, start: number, end: number): DaxPiece {
  if (pos - (pos % PAGE_SIZE) >= inode.size) throw new FsError('EFAULT');
  const huge = pos - (pos % PMD_SIZE);
  if (huge >= start && huge + PMD_SIZE <= Math.min(end, inode.size)) {
    const piece = pmdFault(inode, huge, write);
    if (piece !== null) return piece;
  }
  return pteFault(inode, pos - (pos % PAGE_SIZE), write);
}

/** What is mapped, written and unshared in one aligned piece needs no second look: all of it at once. */
function pmdFault(inode: Inode, pos: number, write: boolean): DaxPiece | null {
  letGo(inode, pos, PMD_SIZE);
  const context: FaultContext = { done: 0, piece: null };
  const flags = IomapOp.FAULT | IomapOp.DAX;
  iomapApply(inode, pos, PMD_SIZE, flags, inode.iomap.read, pmdActor, context, 'dax_iomap_pmd_fault');
  if (context.piece === null || (write && context.piece.device === null)) return null;
  if (write) inode.touch();
  return context.piece;
}

interface FaultContext extends Progress {
  piece: DaxPiece | null;
}

const pmdActor: Actor<FaultContext> = (context, _inode, pos, length, iomap) => {
  const addr = iomap.addr + (pos - iomap.offset);
  const plain = iomap.type === IomapType.MAPPED && (iomap.flags & IomapFlag.SHARED) === 0;
  if (plain && length === PMD_SIZE && addr % PMD_SIZE === 0)
    context.piece = { pos, length, device: deviceOf(iomap), addr };
  // One look is enough: a smaller piece is mapped page by page.
  return 0;
};

function pteFault(inode: Inode, pos: number, write: boolean): DaxPiece {
  letGo(inode, pos, PAGE_SIZE);
  const context: FaultContext = { done: 0, piece: null };
  if (!write) {
    const flags = IomapOp.FAULT | IomapOp.DAX;
    iomapApply(inode, pos, PAGE_SIZE, flags, inode.iomap.read, pteReadActor, context, 'dax_iomap_pte_fault');
  } else {
    inode.touch();
    const written: DaxContext & FaultContext = { ...start(pos, null), ...context };
    const flags = IomapOp.WRITE | IomapOp.FAULT | IomapOp.DAX;
    iomapApply(inode, pos, PAGE_SIZE, flags, daxOps(inode), pteWriteActor, written, 'dax_iomap_pte_fault');
    finish(inode, pos, Math.min(PAGE_SIZE, inode.size - pos), written);
    context.piece = written.piece;
  }
  if (context.piece === null) throw new FsError('EIO', { detail: `no mapping for the page at ${pos}` });
  return context.piece;
}

const pteReadActor: Actor<FaultContext> = (context, _inode, pos, length, iomap) => {
  const real = iomap.type === IomapType.MAPPED;
  const addr = real ? iomap.addr + (pos - iomap.offset) : 0;
  context.piece = { pos, length: PAGE_SIZE, device: real ? deviceOf(iomap) : null, addr };
  return length;
};

const pteWriteActor: Actor<DaxContext & FaultContext> = (context, inode, pos, length, iomap, srcmap) => {
  checkReal(iomap);
  const device = deviceOf(iomap);
  const addr = iomap.addr + (pos - iomap.offset);
  note(context, iomap);
  if (isFresh(iomap)) device.write(addr, oldBytes(inode, pos, PAGE_SIZE, srcmap));
  context.piece = { pos, length: PAGE_SIZE, device, addr };
  return length;
};

function start(pos: number, buffer: Uint8Array | null): DaxContext {
  return { done: 0, buffer, base: pos, unwritten: false, shared: false };
}

/** Pages of the range are written back and forgotten: from now on the device has the bytes. */
function letGo(inode: Inode, pos: number, length: number): void {
  const { pages } = inode;
  if (pages.empty) return;
  const from = pos - (pos % pages.pageSize);
  const to = Math.ceil((pos + length) / pages.pageSize) * pages.pageSize;
  if (pages.hasDirty(from, to)) writeback(inode, from, to);
  pages.invalidate(from, to);
}

function writeThrough(
  inode: Inode,
  pos: number,
  length: number,
  flags: number,
  context: DaxContext,
  caller: string,
): void {
  letGo(inode, pos, length);
  iomapApply(inode, pos, length, flags, daxOps(inode), writeActor, context, caller);
  finish(inode, pos, context.done, context);
}

function finish(inode: Inode, pos: number, done: number, { unwritten, shared, buffer }: DaxContext): void {
  if (done <= 0) return;
  // Zeroing changes no size.
  const length = buffer === null ? Math.min(done, Math.max(0, inode.size - pos)) : done;
  const type = unwritten ? IomapType.UNWRITTEN : IomapType.MAPPED;
  if (length > 0) inode.iomap.endDirectWrite(inode, pos, length, type, shared ? IomapFlag.SHARED : 0);
}

const readActor: Actor<DaxContext> = (context, _inode, pos, length, iomap) => {
  const at = pos - context.base;
  const into = (context.buffer as Uint8Array).subarray(at, at + length);
  if (iomap.type === IomapType.MAPPED) deviceOf(iomap).read(iomap.addr + (pos - iomap.offset), into);
  else into.fill(0);
  return length;
};

const writeActor: Actor<DaxContext> = (context, inode, pos, length, iomap, srcmap) => {
  const zeroing = context.buffer === null;
  if (zeroing && (iomap.type === IomapType.HOLE || iomap.type === IomapType.UNWRITTEN)) return length;
  checkReal(iomap);
  const at = pos - context.base;
  const bytes = context.buffer === null ? new Uint8Array(length) : context.buffer.subarray(at, at + length);
  note(context, iomap);
  const { blockSize } = inode.fs;
  const addr = iomap.addr + (pos - iomap.offset);
  const end = pos + length;
  const head = isFresh(iomap) ? pos % blockSize : 0;
  const tail = isFresh(iomap) && end % blockSize !== 0 ? blockSize - (end % blockSize) : 0;
  const before = oldBytes(inode, pos - head, head, srcmap);
  deviceOf(iomap).writev(addr - head, [before, bytes, oldBytes(inode, end, tail, srcmap)]);
  return length;
};

function checkReal({ type }: Mapping): void {
  if (type !== IomapType.MAPPED && type !== IomapType.UNWRITTEN && type !== IomapType.COW)
    throw new FsError('EIO', { detail: 'direct access without blocks' });
}

function note(context: DaxContext, iomap: Mapping): void {
  if (iomap.type === IomapType.UNWRITTEN) context.unwritten = true;
  if (moves(iomap)) context.shared = true;
}

function moves({ type, flags }: Mapping): boolean {
  return (flags & IomapFlag.SHARED) !== 0 || type === IomapType.COW;
}

/** The blocks hold nothing of the file yet. */
function isFresh(iomap: Mapping): boolean {
  return iomap.type === IomapType.UNWRITTEN || (iomap.flags & IomapFlag.NEW) !== 0 || moves(iomap);
}

/** What a fresh block holds beside what is written: the bytes of the place it replaces, before EOF, else zeros. */
function oldBytes(inode: Inode, pos: number, length: number, srcmap: Mapping): Uint8Array {
  const bytes = new Uint8Array(length);
  const known = Math.min(length, inode.size - pos);
  if (srcmap.type === IomapType.MAPPED && known > 0) {
    deviceOf(srcmap).read(srcmap.addr + (pos - srcmap.offset), bytes.subarray(0, known));
  }
  return bytes;
}
