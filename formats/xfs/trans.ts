/**
 * A transaction: changes to metadata blocks that happen together or not at all.
 *
 * Every change is announced before it is made (modify, modifyInode, init, binval), so that cancel can put the old
 * bytes back and commit knows what the log must hold. Commit only hands the changed ranges to the log's gathering of
 * committed changes (log/cil.ts); a checkpoint copies the bytes when it is written, between transactions. One
 * transaction runs at a time. Mirrors xfs_trans.c, xfs_trans_buf.c.
 */
import type { Buf } from '../../core/buffer-cache.ts';
import { FsError } from '../../core/errors.ts';
import { readBe64, writeBe64 } from '../../core/struct.ts';
import { type Icreate, InodeFields, type LoggedDquot, type LoggedInode } from './log/cil.ts';
import { Blft, LogFlag } from './log/log-format.ts';
import type { XfsMount } from './mount.ts';
import { countUsage } from './quota/count.ts';
import { noteUsage, type Seen } from './quota/usage.ts';
import { Dquot } from './structure/dquot.ts';
import { Superblock } from './structure/sb.ts';

/** Which part of an inode changes. */
export type InodePart = 'core' | 'data' | 'attr' | 'all';

/** Changes of the global counters: inodes, free inodes, free blocks, free realtime extents. */
export interface SbDelta {
  readonly icount?: number;
  readonly ifree?: number;
  readonly fdblocks?: number;
  readonly frextents?: number;
}

interface BusyRange {
  readonly agno: number;
  readonly agbno: number;
  readonly length: number;
}

let lastId = 0;

/** A running transaction; commit() or cancel() ends it. */
export class Trans {
  readonly mp: XfsMount;
  /** What it does, for errors and traces. */
  readonly name: string;
  private readonly id: number;
  private readonly touched: Buf[] = [];
  private readonly inodes: LoggedInode[] = [];
  // Made when first needed: most transactions need none of them, and there are thousands.
  private inits: Buf[] | null = null;
  private freed: Buf[] | null = null;
  private icreates: Icreate[] | null = null;
  private dquots: LoggedDquot[] | null = null;
  private busyRanges: BusyRange[] | null = null;
  private unsharedRanges: BusyRange[] | null = null;
  private aborts: (() => void)[] | null = null;
  private commits: (() => void)[] | null = null;
  /** Inodes as they were before it changed them: where quotas are counted. */
  usage: Map<number, Seen> | null = null;
  /** What it takes was promised before: no limit of a quota holds. */
  beyondLimits = false;
  private counters = false;
  private reused = false;
  private ended = false;

  /** @throws FsError EROFS on a read-only mount, EIO after a failed write */
  constructor(mp: XfsMount, name: string) {
    if (mp.readOnly && !mp.log.inRecovery) throw new FsError('EROFS');
    this.mp = mp;
    this.name = name;
    this.id = ++lastId;
    mp.log.begin(this);
  }

  /** The bytes of `buf` from `offset` on are about to change: call before changing them. */
  modify(buf: Buf, offset: number, length: number): void {
    if (offset < 0 || length <= 0 || offset + length > buf.length) {
      throw new Error(`${this.name}: range ${offset}+${length} outside ${buf.ops.name} of ${buf.length} bytes`);
    }
    this.join(buf);
    this.mp.log.undo.save(buf, offset, length);
    markChunks(buf, offset, length);
  }

  /** `buf` is a new structure (from cache.init): all of it is logged, and cancel makes it vanish. */
  init(buf: Buf): void {
    this.join(buf);
    this.inits ??= [];
    this.inits.push(buf);
    if (buf.ops.logType === Blft.DINO) {
      buf.logFlags |= LogFlag.INODE_ALLOC;
      // From v5 on the icreate item makes recovery initialise the chunk: the buffer itself is not logged.
      if (this.mp.features.v5) return;
    }
    markChunks(buf, 0, buf.length);
  }

  /** The block of `buf` is freed: recovery must not replay older changes of it, nothing writes it in place. */
  binval(buf: Buf): void {
    this.join(buf);
    this.freed ??= [];
    this.freed.push(buf);
  }

