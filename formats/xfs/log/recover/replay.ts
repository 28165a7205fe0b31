/**
 * Replays a dirty log over the data device, in memory. Two walks over the transactions: the first notes which blocks
 * were freed (older changes of them must not be replayed: the blocks may hold a file's data now) and which quotas
 * were turned off, the second applies the items and collects the intents that nobody finished. At the end every
 * replayed block is stamped, checksummed and judged. Mirrors xlog_do_log_recovery.
 */
import { ReplayDevice } from '../../../../core/device/replay.ts';
import type { XfsMount } from '../../mount.ts';
import { QuotaFlag } from '../../structure/sb.ts';
import { Blft, BufFlag, LogItem } from '../log-format.ts';
import type { LogState } from '../state.ts';
import { blockLsn, isInodeBuffer, replayChunks, replayUnlinked, sealReplayed } from './buffers.ts';
import { initInodes, readDquotFormat, readIcreate, readInodeFormat, replayDquot, replayInode } from './inodes.ts';
import { type Intent, IntentTable, isIntentItem } from './intents.ts';
import {
  committedTransactions,
  type RecoveredItem,
  type RecoveredTransaction,
  readBufFormat,
  replayOrder,
  u32,
} from './transactions.ts';

/** Quota types by the bits that logged buffers and records use. */
const USER = 1;
const PROJECT = 2;
const GROUP = 4;

interface Touched {
  readonly addr: number;
  readonly length: number;
  type: number;
  lsn: bigint;
}

/** What replaying a log gave. */
export interface Replayed {
  readonly state: LogState;
  /** The data device with the replayed blocks over it. */
  readonly device: ReplayDevice;
  /** Promises that still have to be kept. */
  readonly intents: readonly Intent[];
  readonly transactions: number;
  readonly items: number;
}

/** Replays the log of an image over its data device. @throws FsError EUCLEAN, EIO */
export function replayLog(mp: XfsMount, state: LogState): Replayed {
  return new Replay(mp, state).run();
}

class Replay {
  private readonly mp: XfsMount;
  private readonly state: LogState;
  private readonly device: ReplayDevice;
  /** Blocks that were freed, and how often; by address and length. */
  private readonly cancelled = new Map<string, number>();
  private quotasOff = 0;
  private readonly intents = new IntentTable();
  private readonly touched = new Map<string, Touched>();
  private items = 0;

  constructor(mp: XfsMount, state: LogState) {
    this.mp = mp;
    this.state = state;
    this.device = new ReplayDevice(mp.device);
  }

  run(): Replayed {
    let transactions = 0;
    for (const trans of committedTransactions(this.state)) {
      for (const item of trans.items) this.note(item);
      transactions++;
    }
    for (const trans of committedTransactions(this.state)) this.apply(trans);
    for (const block of this.touched.values()) this.seal(block);
    return {
      state: this.state,
      device: this.device,
      intents: this.intents.pending,
      transactions,
      items: this.items,
    };
  }

  /** First walk. */
  private note(item: RecoveredItem): void {
    const region = item.regions[0] as Uint8Array;
    if (item.type === LogItem.BUF) {
      const format = readBufFormat(region);
      if ((format.flags & BufFlag.CANCEL) === 0) return;
      const key = blockKey(format.addr, format.length);
      this.cancelled.set(key, (this.cancelled.get(key) ?? 0) + 1);
    } else if (item.type === LogItem.QUOTAOFF) {
      const flags = u32(region, 4);
      if ((flags & QuotaFlag.UQUOTA_ACCT) !== 0) this.quotasOff |= USER;
      if ((flags & QuotaFlag.PQUOTA_ACCT) !== 0) this.quotasOff |= PROJECT;
      if ((flags & QuotaFlag.GQUOTA_ACCT) !== 0) this.quotasOff |= GROUP;
    }
  }

  /** Second walk. */
  private apply(trans: RecoveredTransaction): void {
    for (const item of replayOrder(trans.items)) {
      this.items++;
      if (item.type === LogItem.BUF) this.applyBuf(item, trans.lsn);
      else if (item.type === LogItem.INODE) this.applyInode(item, trans.lsn);
      else if (item.type === LogItem.ICREATE) this.applyIcreate(item);
      else if (item.type === LogItem.DQUOT) this.applyDquot(item, trans.lsn);
      else if (isIntentItem(item.type)) this.intents.add(item);
    }
  }

