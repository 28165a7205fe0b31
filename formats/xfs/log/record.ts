/**
 * One log record: a header of one sector or more, then data.
 *
 *     | header | ext. header … | data block | data block | …          each 512 bytes
 *
 * On disk the first word of every block is the cycle number, by which recovery finds where the log ends; the word
 * that was there is kept in the header's cycle_data (64 words a header sector). Kernel: xlog_pack_data, xlog_cksum.
 */
import { crc32c } from '../../../core/checksum.ts';
import { headerBlocks, type LogArea } from './area.ts';
import {
  BB,
  CYCLE_DATA_BYTES,
  CYCLE_WORDS,
  RECORD_CRC_SIZE,
  RECORD_CRC_SIZE_I386,
  RECORD_MAGIC,
  RecordHeader,
} from './log-format.ts';

const AT = RecordHeader.at;
/** Bytes of an extended header that the checksum covers. */
const EXT_HEADER_SIZE = 4 + 4 * CYCLE_WORDS;

/** A record read from the log. */
export interface LogRecord {
  /** Block of the header. */
  readonly block: number;
  readonly cycle: number;
  readonly version: number;
  readonly lsn: bigint;
  readonly tailLsn: bigint;
  readonly prevBlock: number;
  /** The iclog size it was written with, 0 in a v1 log. */
  readonly size: number;
  readonly format: number;
  readonly uuid: Uint8Array;
  readonly operations: number;
  readonly headerBlocks: number;
  /** The data with its own first words back in place. */
  readonly data: Uint8Array;
  /** The block after the record. */
  readonly next: number;
  readonly crc: number;
  /** False if the record has a checksum and it is wrong. */
  readonly crcGood: boolean;
}

/** Why no record could be read at a block. */
export interface BadRecord {
  readonly block: number;
  readonly reason: string;
}

/**
 * The record at `block`. `iclogSize` is what the first record of the pass says (0: believe this one): Linux reads
 * every record of a pass with one header size.
 */
export function readRecord(area: LogArea, block: number, iclogSize = 0): LogRecord | BadRecord {
  const first = area.read(block, 1);
  const head = new DataView(first.buffer);
  if (head.getUint32(0) !== RECORD_MAGIC) return { block, reason: 'no record header' };
  const version = RecordHeader.get.version(head, 0);
  if (version === 0 || (version & ~3) !== 0) return { block, reason: `unknown record version ${version}` };
  const ownSize = area.v2 ? RecordHeader.get.size(head, 0) : 0;
  const length = RecordHeader.get.len(head, 0);
  const operations = RecordHeader.get.num_logops(head, 0);
  const limit = recordLimit(area, iclogSize === 0 ? ownSize : iclogSize, length, operations);
  if (length === 0 || length > limit) return { block, reason: `record length ${length} is not 1 to ${limit}` };
  const hblocks = headerBlocks(area.v2, version, iclogSize === 0 ? Math.max(ownSize, 0) : iclogSize);
  const dataBlocks = Math.ceil(length / BB);
  if (hblocks + dataBlocks > area.blocks) return { block, reason: 'record is longer than the log' };
  const all = area.read(block, hblocks + dataBlocks);
  const view = new DataView(all.buffer);
  const data = all.subarray(hblocks * BB);
  const crc = RecordHeader.get.crc(view, 0);
  const crcGood =
    crc === 0 ||
    crc === recordCrc(area.v2, all, data.subarray(0, length), RECORD_CRC_SIZE) ||
    crc === recordCrc(area.v2, all, data.subarray(0, length), RECORD_CRC_SIZE_I386);
  unpack(area.v2, view, data, hblocks);
  return {
    block,
    cycle: RecordHeader.get.cycle(view, 0),
    version,
    lsn: RecordHeader.get.lsn(view, 0),
    tailLsn: RecordHeader.get.tail_lsn(view, 0),
    prevBlock: RecordHeader.get.prev_block(view, 0),
    size: ownSize,
    format: RecordHeader.get.fmt(view, 0),
    uuid: RecordHeader.get.fs_uuid(view, 0),
    operations,
    headerBlocks: hblocks,
    data: data.subarray(0, length),
    next: (block + hblocks + dataBlocks) % area.blocks,
    crc,
    crcGood,
  };
}

