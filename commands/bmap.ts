/** bmap: the extents of a fork as XFS_IOC_GETBMAPX reports them (xfs_io's io/bmap.c, the kernel's xfs_getbmap). */
import { strerror } from '../core/errors.ts';
import { FiemapExtent, type FiemapVisitor, fiemap } from '../core/iomap/fiemap.ts';
import { exactSpan, exactUnits, FAR, POS_END, slim } from '../core/positions.ts';
import { command } from './command.ts';
import { CommandFailure } from './failure.ts';
import type { OpenFile } from './open-file.ts';
import type { Session } from './session.ts';
import { left, right, type TextSink } from './text.ts';
import { parseDecimal } from './words.ts';
import { Xflag } from './xflags.ts';

/** A record of the map, in 512-byte units; a bigint where a number would round. */
interface Row {
  /** File position, bytes. */
  readonly offset: number | bigint;
  /** Bytes. */
  readonly length: number | bigint;
  /** Device sector, or null for a hole and 'delalloc' for space not yet chosen. */
  readonly block: number | 'delalloc' | null;
  /** Allocated, and reads as zeros. */
  readonly unwritten: boolean;
  /** Other files own these blocks too. */
  readonly shared: boolean;
}

/** What the verbose table needs to know of the image; all zero for a realtime file. */
interface Geometry {
  readonly realtime: boolean;
  readonly agCount: number;
  readonly agSectors: number;
  /** Stripe unit and width in sectors. */
  readonly sunit: number;
  readonly swidth: number;
}

interface BlockMap {
  readonly name: string;
  readonly rows: readonly Row[];
  readonly lengths: boolean;
  readonly unwritten: boolean;
  readonly verbose: number;
  readonly limited: boolean;
  readonly geometry: Geometry;
}

/** BMV_IF_*, as failures show them. */
const Query = { ATTR: 0x1, PREALLOC: 0x4, DELALLOC: 0x8, COW: 0x20 } as const;
const SECTOR = 512;
const Flag = { shared: 0o100000, unwritten: 0o10000, bsu: 0o1000, esu: 0o100, bsw: 0o10, esw: 0o1 };

export const bmap = command({
  name: 'bmap',
  mildUsage: true,
  xfsOnly: true,
  about: "print a file's extents as XFS keeps them",
  help: `Each line is an extent or a hole: file range and device range, in units of 512 bytes; -v adds the allocation
group. Without -p the map ends with the file.`,
  options: {
    a: { about: 'the attribute fork' },
    c: { about: 'the copy-on-write fork (kernels answer this only when built for debugging)' },
    e: { about: 'with delayed allocation' },
    l: { about: 'with lengths' },
    n: { value: 'extents', kind: 'text', about: 'no more than this many' },
    p: { about: 'with unwritten preallocation' },
    v: { about: 'a table with allocation groups; twice: explain the flags', counts: true },
  },
  run(session, args): BlockMap {
    const { options } = args;
    const file = session.file();
    const limit = options.n === undefined ? 0 : parseDecimal(options.n);
    checkRoom(session, limit);
    const code = file.unusable ? 'EBADF' : 'EINVAL';
    if (file.unusable || limit === -1 || (options.c && (file.inode.size > 0 || options.a))) {
      const iflags =
        (options.a ? Query.ATTR : options.p && !options.c ? Query.PREALLOC : 0) |
        (options.c ? Query.COW | Query.DELALLOC : options.e ? Query.DELALLOC : 0);
      const text = `xfsctl(XFS_IOC_GETBMAPX) iflags=0x${iflags.toString(16)} ["${file.name}"]: ${strerror(code)}`;
      throw new CommandFailure(`${session.program}: ${text}`, { code });
    }
    const rows = options.c ? [] : collect(file, options.a, options.e, options.p, limit);
    const unwritten = options.p && !options.a;
    const geometry = geometryOf(session, file);
    return { name: file.name, rows, lengths: options.l, unwritten, verbose: options.v, limited: limit > 0, geometry };
  },
  text(map, out) {
    if (map.rows.length === 0 && !map.limited) out.write(`${map.name}: no extents\n`);
    else {
      out.write(`${map.name}:\n`);
      if (map.verbose > 0) writeTable(map, out);
      else for (const [i, row] of map.rows.entries()) out.write(`\t${i}: ${plainRow(row, map.lengths)}\n`);
    }
  },
  json: ({ name, rows }) => ({ command: 'bmap', file: name, extents: rows }),
});

