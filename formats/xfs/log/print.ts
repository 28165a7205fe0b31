/**
 * The log as a listing: every record that is still in it, oldest first, with its operations and what the items in
 * them say; or the transactions that recovery would replay. One listing is made at a time, so that memory stays
 * bounded whatever the size of the log.
 */
import { uuid as uuidField } from '../../../core/struct.ts';
import type { XfsMount } from '../mount.ts';
import type { LogArea } from './area.ts';
import {
  BB,
  Client,
  lsnBlock,
  lsnCycle,
  OP_HEADER_SIZE,
  OpFlag,
  RECORD_MAGIC,
  TRANS_HEADER_MAGIC,
} from './log-format.ts';
import { describeRegion, itemName } from './print-items.ts';
import { type LogRecord, readRecord } from './record.ts';
import { committedTransactions, u16, u32 } from './recover/transactions.ts';
import { findLogState } from './state.ts';

/** Where the log lies and what state it is in. Blocks of 512 bytes. */
export interface LogHeading {
  readonly addr: number;
  readonly blocks: number;
  readonly tail: number;
  readonly head: number;
  readonly clean: boolean;
  readonly why: string;
}

/** One operation of a record. */
export interface OperationListing {
  readonly tid: number;
  readonly length: number;
  readonly client: string;
  readonly flags: readonly string[];
  /** The item that the operation belongs to, or null. */
  readonly item: string | null;
  readonly data: Readonly<Record<string, unknown>>;
  readonly lines: readonly string[];
  /** True for the first operation of an item and for those that belong to none. */
  readonly first: boolean;
}

/** One record. */
export interface RecordListing {
  readonly block: number;
  readonly cycle: number;
  readonly version: number;
  readonly lsn: readonly [cycle: number, block: number];
  readonly tailLsn: readonly [cycle: number, block: number];
  readonly length: number;
  readonly prevBlock: number;
  readonly size: number;
  readonly uuid: string;
  readonly crcGood: boolean;
  readonly operations: readonly OperationListing[];
}

/** A transaction that recovery would replay. */
export interface TransactionListing {
  readonly tid: number;
  readonly lsn: readonly [cycle: number, block: number];
  /** What its header says: Linux counts regions there. */
  readonly announced: number;
  readonly items: readonly {
    readonly type: string;
    readonly regions: readonly number[];
    readonly data: Readonly<Record<string, unknown>>;
    readonly lines: readonly string[];
  }[];
}

/** The state of the log on the image, recovered in memory or not. @throws FsError EUCLEAN, EIO */
export function logHeading(mp: XfsMount): LogHeading {
  const { area, tail, head, clean, why } = mp.log.found();
  return { addr: area.start, blocks: area.blocks, tail, head, clean, why };
}

/** The transactions between tail and head, in the order of their commits. @throws FsError EUCLEAN, EIO */
export function* listTransactions(mp: XfsMount): Generator<TransactionListing> {
  for (const trans of committedTransactions(mp.log.found())) {
    const items = trans.items.map((item) => {
      const described = item.regions.map((_, index) => describeRegion(item.regions, index));
      return {
        type: itemName(item.type),
        regions: item.regions.map((region) => region.length),
        data: Object.assign({}, ...described.map((part) => part.data)) as Record<string, unknown>,
        lines: described.flatMap((part) => part.lines),
      };
    });
    yield { tid: trans.tid, lsn: [lsnCycle(trans.lsn), lsnBlock(trans.lsn)], announced: trans.announced, items };
  }
}

/** Every record of the log, oldest first. @throws FsError EUCLEAN, EIO */
export function* listRecords(mp: XfsMount): Generator<RecordListing> {
  const { area, head, last } = findLogState(mp);
  if (last === null) return;
  const open = new Map<number, OpenItem>();
  // Behind the head lies the oldest that is left; in a log that never wrapped there is nothing.
  const start = head % area.blocks;
  const scratch = new Uint8Array(BB);
  for (let done = 0; done < area.blocks; ) {
    const block = (start + done) % area.blocks;
    area.read(block, 1, scratch);
    const record = new DataView(scratch.buffer).getUint32(0) === RECORD_MAGIC ? readRecord(area, block) : null;
    if (record === null || 'reason' in record || !fits(area, record, done)) {
      done++;
      continue;
    }
    yield listRecord(record, open);
    done += record.headerBlocks + Math.ceil(record.data.length / BB);
  }
}

/** The remains of a record that newer ones have partly overwritten are no record. */
function fits(area: LogArea, record: LogRecord, done: number): boolean {
  const blocks = record.headerBlocks + Math.ceil(record.data.length / BB);
  return done + blocks <= area.blocks && lsnBlock(record.lsn) === record.block && record.crcGood;
}

interface OpenItem {
  regions: Uint8Array[];
  total: number;
}

const FLAG_NAMES = [
  [OpFlag.START, 'START'],
  [OpFlag.COMMIT, 'COMMIT'],
  [OpFlag.WAS_CONT, 'WAS_CONT'],
  [OpFlag.UNMOUNT, 'UNMOUNT'],
  [OpFlag.CONTINUE, 'CONTINUE'],
  [OpFlag.END, 'END'],
] as const;