/** mkfs writes unmount records as long as the stripe unit with an iclog size of 32 KiB: those are believed. */
function recordLimit(area: LogArea, size: number, length: number, operations: number): number {
  if (!area.v2) return CYCLE_DATA_BYTES;
  if (size === 0 || size > 256 * 1024) return 256 * 1024;
  return length > size && operations === 1 ? Math.max(size, area.roundoff) : size;
}

function recordCrc(v2: boolean, header: Uint8Array, data: Uint8Array, headerSize: number): number {
  let crc = crc32c(header.subarray(0, AT.crc));
  crc = crc32c(new Uint8Array(4), crc);
  crc = crc32c(header.subarray(AT.crc + 4, headerSize), crc);
  if (v2) {
    const heads = Math.ceil(data.length / CYCLE_DATA_BYTES);
    for (let i = 1; i < heads; i++) crc = crc32c(header.subarray(i * BB, i * BB + EXT_HEADER_SIZE), crc);
  }
  return crc32c(data, crc);
}

/** Byte offset in the header of the kept word of data block `index`. */
function cycleWordAt(index: number): number {
  const sector = Math.floor(index / CYCLE_WORDS);
  return sector === 0 ? AT.cycle_data + 4 * index : sector * BB + 4 + 4 * (index % CYCLE_WORDS);
}

function unpack(v2: boolean, view: DataView, data: Uint8Array, hblocks: number): void {
  const count = Math.min(Math.floor(data.length / BB), v2 ? hblocks * CYCLE_WORDS : CYCLE_WORDS);
  const base = hblocks * BB;
  for (let i = 0; i < count; i++) view.setUint32(base + i * BB, view.getUint32(cycleWordAt(i)));
}

/** What a record to be written says of itself. */
export interface RecordValues {
  readonly cycle: number;
  readonly block: number;
  readonly lsn: bigint;
  readonly tailLsn: bigint;
  readonly prevBlock: number;
  readonly operations: number;
  /** Bytes of data; the header says them. */
  readonly length: number;
  readonly iclogSize: number;
}

/**
 * Turns `record` (zeroed header sectors, then data) into what goes to the disk: header fields, cycle numbers in
 * every block (one more after the physical end of the log), checksum.
 */
export function packRecord(area: LogArea, record: Uint8Array, hblocks: number, values: RecordValues): void {
  const view = new DataView(record.buffer, record.byteOffset, record.length);
  RecordHeader.encode(view, 0, {
    magicno: RECORD_MAGIC,
    cycle: values.cycle,
    version: area.v2 ? 2 : 1,
    len: values.length,
    lsn: values.lsn,
    tail_lsn: values.tailLsn,
    crc: 0,
    prev_block: values.prevBlock,
    num_logops: values.operations,
    fmt: 1,
    fs_uuid: area.uuid,
    size: values.iclogSize,
  });
  const base = hblocks * BB;
  const dataBlocks = record.length / BB - hblocks;
  for (let i = 0; i < dataBlocks; i++) {
    view.setUint32(cycleWordAt(i), view.getUint32(base + i * BB));
    view.setUint32(base + i * BB, values.cycle);
  }
  for (let i = 1; i < hblocks; i++) view.setUint32(i * BB, values.cycle);
  for (let at = (area.blocks - values.block) * BB; at < record.length; at += BB) {
    const cycle = view.getUint32(at) + 1;
    view.setUint32(at, cycle === RECORD_MAGIC ? cycle + 1 : cycle);
  }
  const crc = recordCrc(area.v2, record, record.subarray(base, base + values.length), RECORD_CRC_SIZE);
  RecordHeader.set.crc(view, 0, crc);
}
