/** fiemap: a file's extents as FIEMAP reports them, holes between them filled in (xfs_io's io/fiemap.c). */
import { FsError } from '../core/errors.ts';
import { type FiemapVisitor, fiemap as walkExtents } from '../core/iomap/fiemap.ts';
import { exactPos, exactUnits, FAR } from '../core/positions.ts';
import { MAX_POS } from '../core/units.ts';
import { command } from './command.ts';
import { perror } from './failure.ts';
import type { OpenFile } from './open-file.ts';
import { putBlanks, putNumber, putRight, putSpan, putText, Rows } from './rows.ts';
import type { Session } from './session.ts';
import { left, right, type TextSink } from './text.ts';
import { parseDecimal } from './words.ts';

interface Map {
  readonly name: string;
  readonly verbose: boolean;
  readonly lengths: boolean;
  readonly start: number;
  /** End of the range asked for. */
  readonly end: number;
  /** Lines to print, or -1 for all. */
  readonly most: number;
  readonly size: number;
  walk(visit: FiemapVisitor): void;
}

/** Extents that one call of the ioctl returns in xfs_io; the first batch decides the column widths. */
const BATCH = 32;
const SECTOR = 512;
/** xfs_io measures a text in a buffer of 32 bytes. */
const MEASURED = 31;
/** The block of what has none. */
const HOLE = -1;
const TAB = 0x09;
const BLANK = 0x20;

export const fiemap = command({
  name: 'fiemap',
  operands: '[offset [len]]',
  about: "print a file's extents",
  help: `Each line is an extent or a hole: file range and device range, in units of 512 bytes.`,
  options: {
    a: { about: 'the attribute fork' },
    l: { about: 'with lengths' },
    n: { value: 'lines', kind: 'text', about: 'no more than this many lines, from now on' },
    v: { about: 'a table with flags' },
  },
  run(session, args): Map {
    const { options, operands } = args;
    const start = operands[0] === undefined ? 0 : session.position(operands[0], 'offset argument');
    const length =
      operands[1] === undefined ? MAX_POS : session.rangeAt(start, operands[1], 'loose', 'len argument').length;
    if (options.n !== undefined) session.mapLines = parseDecimal(options.n);
    const file = session.file();
    const end = Math.min(MAX_POS, start + length);
    return {
      name: file.name,
      verbose: options.v,
      lengths: options.l,
      start,
      end,
      most: session.mapLines,
      size: file.inode.size,
      walk: (visit) => walk(session, file, start, end - start, options.a, visit),
    };
  },
  text(map, out) {
    out.write(`${map.name}:\n`);
    writeMap(map, out);
  },
  json(map) {
    const extents: object[] = [];
    map.walk((logical, physical, length, flags) => {
      extents.push({ logical: exactPos(logical), physical, length, flags });
      return true;
    });
    return { command: 'fiemap', file: map.name, extents };
  },
});

function walk(
  session: Session,
  file: OpenFile,
  start: number,
  length: number,
  xattr: boolean,
  visit: FiemapVisitor,
): void {
  try {
    if (file.inode.kind !== 'file') throw new FsError('EOPNOTSUPP');
    walkExtents(file.inode, start, length, visit, { sync: true, xattr });
  } catch (error) {
    throw error instanceof FsError ? perror(`${session.program}: ioctl(FS_IOC_FIEMAP) ["${file.name}"]`, error) : error;
  }
}

interface Widths {
  file: number;
  block: number;
  total: number;
  flags: number;
}

/** Prints while it walks: only the first batch is held back, to know how wide the columns are. */
function writeMap(map: Map, out: TextSink): void {
  const widths: Widths = { file: 16, block: 16, total: 5, flags: 5 };
  const first: (readonly [number, number, number, number])[] = [];
  const rows = new Rows(out);
  const lines = new Lines(map, widths, rows);
  let more = true;
  const release = () => {
    for (const [logical, physical, length, flags] of first) {
      if (more) more = lines.extent(logical, physical, length, flags);
    }
    first.length = 0;
  };
  let held = map.verbose;
  map.walk((logical, physical, length, flags) => {
    if (!held) return lines.extent(logical, physical, length, flags);
    first.push([logical, physical, length, flags]);
    widen(widths, logical, physical, length, flags);
    if (first.length < BATCH) return true;
    held = false;
    release();
    return more;
  });
  release();
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
  private readonly map: Map;
  private readonly widths: Widths;
  private readonly rows: Rows;
  private count = 0;
  private last: number;
  private readonly flagsColumns = new Map<number, string>();

  constructor(map: Map, widths: Widths, rows: Rows) {
    this.map = map;
    this.widths = widths;
    this.rows = rows;
    this.last = map.start;
  }

  /** Prints the hole before an extent, then the extent; false when enough was printed. */
  extent(logical: number, physical: number, length: number, flags: number): boolean {
    const { verbose, most, end } = this.map;
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
    if (this.count === this.map.most || this.count === 0) return;
    const end = Math.min(this.map.end, this.map.size);
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
    if (start + sectors >= FAR / SECTOR) this.farRow(start, sectors, block, flags);
    else if (this.map.verbose) this.tableRow(start, sectors, block, flags);
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
    const { rows, widths, map } = this;
    const total = String(sectorsOf(start, sectors));
    const file = rangeText(start, sectors);
    const place = block === HOLE ? 'hole' : `${block}..${block + sectors - 1}`;
    let text = `\t${this.count}: ${file} ${place}${map.lengths ? ` ${total} blocks` : ''}`;
    if (map.verbose) {
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
    if (this.map.lengths) {
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

/** `[FROM..TO]:` as text. */
function rangeText(start: number, sectors: number): string {
  const from = BigInt(exactUnits(start * SECTOR, SECTOR));
  return `[${from}..${from + sectorsOf(start, sectors) - 1n}]:`;
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
