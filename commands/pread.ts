/** pread: reads a range in blocks, forward, backward or at random places (xfs_io's io/pread.c). */
import { FsError } from '../core/errors.ts';
import { exactPos, labelOf, posHex } from '../core/positions.ts';
import { expect } from '../core/steps.ts';
import { command, usage } from './command.ts';
import { perror } from './failure.ts';
import { randomSequence } from './random.ts';
import { type IoReport, stopwatch, writeReport } from './report.ts';
import type { Session } from './session.ts';
import type { TextSink } from './text.ts';
import { filledBuffer, notVectors, readUnit, setVectors, type Unit, unitOf } from './vectors.ts';
import { parseSize } from './words.ts';

/** Bytes read with -v. */
interface Dump {
  /** File position, bytes. */
  readonly offset: number;
  /** What was read there; with --json as base64. */
  readonly data: Uint8Array;
}

interface Summary {
  readonly report: IoReport;
  readonly condensed: boolean;
  readonly quiet: boolean;
}

interface Range {
  /** Start, or for -B the end, of the range; null means end of file. */
  readonly offset: number | null;
  /** Bytes; null means to the end of the file. */
  readonly count: number | null;
  readonly asked: number | bigint;
  /** The count below zero that xfs_io would go by; -1 for what is no number. */
  readonly negative: number;
}

interface Done {
  offset: number;
  count: number;
  total: number;
  ops: number;
}

export const pread = command({
  name: 'pread',
  alias: 'r',
  count: [2, Number.POSITIVE_INFINITY],
  operands: 'off len',
  about: 'read bytes from an offset on',
  help: `Reads len bytes at off, one block after the other. "-" for len reads to the end of the file; with -B, off is
where the range ends, and "-" means the end of the file.`,
  options: {
    b: { value: 'bs', kind: 'size', noun: 'bsize', about: 'bytes per read (default: the block size)' },
    B: { about: 'backward: the range ends at off' },
    C: { about: 'report as numbers with commas' },
    F: { about: 'forward (the default)' },
    R: { about: 'at random offsets in the range' },
    q: { about: 'no report' },
    u: { about: 'accepted; the buffer is not filled first' },
    v: { about: 'dump what was read' },
    V: { value: 'n', kind: 'text', refuse: notVectors, about: 'n blocks in one read, from now on' },
    Z: { value: 'seed', kind: 'integer', noun: 'seed', about: 'seed of -R' },
  },
  meets: setVectors,
  *run(session, args): Generator<Dump | Summary> {
    const { options } = args;
    if (args.operands.length !== 2) throw usage(pread);
    const direction = args.last('FBR') ?? 'F';
    const range = parseRange(session, args.operands as [string, string], direction);
    const unit = unitOf(session, options.b ?? session.blockSize);
    const elapsed = stopwatch();
    const done: Done = { offset: range.offset ?? 0, count: range.count ?? 0, total: 0, ops: 0 };
    if (direction === 'F') yield* readForward(session, range, unit, options, done);
    else if (direction === 'B') readBackward(session, range, unit, options.u, done);
    else readRandom(session, range, unit, options, done);
    const count = range.count === null || direction !== 'F' ? done.count : range.asked;
    const offset = direction === 'F' ? beyondReach(session, args.operands[0] as string, done.offset) : done.offset;
    const report = { verb: 'read', ...done, count, offset: typeof offset === 'bigint' ? offset : exactPos(offset) };
    yield { report: { ...report, seconds: elapsed() }, condensed: options.C, quiet: options.q };
  },
  text(result, out) {
    if ('data' in result) writeDump(result.offset, result.data, out);
    else if (!result.quiet) writeReport(result.report, result.condensed, out);
  },
  json: (result) =>
    'data' in result
      ? { command: 'pread', offset: exactPos(result.offset), data: Buffer.from(result.data).toString('base64') }
      : { command: 'pread', ...result.report },
});

/** Where a read began: as it was given, where that has no label, else `label`. */
function beyondReach(session: Session, word: string, label: number): number | bigint {
  const value = parseSize(word, session.blockSize, session.sectorSize);
  return value !== null && value >= 0n && labelOf(value) === null ? value : label;
}

function parseRange(session: Session, [off, len]: [string, string], direction: string): Range {
  const offset = session.lookupOrNull(off, session.file().named.size);
  const range =
    offset === null || direction !== 'F' || parseLength(session, len) === null
      ? null
      : session.rangeAt(offset, len, 'loose');
  // A word that is no number means -1 to xfs_io: as an offset of a forward read the kernel refuses it.
  if (offset === null && direction === 'F') throw perror('pread', new FsError('EINVAL'));
  const count = range === null ? session.sizeOrNull(len) : range.length;
  if (offset === null && direction === 'R') throw session.notNumber('length argument', off);
  if (count === null && direction === 'R') throw session.notNumber('length argument', len);
  const negative = Number(parseSize(len, session.blockSize, session.sectorSize) ?? -1n);
  return { offset, count, asked: range?.asked ?? count ?? 0, negative };
}

