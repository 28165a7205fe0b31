/** fiemap: a file's extents as FIEMAP reports them, holes between them filled in (xfs_io's io/fiemap.c). */
import { FsError } from '../core/errors.ts';
import { type FiemapVisitor, fiemap as walkExtents } from '../core/iomap/fiemap.ts';
import { command } from './command.ts';
import { perror } from './failure.ts';
import type { OpenFile } from './open-file.ts';
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

export const fiemap = command({
  name: 'fiemap',
  operands: '[offset [len]]',
  about: "print a file's extents",
  help: `Each line is an extent or a hole: file range and device range, in units of 512 bytes.`,
  options: {
    a: { about: 'the attribute fork' },
    l: { about: 'with lengths' },
    n: { value: 'lines', kind: 'text', about: 'no more than this many lines' },
    v: { about: 'a table with flags' },
  },
  run(session, args): Map {
    const { options, operands } = args;
    const start = operands[0] === undefined ? 0 : session.size(operands[0], 'offset argument');
    const length = operands[1] === undefined ? Number.MAX_SAFE_INTEGER : session.size(operands[1], 'len argument');
    const file = session.file();
    const end = Math.min(Number.MAX_SAFE_INTEGER, start + length);
    return {
      name: file.name,
      verbose: options.v,
      lengths: options.l,
      start,
      end,
      most: options.n === undefined ? -1 : parseDecimal(options.n),
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
      extents.push({ logical, physical, length, flags });
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
  const lines = new Lines(map, widths, out);
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
}

function widen(widths: Widths, logical: number, physical: number, length: number, flags: number): void {
  const sectors = Math.floor(length / SECTOR);
  const file = Math.floor(logical / SECTOR);
  const block = Math.floor(physical / SECTOR);
  widths.file = Math.max(widths.file, `[${file}..${file + sectors - 1}]`.length);
  widths.block = Math.max(widths.block, `${block}..${block + sectors - 1}`.length);
  widths.total = Math.max(widths.total, String(sectors).length);
  widths.flags = Math.max(widths.flags, flags.toString(16).length);
}

class Lines {
  private readonly map: Map;
  private readonly widths: Widths;
  private readonly out: TextSink;
  private count = 0;
  private last: number;

  constructor(map: Map, widths: Widths, out: TextSink) {
    this.map = map;
    this.widths = widths;
    this.out = out;
    this.last = map.start;
  }

  /** Prints the hole before an extent, then the extent; false when enough was printed. */
  extent(logical: number, physical: number, length: number, flags: number): boolean {
    const { verbose, most } = this.map;
    if (verbose && this.count === 0) this.header();
    const start = Math.floor(logical / SECTOR);
    const before = Math.floor(this.last / SECTOR);
    if (start > before) this.hole(before, start);
    if (this.count !== most) {
      const sectors = Math.floor(length / SECTOR);
      const block = Math.floor(physical / SECTOR);
      if (verbose) this.row(`[${start}..${start + sectors - 1}]:`, `${block}..${block + sectors - 1}`, sectors, flags);
      else this.plain(`[${start}..${start + sectors - 1}]: ${block}..${block + sectors - 1}`, sectors);
    }
    this.last = logical + length;
    return this.last < this.map.end && this.count !== most && !this.out.closed;
  }

  /** The hole up to the end of the file or of the range, unless there was no extent at all. */
  lastHole(): void {
    if (this.count === this.map.most || this.count === 0) return;
    const end = Math.min(this.map.end, this.map.size);
    if (this.last < end) this.hole(Math.floor(this.last / SECTOR), Math.floor(end / SECTOR));
  }

  private hole(start: number, end: number): void {
    if (this.map.verbose) this.row(`[${start}..${end - 1}]:`, 'hole', end - start, null);
    else this.plain(`[${start}..${end - 1}]: hole`, end - start);
  }

  private header(): void {
    const { file, block, total, flags } = this.widths;
    const columns = `${left('FILE-OFFSET', file)} ${left('BLOCK-RANGE', block)}`;
    this.out.write(` EXT: ${columns} ${right('TOTAL', total)} ${right('FLAGS', flags)}\n`);
  }

  private row(range: string, blocks: string, sectors: number, flags: number | null): void {
    const { file, block, total, flags: width } = this.widths;
    const columns = `${right(this.count++, 4)}: ${left(range, file)} ${left(blocks, block)} ${right(sectors, total)}`;
    this.out.write(flags === null ? `${columns}\n` : `${columns} ${right(`0x${flags.toString(16)}`, width)}\n`);
  }

  private plain(line: string, sectors: number): void {
    this.out.write(`\t${this.count++}: ${line}${this.map.lengths ? ` ${sectors} blocks` : ''}\n`);
  }
}