/** Bytes of a record in struct getbmapx. */
const RECORD = 48;

/** xfs_io asks for memory for the records it wants, for one more and for a header. @throws CommandFailure where it wants less than none */
function checkRoom(session: Session, limit: number): void {
  const records = (limit + 2) | 0;
  if (records >= 0) return;
  const text = `${session.program}: malloc of ${Math.imul(records, RECORD)} bytes failed.`;
  throw new CommandFailure(text, { code: 'ENOMEM' });
}

/** The records of the map; `limit` 0 means all. */
function collect(file: OpenFile, attributes: boolean, delalloc: boolean, prealloc: boolean, limit: number): Row[] {
  const stat = file.inode.stat();
  // Blocks of the file system: st_blksize is never below a page.
  const { blockSize } = file.inode.fs;
  const round = (bytes: number) => Math.ceil(bytes / blockSize) * blockSize;
  const toEof = !attributes && stat.extsize === 0 && (stat.xflags & Xflag.PREALLOC) === 0;
  const { size } = file.inode;
  const end = toEof ? round(size) : POS_END;
  const rows: Row[] = [];
  // A directory or link that fits into its inode has no map to walk.
  let inInode = !attributes && file.inode.kind !== 'file' && stat.nextents === 0;
  let at = 0;
  const full = () => limit > 0 && rows.length >= limit;
  const hole = (until: number) => rows.push(row(at, until, null, 0));
  const visit: FiemapVisitor = (logical, physical, length, flags) => {
    if ((flags & FiemapExtent.DATA_INLINE) !== 0) inInode = true;
    if (inInode || logical >= end || full()) return false;
    const until = Math.min(end, logical + length);
    if (logical > at) hole(logical);
    if (!full()) {
      const delayed = (flags & FiemapExtent.DELALLOC) !== 0;
      rows.push(
        row(
          logical,
          until,
          delayed ? 'delalloc' : physical / SECTOR,
          prealloc ? flags : flags & ~FiemapExtent.UNWRITTEN,
        ),
      );
    }
    at = until;
    return !full();
  };
  fiemap(file.inode, 0, Math.max(end, 1), visit, { sync: !delalloc, xattr: attributes, untraced: true });
  if (inInode) return rows;
  if (!attributes && at < round(size) && !full() && (rows.length > 0 || delalloc)) hole(round(size));
  if (delalloc && rows.length === 0) rows.push(row(0, round(size), null, 0));
  return rows;
}

function row(from: number, to: number, block: Row['block'], flags: number): Row {
  return {
    offset: exactUnits(from, SECTOR),
    length: to < FAR ? (to - from) / SECTOR : slim(BigInt(exactSpan(from, to)) / BigInt(SECTOR)),
    block,
    unwritten: (flags & FiemapExtent.UNWRITTEN) !== 0,
    shared: (flags & FiemapExtent.SHARED) !== 0,
  };
}

function geometryOf(session: Session, file: OpenFile): Geometry {
  // As xfs_io: a file with any further flag gets the columns of groups, meaningless or not.
  const realtime = file.inode.stat().xflags === Xflag.REALTIME;
  const known = new Map(session.mount().fs.statfs().geometry);
  const sectors = (known.get('bsize') ?? 0) / SECTOR;
  const of = (name: string) => (realtime ? 0 : (known.get(name) ?? 0) * sectors);
  return {
    realtime,
    agCount: known.get('agcount') ?? 0,
    agSectors: of('agblocks'),
    sunit: of('sunit'),
    swidth: of('swidth'),
  };
}

const span = (from: number | bigint, length: number | bigint): string =>
  typeof from === 'number' && typeof length === 'number'
    ? `${from}..${from + length - 1}`
    : `${from}..${BigInt(from) + BigInt(length) - 1n}`;

