/**
 * The log of a mounted image, as transactions and commands see it.
 *
 *     commit → CIL (memory) → checkpoint (log records) → flush → blocks in place → flush → tail moves on
 *
 * A checkpoint is atomic in recovery; it is written only between transactions and never inside an atomic section.
 * Data that a checkpoint makes visible is flushed before it. The tail moves only when every block is in place, in one
 * step (pushAll), long before the log is full. Nothing touches the image before the first transaction.
 */
import { FsError } from '../../../core/errors.ts';
import { recoverCowLeftovers } from '../alloc/cow-leftovers.ts';
import type { XfsMount } from '../mount.ts';
import { type Trans, transact } from '../trans.ts';
import { LogArea } from './area.ts';
import { BusyExtents } from './busy.ts';
import { writeCheckpoint } from './checkpoint.ts';
import { Cil } from './cil.ts';
import { writeInPlace } from './in-place.ts';
import { RecordWriter, writeUnmountRecord } from './record-writer.ts';
import type { Replayed } from './recover/replay.ts';
import { clearStaleBlocks } from './stale.ts';
import { findLogState, type LogState } from './state.ts';
import { finishSuperblock, startSuperblock, superblockNeedsStart } from './superblock-log.ts';
import { UndoLog } from './undo.ts';

const STOPPED = new FsError('EIO', { detail: 'the file system was shut down' });

/** One image's log. */
export class XfsLog {
  readonly mp: XfsMount;
  readonly cil = new Cil();
  readonly undo = new UndoLog();
  /** Freed blocks that data must not reuse yet. */
  readonly busy = new BusyExtents();
  /** Freed realtime extents, the same; their group is 0. */
  readonly busyRealtime = new BusyExtents();
  /** Blocks that lost all owners but one, which the disk does not know yet. */
  readonly unshared = new BusyExtents();
  /** The global counters in memory differ from those on disk. */
  countersChanged = false;
  private begun = 0;
  private state: LogState | null = null;
  private writer: RecordWriter | null = null;
  private running: Trans | null = null;
  private atomicDepth = 0;
  private starting = false;
  /** The log was dirty and has been replayed in memory: the first change must write that out before. */
  private replayed: Replayed | null = null;
  private recovering = false;
  private readonly startWork: (() => void)[] = [];
  private forceWanted = false;
  private failure: unknown = null;
  private damage: unknown = null;
  /** About what the CIL holds, never less; measured when it passes the limit. */
  private waiting = 0;
  private tid: number;

  constructor(mp: XfsMount) {
    this.mp = mp;
    this.tid = Math.floor(mp.options.random() * 0x7fffffff);
  }

  /** True once the image may have been changed. */
  get active(): boolean {
    return this.writer !== null;
  }

  /** A write failed: what is on the image is what recovery finds there, and nothing more is written. */
  get failed(): boolean {
    return this.failure !== null;
  }

  /** Damage was met before the first write: nothing is written any more, the image stays as it was. */
  get abandoned(): boolean {
    return this.failure !== null && this.writer?.wrote === false && this.failure === this.damage;
  }

  /** The user asked for a crash: what is on the image now stays as it is. */
  get stopped(): boolean {
    return this.failure === STOPPED;
  }

  /** Nothing is written any more. */
  stop(): void {
    this.failure = STOPPED;
  }

  /** A transaction met damage. While nothing is on the image yet, nothing shall be: no half of a command. */
  abandon(damage: unknown): void {
    if (this.failure !== null || this.writer === null || this.writer.wrote) return;
    this.damage = damage;
    this.failure = damage;
  }

  /** Clean or dirty, and where head and tail are; read once. @throws FsError EUCLEAN, EIO */
  found(): LogState {
    this.state ??= findLogState(this.mp);
    return this.state;
  }

  /** Has the log come to this cycle and block? Raw states (--norecovery) are not judged, nor is what is read before the log. */
  reached(cycle: number, block: number): boolean {
    if (this.mp.options.norecovery) return true;
    const { writer, state } = this;
    const atCycle = writer?.cycle ?? state?.cycle;
    if (atCycle === undefined) return true;
    return cycle < atCycle || (cycle === atCycle && block <= (writer?.block ?? state?.head ?? 0));
  }

