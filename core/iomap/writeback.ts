/**
 * Dirty pages to the device (kernel: iomap_writepages and its ioends).
 *
 *     dirty runs, in file order ──mapBlocks──▶ mappings ──▶ device writes, up to 1 MiB each
 *                                                      └──▶ ioends: runs of one kind, contiguous in file and device
 *
 * The order that crash safety needs: an ioend is completed (unwritten → written, CoW fork → data fork, size) only
 * when the device has taken all of its data, so that no mapping ever shows bytes that were not written.
 * A run that cannot be mapped or written is discarded and forgotten; the error is reported once all else is tried.
 */
import type { Device } from '../device/device.ts';
import { FsError } from '../errors.ts';
import { POS_END } from '../positions.ts';
import { DIRTY, type Folio } from '../vfs/folio.ts';
import type { Inode } from '../vfs/inode.ts';
import { folioSize } from '../vfs/large-folio.ts';
import { FOLIO_SIZE } from '../vfs/page-pool.ts';
import { type IoEnd, IomapFlag, IomapType, Mapping } from './iomap.ts';

/** Bytes of one device write. */
const WRITE_SIZE = 1024 * 1024;
/** Buffers of one device write (Linux's IOV_MAX). */
const WRITE_VECTORS = 1024;
/** Runs completed together. */
const IOEND_BATCH = 4096;
/** Longest gap between two runs that is written with them where the file system allows: cheaper than a write of its own. */
const MAX_GAP = 16 * 1024;
/** What gaps are filled with, by their length in sectors. */
const gapFillings: Uint8Array[] = [];

/**
 * Writes the dirty pages of [start, end) of a file, and what shares a folio with them.
 * @throws FsError, also of an earlier write-back nobody was told of
 */
export function writeback(inode: Inode, start = 0, end: number = POS_END): void {
  const pages = inode.pages;
  if (pages.dirtyBlocks > 0) {
    const pass = new Pass(inode);
    const last = end === POS_END ? 0 : folioSize(pages, end - 1);
    pass.file(inode, start - (start % folioSize(pages, start)), last === 0 ? end : Math.ceil(end / last) * last);
    pass.finish();
  }
  if (pages.writeError === null) return;
  const error = pages.writeError;
  pages.writeError = null;
  throw error;
}

/**
 * Writes all dirty pages of several files of one image, in their order: what lies side by side on the device goes
 * there in one write. An error waits for the next fsync or writeback() of its file.
 */
export function writebackFiles(inodes: readonly Inode[]): void {
  let pass: Pass | null = null;
  for (const inode of inodes) {
    if (inode.pages.dirtyBlocks === 0) continue;
    pass ??= new Pass(inode);
    pass.file(inode, 0, POS_END);
  }
  pass?.finish();
}

/** Writes back files, `inode` last, until dirty pages fit in memory again; an error waits for that file's fsync. */
export function relievePressure(inode: Inode): void {
  const pool = inode.pages.pool;
  for (const pages of [...pool.dirtyCaches]) {
    if (pages === inode.pages) continue;
    quietWriteback(pages.inode);
    if (!pool.overLimit) return;
  }
  quietWriteback(inode);
}

/** Writes dirty pages of [start, end); an error waits for the next fsync. */
export function quietWriteback(inode: Inode, start = 0, end: number = POS_END): void {
  try {
    writeback(inode, start, end);
  } catch (error) {
    inode.pages.writeError ??= error;
  }
}

/** One pass over the dirty pages of a file, or of several one after the other. */
class Pass {
  private inode: Inode;
  /** Dirty bytes from here on stay. */
  private end = 0;
  private readonly map = new Mapping();
  /** What `map` says no longer holds for all of its range. */
  private stale = false;
  private readonly buffers: Uint8Array[] = [];
  private device: Device | null = null;
  private addr = 0;
  private bytes = 0;
  private ioends: IoEnd[] = [];
  /** Ioends from this index on have data that is still in `buffers`; the first of them from file byte pendingFrom on. */
  private pending = 0;
  private pendingFrom = 0;

  constructor(inode: Inode) {
    this.inode = inode;
  }

