/** fsmap: who owns which blocks of the device, in xfs_io's words (io/fsmap.c). */
import { FAR } from '../../../core/positions.ts';
import { WordFailure, word } from '../../../core/vfs/word.ts';
import { FSMAP_CODES, type FsmapDevice, type FsmapEntry, type FsmapSpecial, fsmap as walk } from '../inspect/fsmap.ts';
import type { XfsMount } from '../mount.ts';
import { mountOf } from './mount-of.ts';

type Row = Readonly<FsmapEntry>;
interface Out {
  write(text: string): void;
}

const SECTOR = 512;
/** Rows that one call of the ioctl returns in xfs_io: the widths of a table hold for that many. */
const BATCH = 2048;
const NAMES: Readonly<Record<FsmapSpecial, string>> = {
  free: 'free space',
  unknown: 'unknown',
  fs: 'static fs metadata',
  log: 'journalling log',
  ag: 'per-AG metadata',
  inobt: 'inode btree',
  inodes: 'inodes',
  refc: 'refcount btree',
  cow: 'cow reservation',
};
/** Devices have no numbers here; they are counted as loop devices are. */
const DEVICE: Readonly<Record<FsmapDevice, string>> = { data: '7:0', log: '7:1', realtime: '7:2' };
const Flag = { attr: 0o1000000, shared: 0o100000, pre: 0o10000, bsu: 0o1000, esu: 0o100, bsw: 0o10, esw: 0o1 };

/** NaN for no such number. */
function rowsOf(text: string): number {
  const rows = Number(/^\s*\+?(\d+)$/.exec(text)?.[1] ?? Number.NaN);
  return rows < 2 ** 32 ? rows : Number.NaN;
}

const notRows = (text: string): boolean => Number.isNaN(rowsOf(text));

export const fsmap = word({
  name: 'fsmap',
  xfsIo: 'file',
  operands: '[start [end]]',
  about: 'who owns which blocks of the image',
  help: 'Ranges are in units of 512 bytes. start and end want one of -d, -l and -r.',
  options: {
    d: { about: 'the data device' },
    l: { about: 'the log device' },
    m: { about: 'for programs' },
    n: { value: 'rows', kind: 'text', misuses: notRows, about: 'accepted: rows at a time' },
    r: { about: 'the realtime device' },
    v: { about: 'a table with allocation groups; twice: explain the flags', counts: true },
  },
  run(context, { options, operands }) {
    const chosen: FsmapDevice[] = [];
    if (options.d) chosen.push('data');
    if (options.l) chosen.push('log');
    if (options.r) chosen.push('realtime');
    const misused = chosen.length > 1 || (options.m && options.v > 0) || (operands.length > 0 && chosen.length === 0);
    const rowCount = options.n === undefined ? 0 : rowsOf(options.n);
    if (misused) throw context.usage();
    const [start, end] = operands.slice(0, 2).map((operand, i) => {
      const value = context.size(operand);
      if (value === null) throw new WordFailure(`Bad rmap ${i === 0 ? 'start' : 'end'}_bblock ${operand}.`);
      return value;
    });
    const range = { start: (start ?? 0) * SECTOR, end: end === undefined ? Number.MAX_SAFE_INTEGER : end * SECTOR };
    const mp = mountOf(context);
    const rows: Row[] = [];
    for (const device of chosen.length > 0 ? chosen : (['data', 'log', 'realtime'] as const)) {
      walk(mp, device, range, (entry) => rows.push({ ...entry }) > 0);
    }
    return {
      data: { extents: rows.map((row) => (row.offset < FAR ? row : { ...row, offset: BigInt(row.offset) })) },
      text(out) {
        if (options.v > 0) writeTable(mp, rows, out, rowCount === 0 ? BATCH : rowCount + 2);
        else if (options.m) writeForPrograms(rows, out);
        else writePlain(rows, out);
      },
    };
  },
});

function span(start: number, length: number): string {
  if (start < FAR) return `${Math.floor(start / SECTOR)}..${Math.floor((start + length - 1) / SECTOR)}`;
  const first = BigInt(start) / BigInt(SECTOR);
  return `${first}..${first + BigInt(length / SECTOR) - 1n}`;
}
const sectors = (row: Row): number => Math.floor(row.length / SECTOR);
const fork = (row: Row): string => (row.attrFork ? 'attr' : 'data');

function writePlain(rows: readonly Row[], out: Out): void {
  for (const [i, row] of rows.entries()) {
    let owner: string;
    if (typeof row.owner !== 'number') owner = NAMES[row.owner];
    else if (row.extentMap) owner = `inode ${row.owner} ${fork(row)} extent map`;
    else owner = `inode ${row.owner} ${fork(row)} ${span(row.offset, row.length)}`;
    out.write(`\t${i}: ${DEVICE[row.device]} [${span(row.physical, row.length)}]: ${owner} ${sectors(row)}\n`);
  }
}