  /** Cycle and block of the next record, for messages. */
  get position(): string {
    const { writer, state } = this;
    return `${writer?.cycle ?? state?.cycle}:${writer?.block ?? state?.head}`;
  }

  /** A transaction starts. @throws FsError EIO after a failed write, EROFS, EUCLEAN if the log needs recovery first */
  begin(tp: Trans): void {
    if (this.failure !== null) throw new FsError('EIO', { detail: 'an earlier write failed', cause: this.failure });
    if (this.running !== null) throw new Error(`transaction ${tp.name} inside ${this.running.name}`);
    if (this.writer === null && !this.recovering) this.start();
    this.running = tp;
    this.begun++;
  }

  /** Transactions so far: while it stays, no metadata changed. -1 inside of one. */
  get settled(): number {
    return this.running === null ? this.begun : -1;
  }

  /** This mount shows a log that was replayed in memory; nothing of it is on the image yet. */
  adopt(replayed: Replayed): void {
    this.state = replayed.state;
    this.replayed = replayed;
  }

  /**
   * Runs the part of recovery that makes transactions: they gather in memory and reach the image with the first
   * change of a user, in one checkpoint that takes the place of the old log's contents.
   */
  recover(work: () => void): void {
    this.recovering = true;
    this.atomicDepth++;
    try {
      work();
    } finally {
      this.atomicDepth--;
      this.recovering = false;
    }
  }

  /** What replaying the log gave, or null if the log was clean. */
  get recovered(): Replayed | null {
    return this.replayed;
  }

  /** `work` runs, with transactions of its own, before the first change of the image. */
  onStart(work: () => void): void {
    this.startWork.push(work);
  }

  /** True while recovery makes transactions, which a read-only mount also does, in memory. */
  get inRecovery(): boolean {
    return this.recovering;
  }

