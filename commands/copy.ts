/** dedupe, copy_range, exchangerange, swapext: what two files do with each other's blocks. */
import { FsError } from '../core/errors.ts';
import { crossesGap, exactPos, labelLength } from '../core/positions.ts';
import { fileSizeLimit } from '../core/size-limit.ts';
import { MAX_POS } from '../core/units.ts';
import { command, usage } from './command.ts';
import { CommandFailure, perror } from './failure.ts';
import { openInput } from './open.ts';
import type { OpenFile } from './open-file.ts';
import { checkKinds, lengthAt } from './reflink.ts';
import { type IoReport, stopwatch, writeReport } from './report.ts';
import type { Session } from './session.ts';
import { parseDecimal, parseSize } from './words.ts';

/** Linux copies through a pipe of this many bytes: pieces of other sizes would read ahead otherwise than it does. */
const PIPE = 64 * 1024;

/** What one splice from `at` moves: as many pages as the pipe has places for. */
const piece = (at: number): number => PIPE - (at % 4096);

interface Deduped {
  readonly report: IoReport;
  readonly condensed: boolean;
  readonly quiet: boolean;
}

export const dedupe = command({
  name: 'dedupe',
  alias: 'dd',
  count: [4, Number.POSITIVE_INFINITY],
  operands: 'file src_off dst_off len',
  about: 'share a range with another file if both hold the same bytes',
  options: { C: { about: 'report as numbers with commas' }, q: { about: 'no report' } },
  once: true,
  completes: 'path',
  run(session, { options, operands }): Deduped | undefined {
    if (operands.length !== 4) throw usage(dedupe);
    const [path, ...words] = operands as [string, string, string, string];
    const source = session.position(words[0], 'src offset argument');
    const target = session.position(words[1], 'dest offset argument');
    const { length: count, asked } = lengthAt(session, source, target, words[2]);
    const from = openInput(session, path);
    const elapsed = stopwatch();
    try {
      const done = dedupeAll(session.file(), from, source, target, count);
      if (done.ops === 0) return undefined;
      const report = { verb: 'deduped', offset: exactPos(target), count: asked, ...done, seconds: elapsed() };
      return { report, condensed: options.C, quiet: options.q };
    } finally {
      from.close();
    }
  },
  text({ report, condensed, quiet }, out) {
    if (!quiet) writeReport(report, condensed, out);
  },
  json: ({ report }) => ({ command: 'dedupe', ...report }),
});

const SAME = 'XFS_IOC_FILE_EXTENT_SAME';

function dedupeAll(file: OpenFile, from: OpenFile, source: number, target: number, count: number) {
  let total = 0;
  let ops = 0;
  while (total < count || ops === 0) {
    const shared = dedupeOnce(file, from, source + total, target + total, count - total);
    if (count > 0 && (shared === 0 || shared > count - total)) break;
    ops++;
    total += shared;
  }
  return { total, ops };
}

/** The most that Linux dedupes at once. */
const DEDUPE_MOST = 2 ** 30;

/**
 * One call: Linux says that all was deduped, even where only whole blocks could be. What xfs_io learns from the call's
 * status, it prints and exits 0.
 */
function dedupeOnce(file: OpenFile, from: OpenFile, source: number, target: number, count: number): number {
  if (from.inode.kind !== 'file') throw perror(SAME, new FsError(from.inode.kind === 'dir' ? 'EISDIR' : 'EINVAL'));
  if (source + count > from.inode.size) throw perror(SAME, new FsError('EINVAL'));
  const length = Math.min(count, DEDUPE_MOST);
  try {
    if (file.mount !== from.mount) throw new FsError('EXDEV');
    if (file.inode.dedupe(from.inode, source, target, length) !== null) {
      file.file.changed();
      return length;
    }
  } catch (error) {
    throw error instanceof FsError ? perror(SAME, error, { silent: true }) : error;
  }
  throw new CommandFailure(`${SAME}: Extents did not match.`, { silent: true });
}

/** What is no number, or below the `least`, ends the looking at the options where it stands; -1 stands for none. */
const invalid = (noun: string, least: bigint | null) => (word: string) => {
  const value = parseSize(word, 1, 1);
  if (value !== null && value !== -1n && (least === null || value >= least)) return null;
  return new CommandFailure(`invalid ${noun} -- ${word}`, { stream: 'stdout', code: 'EINVAL' });
};