function parseLength(session: Session, word: string): bigint | null {
  const value = parseSize(word, session.blockSize, session.sectorSize);
  return value === null || value < 0n ? null : value;
}

function* readForward(
  session: Session,
  range: Range,
  unit: Unit,
  options: { readonly v: boolean; readonly u: boolean },
  done: Done,
): Generator<Dump> {
  let at = range.offset ?? 0;
  let left = range.count ?? Number.POSITIVE_INFINITY;
  const file = session.file();
  expect(Math.max(0, Math.min(left, file.inode.size - at)));
  // No more memory than the file could fill, but for direct reads: those ask beyond its end, as the kernel is asked.
  const useful = file.flags.direct ? unit.bytes : Math.max(1, file.inode.size);
  const length = unit.vectors > 0 ? unit.bytes : Math.min(unit.bytes, useful, left);
  const buffer = filledBuffer(session, length, unit, options.u ? null : FILL);
  const read = (into: Uint8Array) => file.read(at, into);
  while (left > 0) {
    const wanted = Math.min(left, unit.bytes, unit.vectors > 0 ? unit.bytes : buffer.length);
    const bytes = readUnit(unit, left, buffer, read);
    if (bytes === 0) break;
    done.ops++;
    done.total += bytes;
    if (options.v) yield { offset: at, data: buffer.subarray(0, bytes) };
    if (bytes < wanted) break;
    at += bytes;
    left -= bytes;
  }
  if (range.count === null) done.count = done.total;
}

/** What xfs_io's buffer holds before anything is read. */
const FILL = 0xab;

/** Reads towards the start; the first read ends at a multiple of the unit. */
function readBackward(session: Session, range: Range, unit: Unit, unfilled: boolean, done: Done): void {
  const file = session.file();
  const { size } = file.inode;
  // Without a count, xfs_io begins at the end of the file and takes what its number parser gave for it.
  const count = range.count ?? range.negative;
  const from = range.offset === null || range.count === null ? size : range.offset;
  // xfs_io goes there, which is what sendfile goes on from.
  file.position = from;
  let at = Math.min(size, from);
  done.offset = at;
  done.count = Math.min(count, at);
  let left = done.count;
  const end = Math.max(0, at - left);
  const buffer = filledBuffer(session, unit.bytes, unit, unfilled ? null : FILL);
  // As xfs_io does it: the range may end before its start is reached when both are odd.
  for (let wanted = at % unit.bytes, ask = wanted; ; wanted = Math.min(left, unit.bytes), ask = left) {
    if (wanted > 0) {
      at -= wanted;
      const bytes = readUnit(unit, ask, buffer, (into) => file.read(at, into));
      if (bytes === 0) return;
      done.ops++;
      done.total += bytes;
      if (bytes < wanted) return;
      left -= bytes;
    }
    if (left <= end) return;
  }
}

function readRandom(
  session: Session,
  range: Range,
  unit: Unit,
  { Z: seed = 0, u: unfilled }: { readonly Z: number | undefined; readonly u: boolean },
  done: Done,
): void {
  const file = session.file();
  const random = randomSequence(seed === 0 ? session.seconds : seed);
  const { size } = file.inode;
  // xfs_io learns the size by going to the end.
  file.position = size;
  const start = range.offset === null || range.offset > size ? size : range.offset;
  const spots = randomOffsets(start, range.count ?? 0, unit.bytes, random);
  const buffer = filledBuffer(session, unit.bytes, unit, unfilled ? null : FILL);
  for (const at of spots) {
    const bytes = readUnit(unit, unit.bytes, buffer, (into) => file.read(at, into));
    if (bytes === 0) break;
    done.ops++;
    done.total += bytes;
    if (bytes < unit.bytes) break;
  }
}

/** The offsets that xfs_io visits with -R: as many as a scan of the range takes, multiples of the unit. */
export function* randomOffsets(offset: number, count: number, unit: number, random: () => number): Generator<number> {
  const start = offset - (offset % unit);
  const padded = Math.max(unit, count + (count % unit));
  const range = padded - unit;
  for (let left = padded; left > 0; left -= unit) {
    yield range === 0 ? start : Math.floor((start + (random() % range)) / unit) * unit;
  }
}

const HEX = Array.from({ length: 256 }, (_, i) => `${i.toString(16).padStart(2, '0')} `);
const SHOWN = Array.from({ length: 256 }, (_, i) =>
  /[0-9A-Za-z]/.test(String.fromCharCode(i)) ? String.fromCharCode(i) : '.',
);

/** A hex dump in xfs_io's form: 16 bytes a line, letters and digits shown. */
export function writeDump(offset: number, data: Uint8Array, out: TextSink): void {
  for (let i = 0; i < data.length; i += 16) {
    const end = Math.min(i + 16, data.length);
    let line = `${posHex(offset + i).padStart(8, '0')}:  `;
    for (let j = i; j < end; j++) line += HEX[data[j] as number];
    line += ' ';
    for (let j = i; j < end; j++) line += SHOWN[data[j] as number];
    out.write(`${line}\n`);
  }
}