  /** The running transaction was committed; `weight` is about what it adds to the next checkpoint, in bytes. */
  ended(weight: number, forceWanted: boolean): void {
    this.running = null;
    this.waiting += weight;
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

  /** Writes a checkpoint if much is waiting and this is a point where one may fall. @throws FsError EIO, ENOSPC */
  maybeCheckpoint(): void {
    if (this.atomicDepth > 0 || this.running !== null || this.starting) return;
    if (this.forceWanted) {
      this.force();
      return;
    }
    if (this.waiting > this.checkpointLimit) {
      this.waiting = this.cil.bytes;
      if (this.waiting > this.checkpointLimit) this.guarded(() => this.checkpoint());
    }
    this.pushIfFull();
  }

  /** Makes the image writable: what is changed in memory first shall not be in vain. @throws FsError EROFS, EBUSY, ESTALE */
  claim(): void {
    if (this.writer !== null || this.recovering) return;
    this.mp.device.enableWrites?.();
    if (this.mp.logDevice !== this.mp.device) this.mp.logDevice.enableWrites?.();
    this.mp.rtDevice?.enableWrites?.();
  }

  /** Makes the image writable and the log ready. @throws FsError EROFS, EBUSY, ESTALE, EUCLEAN */
  start(): void {
    if (this.writer !== null) return;
    const state = this.found();
    if (!state.clean && this.replayed === null) {
      throw new FsError('EUCLEAN', { detail: `the log needs recovery: ${state.why}` });
    }
    this.claim();
    // A crash in here or before the next checkpoint leaves the old log to be replayed again, over the same blocks.
    this.replayed?.device.apply();
    if (state.torn !== null || !state.clean) clearStaleBlocks(state);
    this.writer = new RecordWriter(area(this.mp, state), state.head, state.cycle, state.last?.block ?? 0);
    this.starting = true;
    try {
      if (superblockNeedsStart(this.mp)) startSuperblock(this.mp);
    } finally {
      this.starting = false;
    }
    for (const work of this.startWork.splice(0)) work();
  }

  /** All committed changes, and all data written before, are durable when it returns. @throws FsError EIO, ENOSPC */
  force(): void {
    this.assertBetween('force');
    if (this.failure !== null) throw new FsError('EIO', { detail: 'an earlier write failed', cause: this.failure });
    this.forceWanted = false;
    this.guarded(() => {
      if (this.writer === null) {
        this.mp.flushDevices();
        return;
      }
      this.checkpoint();
      this.writer.flush();
      if (this.mp.logDevice !== this.mp.device) this.mp.flushDevices();
      else this.mp.rtDevice?.flush();
      this.forgetBusy();
    });
    this.pushIfFull();
  }

  /**
   * The bytes of these blocks are going to be overwritten in place: if after a crash another file would have them again,
   * and with them the new bytes, the log is forced first. @throws FsError EIO, ENOSPC
   */
  beforeOverwrite(fsb: number, length: number): void {
    if (this.unshared.empty || this.running !== null || this.atomicDepth > 0) return;
    const { mp } = this;
    if (this.unshared.overlap(mp.fsbToAgno(fsb), mp.fsbToAgbno(fsb), length) !== null) this.force();
  }

  /** What was written so far, data and log records, is durable when it returns. @throws FsError EIO */
  flushDevices(): void {
    this.guarded(() => {
      this.mp.flushDevices();
      if (this.mp.logDevice !== this.mp.device) this.writer?.flush();
    });
  }

  /** As force(), and every block is in its own place: the log needs nothing of what came before. @throws FsError EIO */
  pushAll(): void {
    this.assertBetween('pushAll');
    if (this.writer === null) return;
    const writer = this.writer;
    this.guarded(() => {
      this.checkpoint();
      writer.flush();
      this.forgetBusy();
      if (writeInPlace(this.mp.cache) > 0) this.mp.flushDevices();
      writer.moveTail();
    });
  }

  /** Leaves the image as a clean unmount does; an image that was not changed is not touched. @throws FsError EIO */
  cleanUnmount(): void {
    if (this.writer === null) return;
    const writer = this.writer;
    if (this.failure !== null) throw new FsError('EIO', { detail: 'an earlier write failed', cause: this.failure });
    if (!writer.wrote && this.cil.empty && !this.countersChanged) {
      this.mp.flushDevices();
      this.writer = null;
      return;
    }
    finishSuperblock(this.mp);
    this.countersChanged = false;
    this.pushAll();
    this.guarded(() => {
      this.mp.flushDevices();
      writeUnmountRecord(writer, ++this.tid);
    });
    this.state = null;
    this.writer = null;
  }

  /** The freeings are on disk. */
  private forgetBusy(): void {
    this.busy.clear();
    this.busyRealtime.clear();
    this.unshared.clear();
  }

  /** Changes gather up to an eighth of the log, as in Linux. */
  private get checkpointLimit(): number {
    return this.found().area.blocks * 64;
  }

  private checkpoint(): void {
    if (this.writer === null || this.cil.empty) return;
    // Data that this checkpoint makes visible must be on the device before it.
    this.mp.flushDevices();
    writeCheckpoint(this.mp, this.cil, this.writer, ++this.tid);
    this.waiting = 0;
  }

  /** Writes everything in place when half of the log is used, or half of the cache is dirty. */
  private pushIfFull(): void {
    if (this.writer === null || this.atomicDepth > 0 || this.running !== null || this.starting) return;
    const logFull = this.writer.usedBytes > this.found().area.blocks * 256;
    const cacheFull = this.mp.cache.dirtyBytes > this.mp.cache.capacity / 2;
    if (logFull || cacheFull) this.pushAll();
  }

  private assertBetween(what: string): void {
    if (this.running !== null) throw new Error(`${what} inside transaction ${this.running.name}`);
    if (this.atomicDepth > 0) throw new Error(`${what} inside an atomic section`);
  }

  /** After a failed write memory and image may differ: nothing more is written. */
  private guarded(fn: () => void): void {
    try {
      fn();
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }
}

/** The log's place as this mount's devices have it: the state may have been found through another mount's. */
function area(mp: XfsMount, state: LogState): LogArea {
  return state.area.device === mp.logDevice ? state.area : new LogArea(mp);
}

/** Gives a mount its log and its way to run transactions. */
export function attachLog(mp: XfsMount): XfsLog {
  const log = new XfsLog(mp);
  mp.log = log;
  log.onStart(() => recoverCowLeftovers(mp));
  // The counters live in the superblock's buffer, changed but not always dirty: it must stay.
  mp.cache.hold(mp.sbBuf);
  mp.transact = (name, fn) => transact(mp, name, fn);
  return log;
}