function listRecord(record: LogRecord, open: Map<number, OpenItem>): RecordListing {
  const operations: OperationListing[] = [];
  const { data } = record;
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  for (let at = 0, left = record.operations; left > 0 && at + OP_HEADER_SIZE <= data.length; left--) {
    const tid = view.getUint32(at);
    const length = view.getUint32(at + 4);
    const client = data[at + 8] as number;
    const flags = data[at + 9] as number;
    const region = data.subarray(at + OP_HEADER_SIZE, at + OP_HEADER_SIZE + length);
    at += OP_HEADER_SIZE + length;
    operations.push({
      tid,
      length,
      client: client === Client.TRANSACTION ? 'TRANS' : client === Client.LOG ? 'LOG' : 'ERROR',
      flags: FLAG_NAMES.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name),
      ...describeOperation(open, tid, flags, region),
    });
  }
  return {
    block: record.block,
    cycle: record.cycle,
    version: record.version,
    lsn: [lsnCycle(record.lsn), lsnBlock(record.lsn)],
    tailLsn: [lsnCycle(record.tailLsn), lsnBlock(record.tailLsn)],
    length: data.length,
    prevBlock: record.prevBlock,
    size: record.size,
    uuid: uuidField.format(record.uuid),
    crcGood: record.crcGood,
    operations,
  };
}

type Description = Pick<OperationListing, 'item' | 'data' | 'lines' | 'first'>;

function describeOperation(open: Map<number, OpenItem>, tid: number, flags: number, region: Uint8Array): Description {
  const none = { item: null, data: {}, first: true };
  if ((flags & OpFlag.UNMOUNT) !== 0) return { ...none, lines: ['Unmount filesystem'] };
  if ((flags & OpFlag.START) !== 0) open.delete(tid);
  if ((flags & OpFlag.WAS_CONT) !== 0) {
    const regions = open.get(tid)?.regions;
    const begun = regions?.pop();
    if (regions !== undefined && begun !== undefined) regions.push(Buffer.concat([begun, region]));
    return { ...none, lines: ['Left over region from split log item'] };
  }
  if (region.length < 4) return { ...none, lines: [] };
  if (u32(region, 0) === TRANS_HEADER_MAGIC && region.length >= 16) {
    const items = u32(region, 12);
    const data = { items };
    return { ...none, data, lines: [`TRAN:     tid: ${u32(region, 8).toString(16)}  num_items: ${items}`] };
  }
  let item = open.get(tid);
  const first = item === undefined || item.regions.length >= item.total;
  if (item === undefined || first) {
    item = { regions: [], total: u16(region, 2) };
    open.set(tid, item);
  }
  item.regions.push(region);
  const name = itemName(u16(item.regions[0] as Uint8Array, 0));
  if ((flags & OpFlag.CONTINUE) !== 0)
    return { item: name, data: {}, first, lines: [`${name}: goes on in the next record`] };
  const { lines, data } = describeRegion(item.regions, item.regions.length - 1);
  return { item: name, data, lines, first };
}

const RULE = '----------------------------------------------------------------------------';
const DOUBLE_RULE = '============================================================================';

/** The heading in xfs_logprint's words. */
export function headingLines(heading: LogHeading): string[] {
  return [
    `    log device daddr: ${heading.addr / BB} length: ${heading.blocks}`,
    '',
    `    log tail: ${heading.tail} head: ${heading.head} state: ${heading.clean ? '<CLEAN>' : '<DIRTY>'}`,
    '',
  ];
}

/** A record in xfs_logprint's words. */
export function recordLines(record: RecordListing): string[] {
  const lines = [
    `cycle: ${record.cycle}	version: ${record.version}		lsn: ${record.lsn.join(',')}	tail_lsn: ${record.tailLsn.join(',')}`,
    `length of Log Record: ${record.length}	prev offset: ${record.prevBlock | 0}		num ops: ${record.operations.length}`,
    `uuid: ${record.uuid}   format: little endian linux`,
    `h_size: ${record.size}`,
  ];
  for (const [index, op] of record.operations.entries()) {
    if (op.first) lines.push(RULE);
    const flags = op.flags.length === 0 ? 'none' : `${op.flags.join(' ')} `;
    lines.push(
      `Oper (${index}): tid: ${op.tid.toString(16)}  len: ${op.length}  clientid: ${op.client}  flags: ${flags}`,
    );
    lines.push(...op.lines);
  }
  lines.push('', DOUBLE_RULE);
  return lines;
}

/** A transaction in the manner of xfs_logprint -t. */
export function transactionLines(trans: TransactionListing): string[] {
  const [cycle, block] = trans.lsn;
  const lines = [
    `LOG REC AT LSN cycle ${cycle} block ${block} (0x${cycle.toString(16)}, 0x${block.toString(16)})`,
    DOUBLE_RULE,
    `TRANS: tid:0x${trans.tid.toString(16)}  #items:${trans.announced}`,
  ];
  for (const item of trans.items) {
    lines.push(
      `${item.type}: cnt:${item.regions.length} total:${item.regions.length} len:${item.regions.join(' len:')}`,
    );
    for (const line of item.lines) lines.push(`	${line}`);
  }
  return lines;
}