  /** Writes the dirty pages of [start, end), the last of them perhaps only with finish(). */
  file(inode: Inode, start: number, end: number): void {
    if (inode !== this.inode) {
      this.inode = inode;
      this.map.reset();
    }
    this.end = end;
    for (const folio of inode.pages.takeDirty(start, end)) {
      this.folio(folio, start, end);
      inode.pages.requeue(folio);
    }
  }

  private folio(folio: Folio, start: number, end: number): void {
    const { inode } = this;
    const blockSize = inode.pages.blockSize;
    const eof = Math.ceil(inode.size / blockSize) * blockSize;
    const stop = Math.min(FOLIO_SIZE, Math.ceil(end / blockSize) * blockSize - folio.start);
    inode.fs.tracer?.range('iomap_writeback_folio', inode, folio.start, FOLIO_SIZE);
    let at = Math.max(0, Math.floor(start / blockSize) * blockSize - folio.start);
    while (at < stop && folio.dirtyBlocks > 0) {
      const runEnd = folio.runEnd(at, stop, DIRTY);
      if (folio.has(at, DIRTY)) {
        const limit = Math.min(runEnd, Math.max(at, eof - folio.start));
        if (limit > at) this.run(folio, at, limit);
        folio.markClean(at, runEnd - at);
      }
      at = runEnd;
    }
  }

  finish(): void {
    this.flush();
    this.complete();
  }

  /** A dirty run inside one folio and before EOF: map it piece by piece. */
  private run(folio: Folio, at: number, end: number): void {
    this.zeroBeyondEof(folio, end);
    while (at < end) {
      let n = end - at;
      try {
        n = this.mapAt(folio.start + at, n);
      } catch (error) {
        this.discard(this.inode, folio.start + at, n, error);
        return;
      }
      if (this.map.type !== IomapType.HOLE) this.add(folio, at, n);
      at += n;
    }
  }

  /** What a mapping shows beyond EOF must be zeros on the device: a later extension reveals it. */
  private zeroBeyondEof(folio: Folio, end: number): void {
    const beyond = folio.start + end - this.inode.size;
    if (beyond > 0) folio.zero(end - beyond, beyond);
  }

  /** Makes `map` cover `pos`, asking only if it does not yet; returns how many of `length` bytes it covers. */
  private mapAt(pos: number, length: number): number {
    const { map, inode } = this;
    const ops = inode.iomap.writeback;
    const covers = map.type !== IomapType.UNSET && map.offset <= pos && pos < map.offset + map.length;
    if (!covers || this.stale || ops.valid?.(inode, map) === false) {
      map.reset();
      this.stale = false;
      ops.mapBlocks(inode, pos, ops.wholeRuns === true ? this.runLength(pos) : length, map);
    }
    inode.fs.tracer?.addToIoend(inode, pos, length, map);
    const n = Math.min(length, map.offset + map.length - pos);
    const real = map.type === IomapType.MAPPED || map.type === IomapType.UNWRITTEN || map.type === IomapType.HOLE;
    if (!real || n <= 0 || map.offset > pos) {
      map.reset();
      throw new FsError('EIO', { detail: `no place to write back ${pos}+${length}` });
    }
    return n;
  }

  /** How many bytes from `pos` on are dirty and are written in this pass. */
  private runLength(pos: number): number {
    const { pages, size } = this.inode;
    const limit = Math.ceil(Math.min(this.end, size) / pages.blockSize) * pages.blockSize;
    return pages.dirtyRunEnd(pos, limit) - pos;
  }

  private add(folio: Folio, at: number, length: number): void {
    const { map } = this;
    const device = map.device as Device;
    const addr = map.addr + (folio.start + at - map.offset);
    if (device === this.device) this.fillGap(addr);
    for (let done = 0; done < length; ) {
      const full = this.bytes >= WRITE_SIZE || this.buffers.length >= WRITE_VECTORS;
      if (full || device !== this.device || addr + done !== this.addr + this.bytes) this.flush();
      if (this.bytes === 0) {
        this.device = device;
        this.addr = addr + done;
      }
      const n = folio.locate(at + done, Math.min(length - done, WRITE_SIZE - this.bytes));
      const { memory, memoryAt } = folio.cache;
      const all = n === memory.length;
      this.buffers.push(all ? memory : new Uint8Array(memory.buffer, memory.byteOffset + memoryAt, n));
      this.extendIoend(folio.start + at + done, n, addr + done);
      this.bytes += n;
      done += n;
    }
  }

