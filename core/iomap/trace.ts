/**
 * The steps of the engine as Linux's iomap tracepoints print them (kernel: fs/iomap/trace.h): the same event names,
 * fields and flag names, so that a trace of fsio and one of the kernel can be compared line by line.
 *
 * Engine steps call a Tracer only when `inode.fs.tracer` is set; nothing is formatted otherwise.
 */
import type { Device } from '../device/device.ts';
import { exactSpan, posHex } from '../positions.ts';
import type { Inode } from '../vfs/inode.ts';
import { IomapType, type Mapping, NULL_ADDR } from './iomap.ts';

/** Events that name a byte range of a file. */
export type RangeEvent =
  | 'iomap_writeback_folio'
  | 'iomap_release_folio'
  | 'iomap_invalidate_folio'
  | 'iomap_dio_invalidate_fail'
  | 'iomap_zero_iter';

/** Receives each step of the engine. Positions and lengths are bytes. */
export interface Tracer {
  /** An operation is about to ask for a mapping, or has dealt with one. */
  iter(inode: Inode, pos: number, length: number, status: number, flags: number, caller: string): void;
  /** begin() answered with this target mapping. */
  dstmap(inode: Inode, mapping: Mapping): void;
  /** begin() answered with this source mapping. */
  srcmap(inode: Inode, mapping: Mapping): void;
  range(event: RangeEvent, inode: Inode, offset: number, length: number): void;
  /** Pages are read before anybody asked for all of them. */
  readahead(inode: Inode, pages: number): void;
  /** Dirty bytes joined a write through this mapping. */
  addToIoend(inode: Inode, pos: number, dirtyLength: number, mapping: Mapping): void;
  dioBegin(inode: Inode, pos: number, length: number, write: boolean): void;
  dioComplete(inode: Inode, pos: number, write: boolean, error: number, result: number): void;
}

const TYPE_NAMES = ['HOLE', 'HOLE', 'DELALLOC', 'MAPPED', 'UNWRITTEN', 'INLINE', 'COW'];
const MAP_FLAG_NAMES: readonly (readonly [number, string])[] = [
  [1 << 0, 'NEW'],
  [1 << 1, 'DIRTY'],
  [1 << 2, 'SHARED'],
  [1 << 3, 'MERGED'],
  [1 << 4, 'BH'],
  [1 << 5, 'XATTR'],
  [1 << 6, 'BOUNDARY'],
  [1 << 7, 'ANON_WRITE'],
  [1 << 8, 'ATOMIC_BIO'],
  [1 << 12, 'PRIVATE'],
  [1 << 14, 'SIZE_CHANGED'],
  [1 << 15, 'STALE'],
];
const OP_FLAG_NAMES: readonly (readonly [number, string])[] = [
  [1 << 0, 'WRITE'],
  [1 << 1, 'ZERO'],
  [1 << 2, 'REPORT'],
  [1 << 3, 'FAULT'],
  [1 << 4, 'DIRECT'],
  [1 << 5, 'NOWAIT'],
  [1 << 6, 'OVERWRITE_ONLY'],
  [1 << 7, 'UNSHARE'],
  [1 << 8, 'DAX'],
];

/** A tracer that formats each event as a line of the kernel's trace file, without newline. */
export class LineTracer implements Tracer {
  private readonly write: (line: string) => void;
  private readonly devices: Device[] = [];
  private readonly started = process.hrtime.bigint();

  constructor(write: (line: string) => void) {
    this.write = write;
  }

  iter(inode: Inode, pos: number, length: number, status: number, flags: number, caller: string): void {
    const ops = caller.startsWith('iomap_dio') ? 'direct' : (flags & 0x83) !== 0 ? 'write' : 'read';
    this.line(
      'iomap_iter',
      inode,
      `pos ${posText(pos)} length ${spanHex(pos, length)} status ${status} flags ${flagsText(flags, OP_FLAG_NAMES)} ` +
        `ops ${inode.fs.type}_${ops}_iomap_ops caller ${caller}`,
    );
  }

