/**
 * Turns operations (a header of 12 bytes and a region) into records and writes them at the head of the log. A region
 * that does not fit the rest of a record goes on in the next one.
 *
 * Invariants: a checkpoint starts in a record of its own, so that every checkpoint has its own LSN; no more records
 * are unflushed than Linux may have in flight, since its recovery looks no further back for torn ones; what the tail
 * still needs is never overwritten (the caller asks `free` first).
 */
import { type LogArea, nextCycle } from './area.ts';
import {
  BB,
  Client,
  CYCLE_DATA_BYTES,
  MAX_ICLOGS,
  makeLsn,
  OP_HEADER_SIZE,
  OpFlag,
  UNMOUNT_MAGIC,
} from './log-format.ts';
import { packRecord } from './record.ts';

/** In a log at least this large records have the largest size. */
const BIG_LOG = 16 * 1024 * 1024;

/** So many bytes are copied sooner one by one. */
const FEW = 64;

/** Writes records at the head of a log. */
export class RecordWriter {
  readonly area: LogArea;
  /** Where the next record goes. */
  block: number;
  cycle: number;
  /** What recovery needs: from here on. */
  tailBlock: number;
  tailCycle: number;
  /** At least one record was written. */
  wrote = false;
  private prevBlock: number;
  private readonly iclogSize: number;
  private readonly hblocks: number;
  /** Data bytes that a record can hold. */
  private readonly capacity: number;
  private readonly buffer: Uint8Array;
  private readonly view: DataView;
  private used = 0;
  private operations = 0;
  private unflushed = 0;

  constructor(area: LogArea, block: number, cycle: number, prevBlock: number) {
    this.area = area;
    this.block = block;
    this.cycle = cycle;
    this.tailBlock = block;
    this.tailCycle = cycle;
    this.prevBlock = prevBlock;
    this.iclogSize = chooseIclogSize(area);
    this.hblocks = area.v2 ? Math.max(1, Math.ceil(this.iclogSize / CYCLE_DATA_BYTES)) : 1;
    this.capacity = Math.floor(this.iclogSize / area.roundoff) * area.roundoff - this.hblocks * BB;
    this.buffer = new Uint8Array(this.iclogSize);
    this.view = new DataView(this.buffer.buffer);
  }

  /** LSN of the next record. */
  get lsn(): bigint {
    return makeLsn(this.cycle, this.block);
  }

  /** Bytes between tail and head. */
  get usedBytes(): number {
    if (this.block === this.tailBlock && this.cycle === this.tailCycle) return 0;
    return (this.area.distance(this.tailBlock, this.block) || this.area.blocks) * BB;
  }

  /** Bytes that may be written before the tail must move; two records are kept back, for the unmount record. */
  get free(): number {
    return this.area.blocks * BB - this.usedBytes - 2 * this.iclogSize;
  }

  /** An upper bound of the bytes of log that regions take. */
  measure(regions: readonly Uint8Array[]): number {
    let bytes = 4 * OP_HEADER_SIZE + 16;
    for (const region of regions) bytes += OP_HEADER_SIZE + region.length;
    const records = Math.ceil(bytes / (this.capacity - 2 * OP_HEADER_SIZE)) + 1;
    return bytes + records * (this.hblocks * BB + OP_HEADER_SIZE + this.area.roundoff);
  }

  /** Everything before the next record is in place: recovery need not look at it. */
  moveTail(): void {
    this.tailBlock = this.block;
    this.tailCycle = this.cycle;
  }

  /** Adds an operation, starting further records as needed. */
  operation(tid: number, client: number, flags: number, region: Uint8Array | null): void {
    const length = region === null ? 0 : region.length;
    // A continued region must have bytes in its first part, or recovery adds the rest to the region before.
    if (this.capacity - this.used < OP_HEADER_SIZE + Math.min(length, 8)) this.finish();
    const room = this.capacity - this.used - OP_HEADER_SIZE;
    if (region === null || length <= room) {
      this.header(tid, client, flags, length);
      if (region !== null) this.copy(region, 0, length);
      return;
    }
    let done = room & ~3;
    this.header(tid, client, flags | OpFlag.CONTINUE, done);
    this.copy(region, 0, done);
    while (done < length) {
      this.finish();
      const part = Math.min(length - done, this.capacity - OP_HEADER_SIZE);
      const last = done + part === length;
      this.header(tid, client, OpFlag.WAS_CONT | (last ? OpFlag.END : OpFlag.CONTINUE), part);
      this.copy(region, done, done + part);
      done += part;
    }
  }

  /** Writes the record that is being filled, if there is one. @throws FsError EIO */
  finish(): void {
    if (this.operations === 0) return;
    const headerBytes = this.hblocks * BB;
    const total = Math.ceil((headerBytes + this.used) / this.area.roundoff) * this.area.roundoff;
    this.buffer.fill(0, headerBytes + this.used, total);
    this.buffer.fill(0, 0, headerBytes);
    const record = this.buffer.subarray(0, total);
    packRecord(this.area, record, this.hblocks, {
      cycle: this.cycle,
      block: this.block,
      lsn: this.lsn,
      tailLsn: makeLsn(this.tailCycle, this.tailBlock),
      prevBlock: this.prevBlock,
      operations: this.operations,
      length: this.area.v2 ? total - headerBytes : this.used,
      iclogSize: this.iclogSize,
    });
    if (this.unflushed >= MAX_ICLOGS - 1) this.flush();
    this.area.write(this.block, record);
    this.wrote = true;
    this.unflushed++;
    this.prevBlock = this.block;
    this.block += total / BB;
    if (this.block >= this.area.blocks) {
      this.block -= this.area.blocks;
      this.cycle = nextCycle(this.cycle);
    }
    this.used = 0;
    this.operations = 0;
  }

  /** The records written so far are durable when it returns. */
  flush(): void {
    this.area.device.flush();
    this.unflushed = 0;
  }

  private header(tid: number, client: number, flags: number, length: number): void {
    const at = this.hblocks * BB + this.used;
    this.view.setUint32(at, tid);
    this.view.setUint32(at + 4, length);
    this.view.setUint8(at + 8, client);
    this.view.setUint8(at + 9, flags);
    this.view.setUint16(at + 10, 0);
    this.used += OP_HEADER_SIZE;
    this.operations++;
  }

  private copy(region: Uint8Array, from: number, to: number): void {
    const { buffer } = this;
    const at = this.hblocks * BB + this.used;
    const length = to - from;
    if (length <= FEW) for (let i = 0; i < length; i++) buffer[at + i] = region[from + i] as number;
    else buffer.set(length === region.length ? region : region.subarray(from, to), at);
    this.used += length;
  }
}

function chooseIclogSize(area: LogArea): number {
  if (!area.v2) return 32 * 1024;
  if (area.roundoff > 32 * 1024 || area.blocks * BB >= BIG_LOG) return 256 * 1024;
  return 32 * 1024;
}

/** Writes the record that says "cleanly unmounted", alone in its record. @throws FsError EIO */
export function writeUnmountRecord(writer: RecordWriter, tid: number): void {
  const region = new Uint8Array(8);
  new DataView(region.buffer).setUint16(0, UNMOUNT_MAGIC, true);
  writer.finish();
  writer.operation(tid, Client.LOG, OpFlag.UNMOUNT, region);
  writer.finish();
  writer.flush();
}
