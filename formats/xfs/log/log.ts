/**
 * The log of a mounted image, as transactions and commands see it.
 *
 *     commit → CIL (memory) → checkpoint (log records) → flush → blocks in place → flush → tail moves on
 *
 * A checkpoint is atomic in recovery and is only written between transactions, and never inside an atomic section.
 * Data that a checkpoint makes visible is flushed before it. Nothing touches the image before the first commit.
 */
import { FsError } from '../../../core/errors.ts';
import type { XfsMount } from '../mount.ts';
import { Superblock } from '../structure/sb.ts';
import { type Trans, transact } from '../trans.ts';
import { BusyExtents } from './busy.ts';
import { Cil } from './cil.ts';
import { sealBuf, writeInPlace } from './in-place.ts';
import { UndoLog } from './undo.ts';

/** First byte and length of the global counters in the superblock. */
const COUNTERS_AT = Superblock.at.icount;
const COUNTERS_LENGTH = 32;

/** One image's log. */
export class XfsLog {
  readonly mp: XfsMount;
  readonly cil = new Cil();
  readonly undo = new UndoLog();
  /** Freed blocks that data must not reuse yet. */
  readonly busy = new BusyExtents();
  /** The global counters in memory differ from those on disk. */
  countersChanged = false;
  private running: Trans | null = null;
  private atomicDepth = 0;
  private started = false;
  private forceWanted = false;
  private failure: unknown = null;

  constructor(mp: XfsMount) {
    this.mp = mp;
  }

  /** True once the image may have been changed. */
  get active(): boolean {
    return this.started;
  }

  /** A transaction starts. @throws FsError EIO after a failed write, EROFS */
  begin(tp: Trans): void {
    if (this.failure !== null) throw new FsError('EIO', { detail: 'an earlier write failed', cause: this.failure });
    if (this.running !== null) throw new Error(`transaction ${tp.name} inside ${this.running.name}`);
    this.running = tp;
  }

  /** The running transaction was committed. */
  ended(forceWanted: boolean): void {
    this.running = null;
    if (forceWanted) this.forceWanted = true;
    this.maybeCheckpoint();
  }

  /** The running transaction was cancelled. */
  cancelled(): void {
    this.running = null;
  }

  /** Until the matching endAtomic() no checkpoint is written: what is committed meanwhile reaches the disk together. */
  beginAtomic(): void {
    this.atomicDepth++;
  }

  endAtomic(): void {
    if (this.atomicDepth <= 0) throw new Error('endAtomic without beginAtomic');
    this.atomicDepth--;
    this.maybeCheckpoint();
  }

  /** Writes a checkpoint if much is waiting and this is a point where one may fall. */
  maybeCheckpoint(): void {
    if (this.atomicDepth > 0 || this.running !== null) return;
    if (this.forceWanted) this.force();
  }

  /** Makes the image writable and the log ready; the first commit does it. */
  start(): void {
    if (this.started) return;
    this.mp.device.enableWrites?.();
    this.started = true;
  }

  /** All committed changes, and all data written before, are durable when it returns. @throws FsError EIO, ENOSPC */
  force(): void {
    this.forceWanted = false;
  }

  /** As force(), and every block is in its own place: the log needs nothing of what came before. */
  pushAll(): void {
    this.force();
    if (this.cil.empty && this.mp.cache.dirty.size === 0) return;
    this.start();
    for (const buf of this.mp.cache.dirty) sealBuf(buf, buf.lsn);
    this.cil.clear();
    writeInPlace(this.mp.cache);
    this.mp.device.flush();
    this.busy.clear();
  }

  /** Leaves the image as a clean unmount does; an image that was not changed is not touched. */
  cleanUnmount(): void {
    if (this.countersChanged) {
      this.mp.transact('counters', (tp) => tp.modifySb(COUNTERS_AT, COUNTERS_LENGTH));
      this.countersChanged = false;
    }
    this.pushAll();
  }
}

/** Gives a mount its log and its way to run transactions. */
export function attachLog(mp: XfsMount): XfsLog {
  const log = new XfsLog(mp);
  mp.log = log;
  mp.transact = (name, fn) => transact(mp, name, fn);
  return log;
}