  /** `ip` is about to change in its core, in one fork or in all: it is logged as an inode. */
  modifyInode(ip: { readonly ino: number; readonly buf: Buf; readonly base: number }, what: InodePart = 'all'): void {
    const { ino, buf, base } = ip;
    const { inodes } = this;
    // No transaction changes more than a few inodes; the last one is asked for most.
    for (let i = inodes.length - 1; i >= 0; i--) {
      const known = inodes[i] as LoggedInode;
      if (known.ino !== ino || known.buf !== buf) continue;
      known.fields |= InodeFields[what];
      return;
    }
    if (this.mp.quotas.length > 0) noteUsage(this, ip);
    this.join(buf);
    this.mp.log.undo.save(buf, base, this.mp.inodeSize);
    inodes.push({ ino, buf, base, fields: InodeFields[what] });
  }

  /** The quota record at `base` is about to change: it is logged as such. */
  modifyDquot(buf: Buf, base: number): void {
    this.dquots ??= [];
    if (this.dquots.some((known) => known.buf === buf && known.base === base)) return;
    this.join(buf);
    this.mp.log.undo.save(buf, base, Dquot.size);
    this.dquots.push({ buf, base });
  }

  /** `count` new inodes of `isize` bytes lie in `length` blocks from `agbno` on, initialised with generation `gen`. */
  icreate(agno: number, agbno: number, count: number, isize: number, length: number, gen: number): void {
    if (!this.mp.features.v5) return;
    this.icreates ??= [];
    this.icreates.push({ agno, agbno, count, isize, length, gen });
  }

  /** Bytes of the superblock are about to change. */
  modifySb(offset: number, length: number): void {
    this.modify(this.mp.sbBuf, offset, length);
  }

  /** Adds to the global counters; with lazy counters the log learns them only at the end. @throws FsError EUCLEAN below 0 */
  sbDelta(delta: SbDelta): void {
    const { icount = 0, ifree = 0, fdblocks = 0, frextents = 0 } = delta;
    const { at } = Superblock;
    const logged = !this.mp.features.lazySbCount;
    if (icount !== 0) this.addToCounter(at.icount, icount, logged);
    if (ifree !== 0) this.addToCounter(at.ifree, ifree, logged);
    if (fdblocks !== 0) this.addToCounter(at.fdblocks, fdblocks, logged);
    if (frextents !== 0) this.addToCounter(at.frextents, frextents, true);
  }

  private addToCounter(at: number, change: number, logged: boolean): void {
    const buf = this.mp.sbBuf;
    this.join(buf);
    this.mp.log.undo.save(buf, at, 8);
    if (logged) markChunks(buf, at, 8);
    // The counters can be stale in a damaged image; the trees are what counts, so they stop at zero.
    writeBe64(buf.view, at, Math.max(0, readBe64(buf.view, at) + change));
    this.counters = true;
  }

  /** These blocks are freed: data must not reuse them before the log says so on disk. */
  busy(agno: number, agbno: number, length: number): void {
    this.busyRanges ??= [];
    this.busyRanges.push({ agno, agbno, length });
  }

  /** These blocks have one owner from now on, who must not overwrite them before the log says so on disk. */
  unshare(agno: number, agbno: number, length: number): void {
    this.unsharedRanges ??= [];
    this.unsharedRanges.push({ agno, agbno, length });
  }

  /** Busy blocks had to be allocated again: the log is forced as soon as this transaction has ended. */
  reuseBusy(): void {
    this.reused = true;
  }

  /** `fn` runs after the bytes are restored, last first, if the transaction is cancelled. */
  onAbort(fn: () => void): void {
    this.aborts ??= [];
    this.aborts.push(fn);
  }

  /** `fn` runs when the transaction is committed (in memory; durable at the next checkpoint). */
  onCommit(fn: () => void): void {
    this.commits ??= [];
    this.commits.push(fn);
  }

  /** True once anything was announced. */
  get changed(): boolean {
    return this.touched.length > 0 || this.icreates !== null;
  }