function plainRow(entry: Row, lengths: boolean): string {
  const where =
    entry.block === null ? 'hole' : entry.block === 'delalloc' ? 'delalloc' : span(entry.block, entry.length);
  return `[${span(entry.offset, entry.length)}]: ${where}${lengths ? ` ${entry.length} blocks` : ''}`;
}

/** The range in the file as a cell; xfs_io prints it from a buffer of 32 bytes. */
function fileRange({ offset, length }: Row): string {
  return `[${span(offset, length)}]:`.slice(0, 31);
}

/** The extent's place in its allocation group. */
function agPlace(entry: Row, geometry: Geometry): { ag: number; range: string } {
  const block = entry.block as number;
  const ag = Math.floor(block / geometry.agSectors);
  return { ag, range: `(${span(block - ag * geometry.agSectors, entry.length)})` };
}

function writeTable(map: BlockMap, out: TextSink): void {
  const { rows, geometry } = map;
  const rt = geometry.realtime;
  const w = { file: 16, block: 16, place: 16, total: 5, ag: rt ? 0 : Math.max(2, String(geometry.agCount).length) };
  let flagged = geometry.sunit !== 0 || map.unwritten;
  for (const entry of rows) {
    w.file = Math.max(w.file, fileRange(entry).length);
    w.total = Math.max(w.total, String(entry.length).length);
    if (entry.unwritten) flagged = true;
    if (entry.block === null) continue;
    if (entry.block !== 'delalloc') w.block = Math.max(w.block, span(entry.block, entry.length).length);
    if (rt) w.place = 0;
    else if (entry.block !== 'delalloc') w.place = Math.max(w.place, agPlace(entry, geometry).range.length);
  }
  const names = [left('FILE-OFFSET', w.file), left(rt ? 'RT-BLOCK-RANGE' : 'BLOCK-RANGE', w.block)];
  const place = `${right(rt ? '' : 'AG', w.ag)} ${left(rt ? '' : 'AG-OFFSET', w.place)}`;
  out.write(` EXT: ${names.join(' ')} ${place} ${right('TOTAL', w.total)}${flagged ? ' FLAGS' : ''}\n`);
  let lastFlags = 0;
  for (const [i, entry] of rows.entries()) {
    const start = `${right(i, 4)}: ${left(fileRange(entry), w.file)}`;
    const total = right(String(entry.length), w.total);
    lastFlags = flagsOf(entry, geometry);
    if (entry.block === null || entry.block === 'delalloc') {
      out.write(
        `${start} ${left(entry.block ?? 'hole', w.block)} ${' '.repeat(w.ag)} ${' '.repeat(w.place)} ${total}\n`,
      );
      continue;
    }
    const blocks = left(span(entry.block, entry.length), w.block);
    const { ag, range } = rt ? { ag: '', range: '' } : agPlace(entry, geometry);
    const where = rt ? ' ' : `${right(ag, w.ag)} ${left(range, w.place)}`;
    const flags = lastFlags === 0 && !map.unwritten ? '' : ` ${lastFlags.toString(8).padStart(6, '0')}`;
    out.write(`${start} ${blocks} ${where} ${total}${flags}\n`);
  }
  if (map.verbose > 1 && (lastFlags !== 0 || map.unwritten)) out.write(LEGEND);
}

function flagsOf(entry: Row, { sunit, swidth }: Geometry): number {
  let flags = (entry.unwritten ? Flag.unwritten : 0) | (entry.shared ? Flag.shared : 0);
  if (sunit === 0) return flags;
  // As xfs_io counts them: a hole has block -1, delayed space -2.
  const block = entry.block === null ? -1 : entry.block === 'delalloc' ? -2 : entry.block;
  if (block % sunit !== 0) flags |= Flag.bsu;
  const end = block + Number(entry.length);
  if (end % sunit !== 0) flags |= Flag.esu;
  if (block % swidth !== 0) flags |= Flag.bsw;
  if (end % swidth !== 0) flags |= Flag.esw;
  return flags;
}

const LEGEND = ` FLAG Values:
    0100000 Shared extent
    0010000 Unwritten preallocated extent
    0001000 Doesn't begin on stripe unit
    0000100 Doesn't end   on stripe unit
    0000010 Doesn't begin on stripe width
    0000001 Doesn't end   on stripe width
`;
