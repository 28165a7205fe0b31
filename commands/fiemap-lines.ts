/**
 * How fiemap's extents read (xfs_io's io/fiemap.c): each line an extent or the hole before it. Files have millions of
 * them, so lines are written digit by digit from columns, and numbers below a billion, which nearly all are, stay
 * 32-bit integers on the whole way.
 */
import type { ExtentColumns } from '../core/iomap/extent-columns.ts';
import type { FiemapColumnsVisitor } from '../core/iomap/fiemap.ts';
import { exactUnits, FAR } from '../core/positions.ts';
import { RowTemplate } from './row-template.ts';
import { digits, putBlanks, putInteger, putNumber, putRight, putSpan, putText, Rows } from './rows.ts';
import { left, right, type TextSink } from './text.ts';

/** What was asked for. */
export interface FiemapRange {
  readonly verbose: boolean;
  readonly lengths: boolean;
  readonly start: number;
  /** End of the range asked for. */
  readonly end: number;
  /** Lines to print, or -1 for all. */
  readonly most: number;
  readonly size: number;
}

interface Widths {
  file: number;
  block: number;
  total: number;
  flags: number;
}

/** Extents that one call of the ioctl returns in xfs_io; the first batch decides the column widths. */
const BATCH = 32;
const SECTOR = 512;
/** xfs_io measures a text in a buffer of 32 bytes. */
const MEASURED = 31;
/** Bytes up to which sectors are put as integers, and lines counted. */
const INTEGER_END = 999_999_999 * SECTOR;
/** The block of what has none. */
const HOLE = -1;
const TAB = 0x09;
const BLANK = 0x20;

/** Prints while `walk` goes: only the first batch is held back, to know how wide the columns are. */
export function writeFiemap(range: FiemapRange, walk: (visit: FiemapColumnsVisitor) => void, out: TextSink): void {
  const widths: Widths = { file: 16, block: 16, total: 5, flags: 5 };
  const held: (readonly [number, number, number, number])[] = [];
  const rows = new Rows(out);
  const lines = new Lines(range, widths, rows);
  let holding = range.verbose;
  let more = true;
  const release = () => {
    holding = false;
    for (const [logical, physical, length, flags] of held)
      if (more) more = lines.extent(logical, physical, length, flags);
  };
  let walked = 0;
  walk((extents, count) => {
    let i = 0;
    for (; holding && i < count; i++) {
      const [logical, physical] = [extents.logical[i] as number, extents.physical[i] as number];
      const [length, flags] = [extents.length[i] as number, extents.flags[i] as number];
      held.push([logical, physical, length, flags]);
      widen(widths, logical, physical, length, flags);
      if (held.length === BATCH) release();
    }
    walked += count;
    if (!holding && more) more = lines.extents(extents, i, count);
    // xfs_io asks for a whole batch, however few of its lines are wanted.
    return more || walked < BATCH;
  });
  if (holding) release();
  lines.lastHole();
  rows.flush();
}

function widen(widths: Widths, logical: number, physical: number, length: number, flags: number): void {
  const sectors = Math.floor(length / SECTOR);
  const file = Math.floor(logical / SECTOR);
  const block = Math.floor(physical / SECTOR);
  widths.file = Math.max(widths.file, Math.min(MEASURED, rangeText(file, sectors).length - 1));
  widths.block = Math.max(widths.block, `${block}..${block + sectors - 1}`.length);
  widths.total = Math.max(widths.total, String(sectors).length);
  widths.flags = Math.max(widths.flags, flags.toString(16).length);
}

class Lines {
  private readonly range: FiemapRange;
  private readonly widths: Widths;
  private readonly rows: Rows;
  private count = 0;
  /** Where the extent before ended, in bytes. */
  private last: number;
  private readonly flagsColumns = new Map<number, string>();
  private readonly templates = new Map<number, RowTemplate>();

  constructor(range: FiemapRange, widths: Widths, rows: Rows) {
    this.range = range;
    this.widths = widths;
    this.rows = rows;
    this.last = range.start;
  }

