/**
 * Buffered reads (kernel: iomap_read_folio, iomap_readahead under filemap_read).
 *
 * Small reads go through cached pages, with readahead. A large read that nobody traces copies what is cached and has
 * the device fill the caller's buffer with the rest: the pages would only be read once, and a copy costs as much as
 * the read. A block is read from the device only if it is MAPPED and before EOF; all else is zeros.
 */

import type { Device } from '../device/device.ts';
import { FsError } from '../errors.ts';
import { UPTODATE } from '../vfs/folio.ts';
import type { Inode } from '../vfs/inode.ts';
import { FOLIO_SIZE, PAGE_SIZE } from '../vfs/page-pool.ts';
import { iomapApply, needsZeroing, type Progress } from './apply.ts';
import { IomapType, type Mapping } from './iomap.ts';
import { isMarked, nextMark, type Readahead } from './readahead.ts';

/**
 * Reads of at least this many bytes go past the cache. More than the largest block, which is what a read takes at a
 * time unless told otherwise: what such reads leave in the cache shows in seek, as in Linux.
 */
const BULK = 128 * 1024;
/** Bytes that a stream of reads keeps cached behind it. */
const KEPT = 8 * 1024 * 1024;

/**
 * Fills `into` from `pos` on; returns how many bytes, less only at EOF or when an error came after some progress.
 * @throws FsError
 */
export function bufferedRead(inode: Inode, pos: number, into: Uint8Array, readahead: Readahead | null = null): number {
  if (pos >= inode.size || into.length === 0) return 0;
  const length = Math.min(into.length, inode.size - pos);
  const context: ReadContext = { done: 0, into, base: pos };
  try {
    if (length >= BULK && inode.fs.tracer === null) readPast(inode, pos, length, context);
    else readCached(inode, pos, length, context, readahead);
  } catch (error) {
    if (context.done === 0) throw error;
  }
  if (readahead !== null) forgetBehind(inode, pos, pos + context.done, readahead);
  return context.done;
}

/** A long stream lets go of what it has passed: touching new memory costs more than reading again. */
function forgetBehind(inode: Inode, pos: number, end: number, readahead: Readahead): void {
  if (pos !== readahead.prevPos) readahead.streamStart = pos;
  readahead.prevPos = end;
  if (end - readahead.streamStart < 2 * KEPT) return;
  inode.pages.dropClean(readahead.streamStart, end - KEPT);
  readahead.streamStart = end - KEPT - ((end - KEPT) % FOLIO_SIZE);
}

interface ReadContext extends Progress {
  readonly into: Uint8Array;
  /** File position of into[0]. */
  readonly base: number;
}

function readPast(inode: Inode, pos: number, length: number, context: ReadContext): void {
  const end = pos + length;
  while (pos < end) {
    const runEnd = inode.pages.empty ? end : inode.pages.uptodateRunEnd(pos, end);
    if (inode.pages.isUptodate(pos)) {
      inode.pages.copyOut(pos, context.into, pos - context.base, runEnd - pos);
      context.done += runEnd - pos;
    } else {
      const rest = iomapApply(inode, pos, runEnd - pos, 0, inode.iomap.read, straightActor, context, 'iomap_readahead');
      if (rest > 0) return;
    }
    pos = runEnd;
  }
}

/** Fills the caller's buffer from where the mapping lies. */
function straightActor(context: ReadContext, inode: Inode, pos: number, length: number, iomap: Mapping): number {
  const at = pos - context.base;
  if (iomap.type === IomapType.INLINE) {
    copyInline(iomap, pos, context.into.subarray(at, at + length));
  } else if (needsZeroing(inode, iomap, pos)) {
    context.into.fill(0, at, at + length);
  } else {
    const target = length === context.into.length ? context.into : context.into.subarray(at, at + length);
    deviceOf(iomap).read(iomap.addr + (pos - iomap.offset), target);
  }
  return length;
}

function readCached(
  inode: Inode,
  pos: number,
  length: number,
  context: ReadContext,
  readahead: Readahead | null,
): void {
  const { pages } = inode;
  const { pageSize } = pages;
  const end = pos + length;
  // Linux's pages, to the end of the last block that is asked for.
  const last = (Math.ceil((context.base + context.into.length) / pageSize) * pageSize) / PAGE_SIZE;
  while (pos < end) {
    const page = Math.floor(pos / PAGE_SIZE);
    if (readahead !== null && !pages.hasPage(pos)) readahead.miss(inode, page, last - page, readMissing);
    if (readahead !== null && isMarked(inode, page)) readahead.ahead(inode, page, last, readMissing);
    // Last, because reading ahead may have needed this page's memory.
    if (!pages.isUptodate(pos)) readPage(inode, pos - (pos % pageSize));
    const stop = Math.min(end, readahead === null ? end : nextMark(inode, page + 1) * PAGE_SIZE);
    const runEnd = pages.uptodateRunEnd(pos, stop);
    pages.copyOut(pos, context.into, pos - context.base, runEnd - pos);
    context.done += runEnd - pos;
    pos = runEnd;
  }
}