  private applyBuf(item: RecoveredItem, lsn: bigint): void {
    const format = readBufFormat(item.regions[0] as Uint8Array);
    const key = blockKey(format.addr, format.length);
    if ((format.flags & BufFlag.CANCEL) !== 0) {
      // After its last cancellation the block may be in use again, and is replayed.
      const left = (this.cancelled.get(key) ?? 0) - 1;
      if (left > 0) this.cancelled.set(key, left);
      else this.cancelled.delete(key);
      return;
    }
    if (this.cancelled.has(key)) return;
    const bytes = this.read(format.addr, format.length);
    const view = new DataView(bytes.buffer);
    if (isInodeBuffer(format)) {
      replayUnlinked(this.mp, format, item, bytes);
      this.device.write(format.addr, bytes);
      return;
    }
    const own = blockLsn(this.mp, bytes, view, format.type);
    if (own !== null && own >= lsn) return;
    if ((format.flags & this.quotaBits()) !== 0) return;
    replayChunks(format, item, bytes);
    this.device.write(format.addr, bytes);
    const known = this.touched.get(key);
    if (known === undefined) {
      this.touched.set(key, { addr: format.addr, length: format.length, type: format.type, lsn });
    } else {
      known.type = format.type;
      known.lsn = lsn;
    }
  }

  /** Flags of buffers whose quota was turned off. */
  private quotaBits(): number {
    let bits = 0;
    if ((this.quotasOff & USER) !== 0) bits |= BufFlag.UDQUOT;
    if ((this.quotasOff & PROJECT) !== 0) bits |= BufFlag.PDQUOT;
    if ((this.quotasOff & GROUP) !== 0) bits |= BufFlag.GDQUOT;
    return bits;
  }

  private applyInode(item: RecoveredItem, lsn: bigint): void {
    const format = readInodeFormat(item.regions[0] as Uint8Array);
    if (this.cancelled.has(blockKey(format.addr, format.length))) return;
    // Of the buffer only the inode's own bytes change.
    const bytes = this.read(format.addr + format.base, this.mp.inodeSize);
    if (replayInode(this.mp, format, item, bytes, lsn)) this.device.write(format.addr + format.base, bytes);
  }

  private applyIcreate(item: RecoveredItem): void {
    const { mp } = this;
    const icreate = readIcreate(mp, item.regions[0] as Uint8Array);
    const step = Math.min(mp.blocksPerCluster, icreate.length);
    for (let block = 0; block < icreate.length; block += step) {
      const addr = mp.agbToAddr(icreate.agno, icreate.agbno + block);
      // A chunk is freed as a whole: one cancelled cluster means that all of it is gone.
      if (this.cancelled.has(blockKey(addr, step * mp.blockSize))) return;
    }
    const bytes = new Uint8Array(icreate.length * mp.blockSize);
    initInodes(mp, icreate, icreate.agbno, bytes);
    this.device.write(mp.agbToAddr(icreate.agno, icreate.agbno), bytes);
  }

  private applyDquot(item: RecoveredItem, lsn: bigint): void {
    const region = item.regions[1];
    if (region === undefined || ((region[3] as number) & this.quotasOff) !== 0) return;
    const place = readDquotFormat(this.mp, item.regions[0] as Uint8Array);
    const bytes = this.read(place.addr, place.length);
    if (replayDquot(this.mp, place.base, region, bytes, lsn)) this.device.write(place.addr, bytes);
  }

  private seal(block: Touched): void {
    // A part of a directory block that lies in several places has its checksum in the first part, for the whole.
    const whole = block.type >= Blft.DIR_BLOCK && block.type <= Blft.DA_NODE ? this.mp.dirBlockSize : block.length;
    if (block.length !== whole && !(block.type === Blft.DA_NODE && block.length === this.mp.blockSize)) return;
    const bytes = this.read(block.addr, block.length);
    sealReplayed(this.mp, block.addr, bytes, block.type, block.lsn);
    this.device.write(block.addr, bytes);
  }

  private read(addr: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.device.read(addr, bytes);
    return bytes;
  }
}

function blockKey(addr: number, length: number): string {
  return `${addr}/${length}`;
}