  /** Prints extents from `i` to `end` as extent() does; false when enough was printed. */
  extents({ logical, physical, length, flags }: ExtentColumns, i: number, end: number): boolean {
    const plain =
      this.range.verbose && this.range.most < 0 && this.count > 0 && this.count < INTEGER_END / SECTOR - end;
    const stop = Math.min(INTEGER_END, this.range.end);
    for (; i < end; i++) {
      const start = logical[i] as number;
      const place = physical[i] as number;
      const bytes = length[i] as number;
      // A row that follows on the one before, as most do.
      if (plain && start === this.last && bytes >= SECTOR && start + bytes < stop && place + bytes < INTEGER_END) {
        this.last = start + bytes;
        this.smallRow((start / SECTOR) | 0, (bytes / SECTOR) | 0, (place / SECTOR) | 0, flags[i] as number);
      } else if (!this.extent(start, place, bytes, flags[i] as number)) return false;
    }
    return !this.rows.closed;
  }

  /** tableRow() of an extent, for numbers below a billion. */
  private smallRow(start: number, sectors: number, block: number, flags: number): void {
    let template = this.templates.get(flags);
    if (template === undefined) {
      template = new RowTemplate(this.widths, this.flagsText(flags));
      this.templates.set(flags, template);
    }
    if (template.put(this.count, start, sectors, block)) {
      this.count++;
      this.rows.add(template.bytes);
    } else this.newRow(start, sectors, block, flags);
  }

  /** The same, all of it written. */
  private newRow(start: number, sectors: number, block: number, flags: number): void {
    const { rows, widths } = this;
    const { buffer } = rows;
    const index = this.count++;
    let at = rows.at;
    if (index < 1000) at = putBlanks(buffer, at, at + (index < 10 ? 3 : index < 100 ? 2 : 1));
    at = putInteger(buffer, at, index);
    buffer[at] = 0x3a;
    buffer[at + 1] = BLANK;
    buffer[at + 2] = 0x5b;
    const file = at + 2 + widths.file;
    at = putInteger(buffer, at + 3, start);
    buffer[at] = 0x2e;
    buffer[at + 1] = 0x2e;
    at = putInteger(buffer, at + 2, start + sectors - 1);
    buffer[at++] = 0x5d;
    buffer[at++] = 0x3a;
    while (at < file) buffer[at++] = BLANK;
    buffer[at++] = BLANK;
    const place = at + widths.block;
    at = putInteger(buffer, at, block);
    buffer[at] = 0x2e;
    buffer[at + 1] = 0x2e;
    at = putInteger(buffer, at + 2, block + sectors - 1);
    while (at < place) buffer[at++] = BLANK;
    buffer[at++] = BLANK;
    const total = at + widths.total - digits(sectors);
    while (at < total) buffer[at++] = BLANK;
    at = putInteger(buffer, at, sectors);
    const text = this.flagsText(flags);
    for (let i = 0; i < text.length; i++) buffer[at++] = text.charCodeAt(i);
    rows.end(at);
  }

  /** Prints the hole before an extent, then the extent; false when enough was printed. */
  extent(logical: number, physical: number, length: number, flags: number): boolean {
    const { verbose, most, end } = this.range;
    if (verbose && this.count === 0) this.header();
    const start = Math.floor(logical / SECTOR);
    const before = Math.floor(this.last / SECTOR);
    if (start > before) this.row(before, start - before, HOLE, 0);
    if (this.count !== most) this.row(start, Math.floor(length / SECTOR), Math.floor(physical / SECTOR), flags);
    this.last = logical + length;
    return this.last < end && this.count !== most && !this.rows.closed;
  }

  /** The hole up to the end of the file or of the range, unless there was no extent at all. */
  lastHole(): void {
    if (this.count === this.range.most || this.count === 0) return;
    const end = Math.min(this.range.end, this.range.size);
    const from = Math.floor(this.last / SECTOR);
    if (this.last < end) this.row(from, Math.floor(end / SECTOR) - from, HOLE, 0);
  }