  dstmap(inode: Inode, mapping: Mapping): void {
    this.line('iomap_iter_dstmap', inode, `bdev ${this.bdev(mapping.device)} ${mappingText(mapping)}`);
  }

  srcmap(inode: Inode, mapping: Mapping): void {
    this.line('iomap_iter_srcmap', inode, `bdev ${this.bdev(mapping.device)} ${mappingText(mapping)}`);
  }

  range(event: RangeEvent, inode: Inode, offset: number, length: number): void {
    this.line(event, inode, `size ${posText(inode.size)} offset ${posText(offset)} length ${spanHex(offset, length)}`);
  }

  readahead(inode: Inode, pages: number): void {
    this.line('iomap_readahead', inode, `nr_pages ${pages}`);
  }

  addToIoend(inode: Inode, pos: number, dirtyLength: number, mapping: Mapping): void {
    const where = `bdev ${this.bdev(mapping.device)} pos ${posText(pos)} dirty len ${hex(dirtyLength)}`;
    this.line('iomap_add_to_ioend', inode, `${where} ${mappingText(mapping)}`);
  }

  dioBegin(inode: Inode, pos: number, length: number, write: boolean): void {
    this.line(
      'iomap_dio_rw_begin',
      inode,
      `size ${posText(inode.size)} offset ${posText(pos)} length ${hex(length)} done_before 0x0 ` +
        `flags ${dioFlags(write)} dio_flags  aio 0`,
    );
  }

  dioComplete(inode: Inode, pos: number, write: boolean, error: number, result: number): void {
    this.line(
      'iomap_dio_complete',
      inode,
      `size ${posText(inode.size)} offset ${posText(pos)} flags ${dioFlags(write)} aio 0 error ${error} ret ${result}`,
    );
  }

  private line(event: string, inode: Inode, rest: string): void {
    const micros = Number((process.hrtime.bigint() - this.started) / 1000n);
    const time = `${Math.floor(micros / 1e6)}.${String(micros % 1e6).padStart(6, '0')}`.padStart(12);
    const task = `fsio-${process.pid}`.padStart(16);
    this.write(`${task}   [000] ..... ${time}: ${event}: dev 7:0 ino ${hex(inode.ino)} ${rest}`);
  }

  /** Devices are numbered as loop devices would be, in the order in which they appear. */
  private bdev(device: Device | null): string {
    if (device === null) return '7:0';
    let index = this.devices.indexOf(device);
    if (index < 0) index = this.devices.push(device) - 1;
    return `7:${index}`;
  }
}

function mappingText(mapping: Mapping): string {
  const addr = mapping.addr === NULL_ADDR ? '0xffffffffffffffff' : hex(mapping.addr);
  const place = `addr ${addr} offset ${posText(mapping.offset)} length ${spanHex(mapping.offset, mapping.length)}`;
  const type = `${TYPE_NAMES[mapping.type]} (${hex(kernelType(mapping.type))})`;
  return `${place} type ${type} flags ${flagsText(mapping.flags, MAP_FLAG_NAMES)}`;
}

/** A length as Linux has it: holes may reach across what is left out here (core/positions.ts). */
function spanHex(start: number, length: number): string {
  return `0x${exactSpan(start, start + length).toString(16)}`;
}

/** The kernel counts types from HOLE = 0; here 0 says that the mapping is not set. */
function kernelType(type: IomapType): number {
  return type === IomapType.UNSET ? 0 : type - 1;
}

function flagsText(flags: number, names: readonly (readonly [number, string])[]): string {
  let text = '';
  for (const [bit, name] of names) {
    if ((flags & bit) !== 0) text += text === '' ? name : `|${name}`;
  }
  return `${text} (${hex(flags)})`;
}

function dioFlags(write: boolean): string {
  return write ? 'DIRECT|WRITE' : 'DIRECT';
}

function posText(pos: number): string {
  return `0x${posHex(pos)}`;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
