/**
 * The committed transactions of a log between tail and head, put together from operations that may be spread over
 * many records. What has no commit record did not happen. Mirrors xlog_recover_process_data and its helpers; the
 * items come out in the order in which they must be replayed (xlog_recover_reorder_trans).
 */
import { corrupt } from '../../../../core/errors.ts';
import {
  BB,
  BLFT_SHIFT,
  Blft,
  BufFlag,
  Client,
  LogItem,
  OP_HEADER_SIZE,
  OpFlag,
  TRANS_HEADER_MAGIC,
} from '../log-format.ts';
import type { LogRecord } from '../record.ts';
import { type LogState, walkRecords } from '../state.ts';

/** The largest number of regions an item can have: every other chunk of a 64 KiB buffer, and the format. */
const MAX_REGIONS = 65536 / 128 / 2 + 1;
const TRANS_HEADER_SIZE = 16;

/** One log item: its format structure, then its data. */
export interface RecoveredItem {
  readonly type: number;
  readonly regions: readonly Uint8Array[];
}

/** A committed transaction; for Linux since 2.6.39 that is a checkpoint. */
export interface RecoveredTransaction {
  readonly tid: number;
  /** LSN of the record in which it starts: what blocks written in place carry. */
  readonly lsn: bigint;
  /** Number of items that its header announced. */
  readonly announced: number;
  readonly items: readonly RecoveredItem[];
}

interface Pending {
  readonly tid: number;
  readonly lsn: bigint;
  header: Uint8Array;
  items: { total: number; regions: Uint8Array[] }[];
}

/** Every committed transaction in the order of the commits. @throws FsError EUCLEAN */
export function* committedTransactions(state: LogState): Generator<RecoveredTransaction> {
  if (state.clean) return;
  const pending = new Map<number, Pending>();
  for (const record of walkRecords(state.area, state.tail, state.head)) {
    if ('reason' in record) throw bad(state, record.block, record.reason);
    if (!record.crcGood && state.area.crc) throw bad(state, record.block, 'record checksum');
    yield* readOperations(state, record, pending);
  }
}

function* readOperations(
  state: LogState,
  record: LogRecord,
  pending: Map<number, Pending>,
): Generator<RecoveredTransaction> {
  const { data } = record;
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  let at = 0;
  for (let left = record.operations; left > 0 && at < data.length; left--) {
    if (at + OP_HEADER_SIZE > data.length) throw bad(state, record.block, 'operation header reaches beyond the record');
    const tid = view.getUint32(at);
    const length = view.getUint32(at + 4);
    const client = data[at + 8] as number;
    const flags = data[at + 9] as number;
    at += OP_HEADER_SIZE;
    if (client !== Client.TRANSACTION && client !== Client.LOG) {
      throw bad(state, record.block, `unknown client ${client} of an operation`);
    }
    if (length > data.length - at) throw bad(state, record.block, 'operation reaches beyond the record');
    const region = data.subarray(at, at + length);
    at += length;
    const known = pending.get(tid);
    if (known === undefined) {
      // What belongs to a transaction that began before the tail is of no interest.
      if ((flags & OpFlag.START) !== 0) {
        pending.set(tid, { tid, lsn: record.lsn, header: new Uint8Array(0), items: [] });
      }
      continue;
    }
    const done = addOperation(state, record, known, flags, region);
    if (!done) continue;
    pending.delete(tid);
    if ((flags & OpFlag.COMMIT) !== 0) yield finish(known);
  }
}

/** Adds one operation; true if it ends the transaction. */
function addOperation(state: LogState, record: LogRecord, trans: Pending, flags: number, region: Uint8Array): boolean {
  let kind = flags & ~OpFlag.END;
  if ((kind & OpFlag.WAS_CONT) !== 0) kind &= ~OpFlag.CONTINUE;
  switch (kind) {
    case 0:
    case OpFlag.CONTINUE:
      addRegion(state, record, trans, region);
      return false;
    case OpFlag.WAS_CONT:
      continueRegion(state, record, trans, region);
      return false;
    case OpFlag.COMMIT:
    case OpFlag.UNMOUNT:
      return true;
    default:
      throw bad(state, record.block, `operation flags 0x${flags.toString(16)}`);
  }
}

