/**
 * The part of a device that is the log, addressed in basic blocks of 512 bytes from its start. Reads and writes may
 * run over the physical end and continue at block 0.
 */
import type { Device } from '../../../core/device/device.ts';
import { FsError } from '../../../core/errors.ts';
import type { XfsMount } from '../mount.ts';
import { BB, CYCLE_DATA_BYTES, MAX_ICLOGS, MAX_RECORD_V1, MAX_RECORD_V2, RECORD_MAGIC } from './log-format.ts';

/** Where a log lies and how its records are shaped. */
export class LogArea {
  readonly device: Device;
  /** Device byte address of block 0. */
  readonly start: number;
  /** Size in basic blocks. */
  readonly blocks: number;
  readonly v2: boolean;
  /** Records take a multiple of this many bytes: the stripe unit, or one block. */
  readonly roundoff: number;
  /** The file system's own uuid, which records carry (not meta_uuid). */
  readonly uuid: Uint8Array;
  /** True where a bad record checksum is an error. */
  readonly crc: boolean;

  constructor(mp: XfsMount) {
    this.device = mp.logDevice;
    this.start = mp.logStart === 0 ? 0 : mp.fsbToAddr(mp.logStart);
    this.blocks = (mp.logBlocks * mp.blockSize) / BB;
    this.v2 = mp.features.logV2;
    this.roundoff = this.v2 && mp.sb.logsunit > 1 ? mp.sb.logsunit : BB;
    this.uuid = mp.sb.uuid;
    this.crc = mp.features.v5;
    if (mp.logStart === 0 && mp.logDevice === mp.device) {
      throw new FsError('ENODEV', { detail: 'the log is on another device: give it with --device' });
    }
    if (this.blocks === 0 || this.start + this.blocks * BB > this.device.size) {
      throw new FsError('EUCLEAN', { detail: `the log of ${this.blocks} sectors reaches beyond its device` });
    }
  }

  /** Blocks that Linux may have in flight at once: how far back from the head writes can be missing. */
  get inFlight(): number {
    return (MAX_ICLOGS * (this.v2 ? MAX_RECORD_V2 : MAX_RECORD_V1)) / BB;
  }

  /** Blocks of the largest record. */
  get largestRecord(): number {
    return (this.v2 ? MAX_RECORD_V2 : MAX_RECORD_V1) / BB;
  }

  wrap(block: number): number {
    return block >= this.blocks ? block - this.blocks : block;
  }

  /** Blocks from `from` on to `to`, going forward. */
  distance(from: number, to: number): number {
    return to >= from ? to - from : to + this.blocks - from;
  }

  /** `count` blocks from `block` on, over the physical end if need be. */
  read(block: number, count: number, into: Uint8Array = new Uint8Array(count * BB)): Uint8Array {
    const before = Math.min(count, this.blocks - block);
    this.device.read(this.start + block * BB, into.subarray(0, before * BB));
    if (count > before) this.device.read(this.start, into.subarray(before * BB, count * BB));
    return into;
  }

  /** Writes whole blocks, in two device writes if they run over the physical end. */
  write(block: number, from: Uint8Array): void {
    const before = Math.min(from.length, (this.blocks - block) * BB);
    this.device.write(this.start + block * BB, from.subarray(0, before));
    if (from.length > before) this.device.write(this.start, from.subarray(before));
  }

  /** The cycle number of one block. */
  cycleAt(block: number, scratch: Uint8Array = new Uint8Array(BB)): number {
    this.device.read(this.start + block * BB, scratch.subarray(0, BB));
    return blockCycle(new DataView(scratch.buffer, scratch.byteOffset, BB), 0);
  }
}

/** The cycle of a block: its first word, or the second where the first is a record's magic number. */
export function blockCycle(view: DataView, at: number): number {
  const first = view.getUint32(at);
  return first === RECORD_MAGIC ? view.getUint32(at + 4) : first;
}

/** Header sectors of a record, from its version and iclog size. */
export function headerBlocks(v2: boolean, version: number, size: number): number {
  return v2 && (version & 2) !== 0 && size > CYCLE_DATA_BYTES ? Math.ceil(size / CYCLE_DATA_BYTES) : 1;
}

/** The cycle after this one; the record magic is never a cycle. */
export function nextCycle(cycle: number): number {
  return cycle + 1 === RECORD_MAGIC ? cycle + 2 : cycle + 1;
}