function writeForPrograms(rows: readonly Row[], out: Out): void {
  if (rows.length > 0) out.write('EXT,MAJOR,MINOR,PSTART,PEND,OWNER,OSTART,OEND,LENGTH\n');
  const comma = (start: number, length: number) => span(start, length).replace('..', ',');
  for (const [i, row] of rows.entries()) {
    let owner: string;
    if (typeof row.owner !== 'number') owner = `special_${FSMAP_CODES[row.owner].join(':')},,,`;
    else if (row.extentMap) owner = `inode_${row.owner}_${fork(row)}_bmbt,,,`;
    else owner = `inode_${row.owner}_${fork(row)},${comma(row.offset, row.length)},`;
    out.write(
      `${i},${DEVICE[row.device].replace(':', ',')},${comma(row.physical, row.length)},${owner}${sectors(row)}\n`,
    );
  }
}

interface Cells {
  readonly range: string;
  readonly owner: string;
  readonly offset: string;
  readonly ag: string;
  readonly place: string;
  readonly total: string;
  readonly flags: number;
}

function cellsOf(mp: XfsMount, row: Row): Cells {
  const special = typeof row.owner !== 'number';
  const onData = row.device === 'data';
  const agBytes = mp.agBlocks * mp.blockSize;
  const agno = Math.floor(row.physical / agBytes);
  return {
    range: `[${span(row.physical, row.length)}]:`,
    owner: typeof row.owner === 'number' ? String(row.owner) : NAMES[row.owner],
    offset: row.extentMap ? 'extent map' : special ? ' ' : span(row.offset, row.length),
    ag: onData ? String(agno) : '',
    place: onData ? `(${span(row.physical - agno * agBytes, row.length)})` : '',
    total: String(sectors(row)),
    flags: flagsOf(mp, row),
  };
}

function flagsOf(mp: XfsMount, row: Row): number {
  let flags = (row.prealloc ? Flag.pre : 0) | (row.attrFork ? Flag.attr : 0) | (row.shared ? Flag.shared : 0);
  const [sunit, swidth] = [mp.sb.unit * mp.blockSize, mp.sb.width * mp.blockSize];
  if (sunit === 0 || row.device !== 'data') return flags;
  const end = row.physical + row.length;
  if (row.physical % sunit !== 0) flags |= Flag.bsu;
  if (end % sunit !== 0) flags |= Flag.esu;
  if (row.physical % swidth !== 0) flags |= Flag.bsw;
  if (end % swidth !== 0) flags |= Flag.esw;
  return flags;
}

function writeTable(mp: XfsMount, rows: readonly Row[], out: Out, rowsAtOnce: number): void {
  const agWidth = Math.max(2, String(mp.agCount).length);
  let flagged = false;
  for (let first = 0; first < rows.length; first += rowsAtOnce) {
    const batch = rows.slice(first, first + rowsAtOnce).map((row) => cellsOf(mp, row));
    const width = (name: 'range' | 'owner' | 'offset' | 'place' | 'total', least: number) =>
      batch.reduce((most, cells) => Math.max(most, cells[name].length), least);
    const w = { range: width('range', 16), owner: width('owner', 16), offset: width('offset', 16) };
    const [place, total] = [width('place', 16), width('total', 5)];
    const number = Math.max(4, String(first + batch.length - 1).length);
    const inBatch = batch.some(({ flags }) => flags !== 0);
    flagged ||= inBatch;
    const line = (nr: string | number, dev: string, cells: Omit<Cells, 'flags'>, tail: string) => {
      const columns = [cells.range.padEnd(w.range), cells.owner.padEnd(w.owner), cells.offset.padEnd(w.offset)];
      const where = `${cells.ag.padEnd(agWidth)} ${cells.place.padEnd(place)} ${cells.total.padStart(total)}`;
      out.write(`${String(nr).padStart(number)}: ${dev.padEnd(3)} ${columns.join(' ')} ${where}${tail}\n`);
    };
    if (first === 0) line('EXT', 'DEV', HEADER, inBatch ? ' FLAGS' : '');
    for (const [i, cells] of batch.entries()) {
      const row = rows[first + i] as Row;
      const shown = cells.flags === 0 || row.extentMap ? '' : ` ${cells.flags.toString(8).padStart(7, '0')}`;
      line(first + i, DEVICE[row.device], cells, shown);
    }
  }
  if (flagged) out.write(LEGEND);
}

const HEADER = {
  range: 'BLOCK-RANGE',
  owner: 'OWNER',
  offset: 'FILE-OFFSET',
  ag: 'AG',
  place: 'AG-OFFSET',
  total: 'TOTAL',
} as const;

const LEGEND = ` FLAG Values:
    01000000 Attribute fork
    00100000 Shared extent
    00010000 Unwritten preallocated extent
    00001000 Doesn't begin on stripe unit
    00000100 Doesn't end   on stripe unit
    00000010 Doesn't begin on stripe width
    00000001 Doesn't end   on stripe width
`;