  /** Lets `buffers` reach up to `addr` if they nearly do and what lies between is ours and empty. */
  private fillGap(addr: number): void {
    const { map } = this;
    const end = this.addr + this.bytes;
    const gap = addr - end;
    if (this.bytes === 0 || gap <= 0 || gap > MAX_GAP || end < map.addr) return;
    const staged = map.type === IomapType.UNWRITTEN && (map.flags & IomapFlag.SHARED) !== 0;
    if (!staged || this.stale || this.inode.iomap.writeback.stagesEmpty !== true) return;
    if (this.bytes + gap >= WRITE_SIZE || this.buffers.length + 1 >= WRITE_VECTORS) return;
    gapFillings[gap / 512] ??= new Uint8Array(gap);
    this.buffers.push(gapFillings[gap / 512] as Uint8Array);
    this.bytes += gap;
  }

  private extendIoend(pos: number, length: number, addr: number): void {
    const { map, ioends } = this;
    const shared = map.flags & IomapFlag.SHARED;
    const last = ioends[ioends.length - 1];
    if (
      last !== undefined &&
      last.inode === this.inode &&
      last.offset + last.length === pos &&
      last.addr + last.length === addr &&
      last.type === map.type &&
      (last.flags & IomapFlag.SHARED) === shared
    ) {
      last.length += length;
      if (this.pending < ioends.length) return;
      // Data of this ioend is buffered again: it must not complete before that is written.
      this.pending = ioends.length - 1;
      this.pendingFrom = pos;
      return;
    }
    if (this.pending === ioends.length) this.pendingFrom = pos;
    ioends.push({ inode: this.inode, offset: pos, length, type: map.type, flags: map.flags, addr });
  }

  private flush(): void {
    if (this.bytes === 0) return;
    try {
      const only = this.buffers[0] as Uint8Array;
      if (this.buffers.length === 1) (this.device as Device).write(this.addr, only);
      else (this.device as Device).writev(this.addr, this.buffers);
    } catch (error) {
      this.discardPending(error);
    }
    this.buffers.length = 0;
    this.bytes = 0;
    this.pending = this.ioends.length;
    if (this.pending >= IOEND_BATCH) this.complete();
  }

  /** The device refused what is in `buffers`: what it took of the first ioend before stays written. */
  private discardPending(error: unknown): void {
    const lost = this.ioends.splice(this.pending);
    const first = lost[0] as IoEnd;
    const written = this.pendingFrom - first.offset;
    if (written > 0) this.ioends.push({ ...first, length: written });
    for (const ioend of lost) {
      const from = Math.max(ioend.offset, ioend === first ? this.pendingFrom : 0);
      this.discard(ioend.inode, from, ioend.offset + ioend.length - from, error);
    }
  }

  private complete(): void {
    const done = this.ioends;
    this.ioends = [];
    this.pending = 0;
    for (let i = 0; i < done.length; ) {
      const { inode } = done[i] as IoEnd;
      let next = i + 1;
      while (next < done.length && (done[next] as IoEnd).inode === inode) next++;
      this.record(inode, next - i === done.length ? done : done.slice(i, next));
      i = next;
    }
  }

  /** The device has what these ioends of one file are about. */
  private record(inode: Inode, ioends: readonly IoEnd[]): void {
    const ops = inode.iomap.writeback;
    if (ops.endIos !== undefined) {
      ops.endIos(ioends, (pos, length, error) => this.discard(inode, pos, length, error));
      return;
    }
    for (const ioend of ioends) {
      try {
        ops.endIo(ioend);
      } catch (error) {
        this.discard(inode, ioend.offset, ioend.length, error);
      }
    }
  }

  /** Gives back what is reserved for bytes that cannot be written, and forgets them: reads see the device again. */
  private discard(inode: Inode, pos: number, length: number, error: unknown): void {
    inode.pages.writeError ??= error;
    this.stale = true;
    try {
      inode.iomap.writeback.discard?.(inode, pos, length);
    } catch {
      // The first error is the one that is told.
    }
    inode.pages.invalidate(pos, pos + length);
  }
}