export const copyRange = command({
  name: 'copy_range',
  count: [1, 8],
  operands: '[file]',
  about: 'copy a range from another file, sharing blocks where that is possible',
  options: {
    s: { value: 'src_off', kind: 'text', refuse: invalid('source offset', 0n), about: 'where to copy from' },
    d: { value: 'dst_off', kind: 'text', refuse: invalid('destination offset', 0n), about: 'where to copy to' },
    l: { value: 'len', kind: 'text', refuse: invalid('length', null), about: 'how much; by default all that follows' },
    f: { value: 'n', kind: 'text', about: 'copy from an open file: the first, or n where n is said first of all' },
  },
  completes: 'path',
  run(session, { options, operands, words }): undefined {
    const number = options.f === undefined ? 0 : openFileNumber(session, words, 'file value');
    if (operands.length !== (options.f === undefined ? 1 : 0)) throw usage(copyRange);
    const source = options.s === undefined ? 0 : session.position(options.s, 'source offset', 'invalid');
    const target = options.d === undefined ? 0 : session.position(options.d, 'destination offset', 'invalid');
    const length = options.l === undefined ? null : copyLength(session, options.l);
    const from =
      options.f === undefined ? openInput(session, operands[0] as string) : (session.files[number] as OpenFile);
    try {
      if (from.broken) throw new FsError('EBADF');
      copyFileRange(session, from, source, session.file(), target, length);
    } catch (error) {
      // xfs_io runs no further command when this one fails, and exits 0.
      session.ended = true;
      throw error instanceof FsError ? perror('copy_range', error, { silent: true }) : error;
    } finally {
      if (options.f === undefined) from.close();
      // xfs_io closes what it copied from, whoever opened it.
      else from.broken = true;
    }
  },
});

/** copy_file_range(2) takes an unsigned length. */
function copyLength(session: Session, word: string): bigint {
  const value = parseSize(word, session.blockSize, session.sectorSize);
  if (value === null || value === -1n) throw session.notNumber('length', word, 'invalid');
  return BigInt.asUintN(64, value);
}

/**
 * The number of the open file that -f means: xfs_io (to 6.5 at least) takes it from the first of all words, not from the
 * option's value, so that it is 0 unless the line begins with a number.
 * @throws CommandFailure for no open file
 */
function openFileNumber(session: Session, words: readonly string[], label: string): number {
  const firstOption = words.findIndex((word) => word.startsWith('-') && word.length > 1);
  const moved = !words[firstOption]?.includes('f');
  const index = moved ? 0 : parseDecimal(words[0] as string);
  if (session.files[index] !== undefined) return index;
  const text = `${label} ${index} is out of range (0-${session.files.length - 1})`;
  throw new CommandFailure(text, { stream: 'stdout' });
}

/** copy_file_range(2) until all is copied or the source ends; which it does later if it is the target and grows. */
function copyFileRange(
  session: Session,
  from: OpenFile,
  source: number,
  to: OpenFile,
  target: number,
  asked: bigint | null,
): void {
  let done = copyOnce(session, from, source, to, target, asked);
  for (let copied = done; asked !== null && done > 0 && from.inode === to.inode; copied += done) {
    const left = asked - BigInt(copied);
    done = left > 0n ? copyOnce(session, from, source + copied, to, target + copied, left) : 0;
  }
}

/** One call: whole blocks are shared, the rest is read and written. Answers how many bytes of the source there were. */
function copyOnce(
  session: Session,
  from: OpenFile,
  source: number,
  to: OpenFile,
  target: number,
  asked: bigint | null,
): number {
  const length = checkCopy(from, source, to, target, asked);
  const end = source + length;
  const buffer = session.scratch(PIPE);
  for (let at = source; at < end; ) {
    const pos = target + (at - source);
    const shared = from.mount === to.mount ? shareSome(from, at, to, pos, Math.min(end - at, MAX_POS - pos)) : 0;
    if (shared > 0) {
      to.file.changed();
      at += shared;
      continue;
    }
    if (pos >= MAX_POS) throw new FsError('EFBIG');
    const bytes = from.read(at, buffer.subarray(0, Math.min(piece(at), end - at, MAX_POS - pos)));
    if (bytes === 0) break;
    checkSplice(to, at);
    at += to.write(pos, buffer.subarray(0, bytes));
  }
  return length;
}