  /** All changes count. @throws FsError EIO, ENOSPC if the log had to be written and could not */
  commit(): void {
    this.end();
    const log = this.mp.log;
    const cil = log.cil;
    const cache = this.mp.cache;
    if (this.freed !== null)
      for (const buf of this.freed) {
        cil.cancel(buf);
        cache.drop(buf);
      }
    if (this.inits !== null)
      for (const buf of this.inits) {
        // The older block of this address is superseded as a whole.
        if (buf.replaced !== null) cil.supersede(buf.replaced, cache);
        buf.replaced = null;
      }
    const { touched, inodes } = this;
    for (const buf of touched) {
      buf.transaction = 0;
      if (!buf.cached) continue;
      if (buf.chunks !== null || (buf.logFlags & LogFlag.INODE_ALLOC) !== 0) {
        cil.addBuf(buf);
        cache.markDirty(buf);
      }
    }
    for (const item of inodes) {
      if (!item.buf.cached) continue;
      cil.addInode(item);
      cache.markDirty(item.buf);
    }
    if (this.dquots !== null)
      for (const item of this.dquots) {
        cil.addDquot(item);
        cache.markDirty(item.buf);
      }
    if (this.icreates !== null) for (const item of this.icreates) cil.addIcreate(item);
    if (this.busyRanges !== null)
      for (const range of this.busyRanges) log.busy.add(range.agno, range.agbno, range.length);
    if (this.unsharedRanges !== null)
      for (const range of this.unsharedRanges) log.unshared.add(range.agno, range.agbno, range.length);
    if (this.counters) log.countersChanged = true;
    log.undo.clear();
    if (this.commits !== null) for (const fn of this.commits) fn();
    const fresh = this.inits === null ? 0 : this.inits.length * this.mp.blockSize;
    log.ended(touched.length * 256 + inodes.length * 640 + fresh, this.reused);
  }

  /** Nothing happened: every byte is as before. */
  cancel(): void {
    this.end();
    const log = this.mp.log;
    log.undo.restore();
    const inits = this.inits ?? [];
    for (let i = inits.length - 1; i >= 0; i--) this.mp.cache.uninit(inits[i] as Buf);
    for (const buf of this.touched) {
      buf.transaction = 0;
      if (!log.cil.has(buf)) {
        buf.chunks = null;
        buf.logFlags = 0;
      }
    }
    const aborts = this.aborts ?? [];
    for (let i = aborts.length - 1; i >= 0; i--) aborts[i]?.();
    log.cancelled();
  }

  private end(): void {
    if (this.ended) throw new Error(`transaction ${this.name} has already ended`);
    this.ended = true;
  }

  private join(buf: Buf): void {
    if (buf.transaction === this.id) return;
    if (this.ended) throw new Error(`transaction ${this.name} has already ended`);
    if (buf.transaction !== 0)
      throw new Error(`${this.name}: ${buf.ops.name} at ${buf.addr} is in another transaction`);
    if (!buf.cached) this.mp.cache.revive(buf);
    buf.ops.beforeChange?.(buf);
    buf.transaction = this.id;
    buf.undoBytes = 0;
    this.touched.push(buf);
  }
}

/** Marks the 128-byte chunks of a byte range for the log. */
function markChunks(buf: Buf, offset: number, length: number): void {
  let chunks = buf.chunks;
  if (chunks === null) {
    chunks = new Uint32Array((buf.length / 128 + 31) >>> 5);
    buf.chunks = chunks;
  }
  const last = (offset + length - 1) >>> 7;
  for (let chunk = offset >>> 7; chunk <= last; chunk++) {
    chunks[chunk >>> 5] = (chunks[chunk >>> 5] as number) | (1 << (chunk & 31));
  }
}

/** Runs `fn` in a transaction: committed when it returns, cancelled when it throws. @throws what `fn` throws */
export function transact<T>(mp: XfsMount, name: string, fn: (tp: Trans) => T): T {
  const tp = new Trans(mp, name);
  let result: T;
  try {
    result = fn(tp);
    if (mp.quotas.length > 0) countUsage(tp);
  } catch (error) {
    tp.cancel();
    if (error instanceof FsError && error.code === 'EUCLEAN') mp.log.abandon(error);
    throw error;
  }
  tp.commit();
  return result;
}