function addRegion(state: LogState, record: LogRecord, trans: Pending, region: Uint8Array): void {
  if (region.length === 0) return;
  if (trans.header.length < TRANS_HEADER_SIZE) {
    if (trans.header.length !== 0 || region.length > TRANS_HEADER_SIZE || u32(region, 0) !== TRANS_HEADER_MAGIC) {
      throw bad(state, record.block, 'transaction header');
    }
    trans.header = region;
    return;
  }
  let item = trans.items.at(-1);
  if (item === undefined || item.regions.length === item.total) {
    const total = region.length < 4 ? 0 : u16(region, 2);
    if (total === 0 || total > MAX_REGIONS) throw bad(state, record.block, `log item of ${total} regions`);
    item = { total, regions: [] };
    trans.items.push(item);
  }
  item.regions.push(region);
}

function continueRegion(state: LogState, record: LogRecord, trans: Pending, region: Uint8Array): void {
  if (trans.header.length < TRANS_HEADER_SIZE) {
    if (trans.header.length + region.length > TRANS_HEADER_SIZE) throw bad(state, record.block, 'transaction header');
    trans.header = Buffer.concat([trans.header, region]);
    return;
  }
  const regions = trans.items.at(-1)?.regions;
  const last = regions?.pop();
  if (regions === undefined || last === undefined) throw bad(state, record.block, 'continuation of nothing');
  regions.push(Buffer.concat([last, region]));
}

function finish(trans: Pending): RecoveredTransaction {
  const items = trans.items
    .filter((item) => item.regions.length === item.total)
    .map((item) => ({ type: u16(item.regions[0] as Uint8Array, 0), regions: item.regions }));
  const announced = trans.header.length < TRANS_HEADER_SIZE ? 0 : u32(trans.header, 12);
  return { tid: trans.tid, lsn: trans.lsn, announced, items };
}

/**
 * The order of replay: buffers and new inode chunks, then the other items, then inode buffers (their unlinked
 * pointers must come after the inodes), then cancellations.
 */
export function replayOrder(items: readonly RecoveredItem[]): RecoveredItem[] {
  const rank = (item: RecoveredItem): number => {
    if (item.type === LogItem.ICREATE) return 0;
    if (item.type !== LogItem.BUF) return 1;
    const flags = u16(item.regions[0] as Uint8Array, 4);
    return (flags & BufFlag.CANCEL) !== 0 ? 3 : (flags & BufFlag.INODE_BUF) !== 0 ? 2 : 0;
  };
  return items
    .map((item, index) => ({ item, index, rank: rank(item) }))
    .sort((a, b) => a.rank - b.rank || a.index - b.index)
    .map((entry) => entry.item);
}

/** What a logged buffer's format structure says. */
export interface BufFormat {
  readonly flags: number;
  /** What it holds: a Blft value. */
  readonly type: number;
  readonly addr: number;
  readonly length: number;
  /** Number of 32-bit words in the bitmap at byte 20. */
  readonly words: number;
}

/** Decodes the format structure of a buffer item. @throws FsError EUCLEAN */
export function readBufFormat(region: Uint8Array): BufFormat {
  const words = region.length < 20 ? -1 : u32(region, 16);
  if (words < 0 || region.length < 20 + 4 * words) {
    throw corrupt({ structure: 'log buffer item', value: String(region.length), rule: 'is too short' });
  }
  const flags = u16(region, 4);
  const type = flags >>> BLFT_SHIFT;
  const view = new DataView(region.buffer, region.byteOffset, region.length);
  const addr = Number(view.getBigInt64(8, true)) * BB;
  return { flags, type: type > Blft.RTSUMMARY ? Blft.UNKNOWN : type, addr, length: u16(region, 6) * BB, words };
}

/** Little-endian 16 bits. */
export function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
}

/** Little-endian unsigned 32 bits. */
export function u32(bytes: Uint8Array, at: number): number {
  return (u16(bytes, at) | (u16(bytes, at + 2) << 16)) >>> 0;
}

function bad(state: LogState, block: number, rule: string): Error {
  return corrupt({ structure: 'log', addr: state.area.start + block * BB, rule: `block ${block}: ${rule}` });
}