/** Memory that direct I/O takes begins at a multiple of this, and pages of a file are handed on from where they are read. */
const DIRECT_MEMORY = 512;

/** @throws FsError EINVAL where the bytes of the source do not lie as a direct write wants them in memory */
function checkSplice(to: OpenFile, at: number): void {
  const strict = to.flags.direct && to.mount.fs.type === 'xfs';
  if (strict && at % DIRECT_MEMORY !== 0) throw new FsError('EINVAL');
}

/** What Linux refuses; answers how many bytes of the source there are to copy (null: all that follow). */
function checkCopy(from: OpenFile, source: number, to: OpenFile, target: number, length: bigint | null): number {
  checkKinds(from.inode, to.inode);
  if (to.flags.readOnly || to.flags.append) throw new FsError('EBADF');
  for (const pos of [source, target])
    if (length !== null && BigInt(exactPos(pos)) + length >= 1n << 64n) throw new FsError('EOVERFLOW');
  const rest = Math.max(0, from.inode.size - source);
  const wanted = length === null ? rest : (labelLength(source, length) ?? rest);
  const most = Math.min(MAX_POS, fileSizeLimit());
  if (target >= most) throw new FsError('EFBIG');
  const count = Math.min(wanted, rest, most - target);
  if (source !== target && (crossesGap(source, count) || crossesGap(target, count))) throw new FsError('EFBIG');
  const overlaps = target + count > source && target < source + count;
  if (from.inode === to.inode && overlaps) throw new FsError('EINVAL');
  return count;
}

/** What could be shared; where nothing can be, copying will do. */
function shareSome(from: OpenFile, source: number, to: OpenFile, target: number, length: number): number {
  try {
    return to.inode.reflinkSome(from.inode, source, target, length);
  } catch (error) {
    if (error instanceof FsError && (error.code === 'EINVAL' || error.code === 'EOPNOTSUPP')) return 0;
    throw error;
  }
}

interface Exchanged {
  /** Bytes. */
  readonly length: number;
  /** Time that it took. */
  readonly seconds: number;
  readonly timed: boolean;
}

export const exchangeRange = command({
  name: 'exchangerange',
  operands: 'file',
  about: 'exchange a range of the open file with one of another file',
  options: {
    d: { value: 'off', kind: 'text', about: 'where the range starts in the open file' },
    l: { value: 'len', kind: 'text', about: 'how much; by default to the ends of both files' },
    n: { about: 'only check' },
    s: { value: 'off', kind: 'text', about: 'where the range starts in the other file' },
    t: { about: 'print how long it took' },
    w: { about: 'only blocks that are written in the other file' },
  },
  once: true,
  completes: 'path',
  run(session, { options, operands }): Exchanged {
    if (operands.length !== 1) throw usage(exchangeRange);
    const pos = options.d === undefined ? 0 : session.position(options.d, 'offset');
    const otherPos = options.s === undefined ? 0 : session.position(options.s, 'offset');
    const length = options.l === undefined ? null : session.rangeAt(pos, options.l, 'loose', 'length');
    const other = openInput(session, operands[0] as string);
    const elapsed = stopwatch();
    const file = session.file();
    try {
      if (file.flags.readOnly) throw new FsError('EBADF');
      if (file.mount !== other.mount) throw new FsError('EXDEV');
      const exchange = { toEof: length === null, fileOneWritten: options.w, dryRun: options.n };
      // xfs_io names the donor as file 1, whose written blocks -w means.
      other.inode.exchangeRange(otherPos, file.inode, pos, length?.length ?? 0, exchange);
    } finally {
      other.close();
    }
    return { seconds: elapsed(), timed: options.t, length: Number(length?.asked ?? exactPos(file.inode.size)) };
  },
  json: ({ timed, ...done }) => ({ command: 'exchangerange', ...done }),
  text({ seconds, timed, length }, out) {
    if (timed) writeReport({ verb: 'exchanged', offset: 0, count: length, total: length, ops: 1, seconds }, false, out);
  },
});