/** Makes the whole page around `pagePos` up to date. @throws FsError */
export function readPage(inode: Inode, pagePos: number): void {
  const { pageSize } = inode.pages;
  iomapApply(inode, pagePos, pageSize, 0, inode.iomap.read, pageActor, { done: 0 }, 'iomap_read_folio');
  if (!inode.pages.isUptodate(pagePos)) throw new FsError('EIO', { detail: `page at ${pagePos} was not read` });
}

/**
 * Reads those of `count` pages of 4 KiB from page `start` on that are not cached, whole blocks of them; an error is
 * left to the read of the page itself.
 */
export function readMissing(inode: Inode, start: number, count: number): void {
  const { pages } = inode;
  const { pageSize } = pages;
  const unit = pageSize / PAGE_SIZE;
  const end = Math.ceil(Math.min((start + count) / unit, inode.size / pageSize));
  for (let page = Math.floor(start / unit); page < end; ) {
    if (pages.hasPage(page * pageSize)) {
      page++;
      continue;
    }
    const first = page;
    while (page < end && !pages.hasPage(page * pageSize)) page++;
    inode.fs.tracer?.readahead(inode, (page - first) * unit);
    const length = (page - first) * pageSize;
    try {
      iomapApply(inode, first * pageSize, length, 0, inode.iomap.read, pageActor, { done: 0 }, 'iomap_readahead');
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      return;
    }
  }
}

/** Makes pages up to date from one mapping. */
function pageActor(_: Progress, inode: Inode, pos: number, length: number, iomap: Mapping): number {
  if (iomap.type === IomapType.INLINE) return readInlinePages(inode, pos, length, iomap);
  fillMissing(inode, pos, length, iomap);
  return length;
}

/** Makes the blocks of [pos, pos + length) that are not up to date so, from `source`. Block aligned, or to a mapping's edge. */
export function fillMissing(inode: Inode, pos: number, length: number, source: Mapping): void {
  const { pages } = inode;
  const end = pos + length;
  const eof = Math.ceil(inode.size / pages.blockSize) * pages.blockSize;
  const zeros = needsZeroing(inode, source, pos);
  while (pos < end) {
    const folio = pages.grab(pos, end - pos);
    const at = pos - folio.start;
    const stop = Math.min(FOLIO_SIZE, end - folio.start);
    const runEnd = folio.runEnd(at, stop, UPTODATE);
    if (folio.has(at, UPTODATE)) {
      pos = folio.start + runEnd;
      continue;
    }
    if (zeros || pos >= eof) {
      folio.zero(at, runEnd - at);
      folio.markUptodate(at, runEnd - at);
      pos = folio.start + runEnd;
      continue;
    }
    const n = folio.own(at, Math.min(runEnd - at, eof - pos));
    const { memory, memoryAt } = pages;
    const target = n === memory.length ? memory : new Uint8Array(memory.buffer, memory.byteOffset + memoryAt, n);
    deviceOf(source).read(source.addr + (pos - source.offset), target);
    folio.markUptodate(at, n);
    pos += n;
  }
}

/** Makes pages up to date from inline data; what the data does not cover, to the end of the page, is zeros. */
export function readInlinePages(inode: Inode, pos: number, length: number, source: Mapping): number {
  const { pages } = inode;
  for (let at = Math.max(source.offset, pos - (pos % pages.pageSize)); at < pos + length; ) {
    const n = pages.pageSize - (at % pages.pageSize);
    if (!pages.isUptodate(at)) {
      const bytes = new Uint8Array(n);
      copyInline(source, at, bytes);
      const folio = pages.grab(at, n);
      folio.copyIn(at - folio.start, bytes, 0, n);
      folio.markUptodate(at - folio.start, n);
    }
    at += n;
  }
  return length;
}

function copyInline(source: Mapping, pos: number, into: Uint8Array): void {
  const data = source.inlineData;
  if (data === null) throw new FsError('EIO', { detail: 'inline mapping without data' });
  const from = pos - source.offset;
  const n = Math.max(0, Math.min(into.length, data.length - from));
  if (n > 0) into.set(data.subarray(from, from + n));
  into.fill(0, n);
}

/** The device that a real mapping lies on. @throws FsError EIO if the format named none */
export function deviceOf(mapping: Mapping): Device {
  if (mapping.device === null) throw new FsError('EIO', { detail: 'mapping without a device' });
  return mapping.device;
}