  private header(): void {
    const { rows } = this;
    const { file, block, total, flags } = this.widths;
    const columns = `${left('FILE-OFFSET', file)} ${left('BLOCK-RANGE', block)}`;
    const text = ` EXT: ${columns} ${right('TOTAL', total)} ${right('FLAGS', flags)}`;
    rows.end(putText(rows.buffer, rows.at, text));
  }

  private row(start: number, sectors: number, block: number, flags: number): void {
    // An extent of less than a sector, as the bytes in an inode are, ends before it begins.
    if (start + sectors >= FAR / SECTOR || sectors === 0) this.farRow(start, sectors, block, flags);
    else if (this.range.verbose) this.tableRow(start, sectors, block, flags);
    else this.plainRow(start, sectors, block);
  }

  private tableRow(start: number, sectors: number, block: number, flags: number): void {
    const { rows, widths } = this;
    const { buffer } = rows;
    let at = putText(buffer, putRight(buffer, rows.at, this.count++, 4), ': ');
    at = putBlanks(buffer, putRange(buffer, at, start, sectors), at + widths.file);
    buffer[at++] = BLANK;
    at = putBlanks(buffer, putPlace(buffer, at, block, sectors), at + widths.block);
    buffer[at++] = BLANK;
    at = putRight(buffer, at, sectors, widths.total);
    if (block !== HOLE) at = putText(buffer, at, this.flagsText(flags));
    rows.end(at);
  }

  /** A row with numbers that are no numbers here: text by text. */
  private farRow(start: number, sectors: number, block: number, flags: number): void {
    const { rows, widths, range } = this;
    const total = String(sectorsOf(start, sectors));
    const file = rangeText(start, sectors);
    const place = block === HOLE ? 'hole' : `${block}..${block + sectors - 1}`;
    let text = `\t${this.count}: ${file} ${place}${range.lengths ? ` ${total} blocks` : ''}`;
    if (range.verbose) {
      text = `${right(String(this.count), 4)}: ${left(file, widths.file)} ${left(place, widths.block)} ${right(total, widths.total)}`;
      if (block !== HOLE) text += this.flagsText(flags);
    }
    this.count++;
    rows.end(putText(rows.buffer, rows.at, text));
  }

  private plainRow(start: number, sectors: number, block: number): void {
    const { rows } = this;
    const { buffer } = rows;
    let at = rows.at;
    buffer[at++] = TAB;
    at = putText(buffer, putNumber(buffer, at, this.count++), ': ');
    at = putRange(buffer, at, start, sectors);
    buffer[at++] = BLANK;
    at = putPlace(buffer, at, block, sectors);
    if (this.range.lengths) {
      buffer[at++] = BLANK;
      at = putText(buffer, putNumber(buffer, at, sectors), ' blocks');
    }
    rows.end(at);
  }

  private flagsText(flags: number): string {
    const known = this.flagsColumns.get(flags);
    if (known !== undefined) return known;
    const text = ` ${right(`0x${flags.toString(16)}`, this.widths.flags)}`;
    this.flagsColumns.set(flags, text);
    return text;
  }
}

/** How many sectors a range really has. */
function sectorsOf(start: number, sectors: number): bigint {
  return BigInt(exactUnits((start + sectors) * SECTOR, SECTOR)) - BigInt(exactUnits(start * SECTOR, SECTOR));
}

/** `[FROM..TO]:` as text, TO in 64 bits without a sign. */
function rangeText(start: number, sectors: number): string {
  const from = BigInt(exactUnits(start * SECTOR, SECTOR));
  return `[${from}..${BigInt.asUintN(64, from + sectorsOf(start, sectors) - 1n)}]:`;
}

/** `[FROM..TO]:` */
function putRange(buffer: Uint8Array, at: number, start: number, sectors: number): number {
  buffer[at++] = 0x5b;
  at = putSpan(buffer, at, start, sectors);
  buffer[at++] = 0x5d;
  buffer[at++] = 0x3a;
  return at;
}

function putPlace(buffer: Uint8Array, at: number, block: number, sectors: number): number {
  return block === HOLE ? putText(buffer, at, 'hole') : putSpan(buffer, at, block, sectors);
}