export const swapext = command({
  name: 'swapext',
  count: [1, 1],
  operands: 'file',
  xfsOnly: true,
  about: 'exchange all data with another file of the same size',
  plain: true,
  completes: 'path',
  run(session, { operands }): undefined {
    const donor = openInput(session, operands[0] as string, { write: true, silent: true });
    try {
      const file = session.file();
      // It is asked about by its number first.
      if (file.unusable) throw perror('bulkstat', new FsError('EBADF'));
      if (file.flags.readOnly || file.flags.append || donor.flags.readOnly) throw new FsError('EBADF');
      if (file.mount !== donor.mount) throw new FsError('EINVAL');
      file.inode.swapExtents(donor.inode);
    } catch (error) {
      throw error instanceof FsError ? perror('swapext', error, { silent: true }) : error;
    } finally {
      donor.close();
    }
  },
});

interface Sent {
  readonly report: IoReport;
  readonly condensed: boolean;
  readonly quiet: boolean;
}

export const sendfile = command({
  name: 'sendfile',
  alias: 'send',
  count: [2, Number.POSITIVE_INFINITY],
  operands: '[off len]',
  about: 'append to what was sent before: bytes of another file of the image',
  options: {
    C: { about: 'report as numbers with commas' },
    f: { value: 'n', kind: 'text', about: 'from an open file: the first, or n where n is said first of all' },
    i: { value: 'file', kind: 'text', about: 'from this file' },
    q: { about: 'no report' },
  },
  completes: 'path',
  run(session, { options, operands, words }): Sent {
    const { f, i: path } = options;
    const number = f === undefined ? -1 : openFileNumber(session, words, 'value');
    if (path !== undefined && f !== undefined) throw usage(sendfile);
    const from = path === undefined ? session.files[number] : openInput(session, path);
    try {
      // Without a source xfs_io reads from whatever it finds in its memory: mostly no file at all.
      const missing = from === undefined || from.broken;
      if (missing && operands.length !== 2) throw perror('fstat', new FsError('EBADF'));
      const size = from === undefined ? 0 : exactPos(from.inode.size);
      const [off, len] = operands.length === 2 ? (operands as [string, string]) : ['0', String(size)];
      const { pos: offset, length: count, asked } = session.range(off, len, 'loose');
      if (missing) throw new FsError('EBADF');
      if (count > 0) checkSending(session, from, offset, asked);
      const elapsed = stopwatch();
      const done = sendBytes(session, from, offset, count);
      return {
        report: { verb: 'sent', offset: exactPos(offset), count: asked, ...done, seconds: elapsed() },
        condensed: options.C,
        quiet: options.q,
      };
    } finally {
      if (path !== undefined) from?.close();
    }
  },
  text({ report, condensed, quiet }, out) {
    if (!quiet) writeReport(report, condensed, out);
  },
  json: ({ report }) => ({ command: 'sendfile', ...report }),
});

/** What sendfile(2) refuses. */
function checkSending(session: Session, from: OpenFile, offset: number, asked: number | bigint): void {
  if (BigInt(exactPos(offset)) + BigInt(asked) >= 2n ** 63n) throw new FsError('EINVAL');
  if (session.file().flags.readOnly) throw new FsError('EBADF');
  // What is appended to has no place to splice to.
  if (from.inode.kind === 'dir' || session.file().flags.append) throw new FsError('EINVAL');
}

/** Copies bytes to where the last sendfile on the open file ended. */
function sendBytes(session: Session, from: OpenFile, offset: number, count: number): { total: number; ops: number } {
  const to = session.file();
  const buffer = session.scratch(PIPE);
  let total = 0;
  while (total < count) {
    const bytes = from.read(offset + total, buffer.subarray(0, Math.min(piece(offset + total), count - total)));
    if (bytes === 0) break;
    checkSplice(to, offset + total);
    to.position += to.write(to.position, buffer.subarray(0, bytes));
    total += bytes;
  }
  return { total, ops: total === 0 ? 0 : 1 };
}
