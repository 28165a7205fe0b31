/** pwrite: writes a pattern or a host file's bytes, in blocks (xfs_io's io/pwrite.c). */
import { closeSync, openSync, readSync } from 'node:fs';
import { hostError } from '../core/device/host-error.ts';
import { FsError } from '../core/errors.ts';
import { exactPos } from '../core/positions.ts';
import { expect } from '../core/steps.ts';
import type { Timestamp } from '../core/vfs/inode.ts';
import { command, usage } from './command.ts';
import { type CommandFailure, perror } from './failure.ts';
import { openInput } from './open.ts';
import type { OpenFile } from './open-file.ts';
import { randomOffsets } from './pread.ts';
import { randomSequence } from './random.ts';
import { type IoReport, stopwatch, writeReport } from './report.ts';
import type { Session } from './session.ts';
import { asked, filledBuffer, notVectors, readUnit, setVectors, type Unit, unitOf, writeUnit } from './vectors.ts';

interface Summary {
  readonly report: IoReport;
  readonly condensed: boolean;
  readonly quiet: boolean;
}

interface Done {
  count: number;
  total: number;
  ops: number;
}

export const pwrite = command({
  name: 'pwrite',
  alias: 'w',
  count: [2, Number.POSITIVE_INFINITY],
  operands: 'off len',
  about: 'write bytes from an offset on',
  help: `Writes len bytes at off, one block after the other: the byte 0xcd, another one (-S), or the bytes of a file of
the host (-i). With -B, off is where the range ends.`,
  options: {
    b: { value: 'bs', kind: 'size', noun: 'bsize', about: 'bytes per write (default: the block size)' },
    B: { about: 'backward: the range ends at off' },
    C: { about: 'report as numbers with commas' },
    d: { about: 'with -i, accepted: the host file is read as usual' },
    D: { about: 'with -V: each write is durable when it returns' },
    f: { value: 'file', kind: 'text', about: 'the same as -i' },
    F: { about: 'forward (the default)' },
    i: { value: 'file', kind: 'text', about: 'write the bytes of this host file' },
    N: { about: 'with -V: never wait; what would have to change times first fails' },
    O: { about: 'one single write' },
    q: { about: 'no report' },
    R: { about: 'at random offsets in the range' },
    s: { value: 'skip', kind: 'size', noun: 'skip', about: 'with -i: skip bytes of the host file' },
    S: { value: 'byte', kind: 'integer', noun: 'seed', about: 'write this byte' },
    u: { about: 'write what the buffer of the last command held' },
    V: { value: 'n', kind: 'text', refuse: notVectors, about: 'n blocks in one write, from now on' },
    w: { about: 'fdatasync in the end' },
    W: { about: 'fsync in the end' },
    Z: { value: 'seed', kind: 'integer', noun: 'seed', about: 'seed of -R' },
  },
  completes: 'host',
  meets: setVectors,
  *run(session, args): Generator<Summary> {
    const { options } = args;
    const direction = args.last('FBRO') ?? 'F';
    const input = args.last('if') === 'f' ? options.f : options.i;
    const misused = ((options.s ?? 0) > 0 || options.d) && input === undefined;
    if (misused || args.operands.length !== 2 || (input !== undefined && direction !== 'F')) throw usage(pwrite);
    const [off, len] = args.operands as [string, string];
    const { pos: offset, length, asked } = session.range(off, len, 'loose');
    const unit = unitOf(session, options.b ?? session.blockSize);
    const most = unit.vectors > 0 ? unit.bytes : bufferSize(direction, length, unit.bytes);
    const buffer = filledBuffer(session, most, unit, options.u ? null : (options.S ?? 0xcd) & 0xff);
    const elapsed = stopwatch();
    const file = session.file();
    const done: Done = { count: length, total: 0, ops: 0 };
    // Only pwritev2(2) takes flags.
    const flagged = unit.vectors > 0 && (options.D || options.N);
    const write = (at: number, bytes: Uint8Array) => {
      if (flagged && options.N) checkNoWait(file);
      const written = file.write(at, bytes);
      if (flagged && options.D) file.fsync(true);
      return written;
    };
    let failure: CommandFailure | null = null;
    if (direction === 'B') writeBackward(write, offset, buffer, unit, done);
    else if (direction === 'R') writeRandom(write, offset, buffer, unit, options.Z || session.seconds, done);
    else if (direction === 'O') writeOnce(write, offset, buffer, unit, done);
    else if (input === undefined) writeForward(write, offset, buffer, unit, done);
    else failure = writeFile(session, write, offset, input, options.s ?? 0, buffer, unit, done);
    if (options.W) sync(file, 'fsync');
    if (options.w) sync(file, 'fdatasync');
    const count = done.count === length ? asked : done.count;
    const report = { verb: 'wrote', offset: exactPos(offset), ...done, count, seconds: elapsed() };
    yield { report, condensed: options.C, quiet: options.q };
    if (failure !== null) throw failure;
  },
  text({ report, condensed, quiet }, out) {
    if (!quiet) writeReport(report, condensed, out);
  },
  json: ({ report }) => ({ command: 'pwrite', ...report }),
});

/** Bytes of the buffer: no more than the longest write needs. */
function bufferSize(direction: string, length: number, unit: number): number {
  if (direction === 'O') return length;
  return direction === 'R' ? unit : Math.min(unit, Math.max(length, 1));
}

type Write = (at: number, bytes: Uint8Array) => number;

/** Writes the buffer again and again; `fill` puts what comes next into it and tells how much that is. */
function writeForward(
  write: Write,
  offset: number,
  buffer: Uint8Array,
  unit: Unit,
  done: Done,
  fill: ((done: number) => number) | null = null,
): void {
  let at = offset;
  let left = done.count;
  let ready = Math.min(unit.block, left);
  expect(left);
  while (left >= 0) {
    if (fill !== null) ready = fill(done.total);
    const bytes =
      unit.vectors > 0
        ? writeUnit(unit, left, buffer, (from) => write(at, from))
        : write(at, buffer.subarray(0, Math.min(left, ready)));
    if (bytes === 0) break;
    done.ops++;
    done.total += bytes;
    if (bytes < Math.min(left, ready)) break;
    at += bytes;
    left -= bytes;
    if (left === 0) break;
  }
}

function writeOnce(write: Write, offset: number, buffer: Uint8Array, unit: Unit, done: Done): void {
  expect(done.count);
  const whole = unit.vectors > 0 ? asked(unit, done.count) : done.count;
  done.total =
    unit.vectors > 0
      ? writeUnit(unit, done.count, buffer, (from) => write(offset, from))
      : write(offset, buffer.subarray(0, whole));
  done.ops = 1;
}

/** Writes what a file holds. What reading it fails with ends the writing, is printed, and is no failure to xfs_io. */
function writeFile(
  session: Session,
  write: Write,
  offset: number,
  input: string,
  skip: number,
  buffer: Uint8Array,
  unit: Unit,
  done: Done,
): CommandFailure | null {
  const source = openInputBytes(session, input);
  let failure: CommandFailure | null = null;
  try {
    writeForward(write, offset, buffer, unit, done, (total) => {
      try {
        return readUnit(unit, unit.block, buffer, (into) => source.read(skip + total, into));
      } catch (error) {
        if (!(error instanceof FsError)) throw error;
        failure = perror('pread', error, { silent: true });
        return 0;
      }
    });
  } finally {
    source.close();
  }
  return failure;
}

interface Input {
  read(at: number, into: Uint8Array): number;
  close(): void;
}

function openInputBytes(session: Session, input: string): Input {
  // Below a directory that stands for an image, a script means the image's file.
  if (session.placed(input) !== null) return openInput(session, input);
  const fd = openHost(input);
  const read = (at: number, into: Uint8Array) => {
    try {
      return readSync(fd, into, 0, into.length, at);
    } catch (error) {
      throw hostError(error, input);
    }
  };
  return { read, close: () => closeSync(fd) };
}

function openHost(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw perror(path, hostError(error, path));
  }
}

function writeBackward(write: Write, offset: number, buffer: Uint8Array, unit: Unit, done: Done): void {
  let at = offset;
  done.count = Math.min(done.count, offset);
  let left = done.count;
  const end = Math.max(0, at - left);
  // Of nothing, too, one call is made where the range ends within a block.
  if (left === 0 && at % unit.bytes !== 0) write(at, buffer.subarray(0, 0));
  for (let wanted = Math.min(left, at % unit.bytes), ask = wanted; ; wanted = Math.min(left, unit.bytes), ask = left) {
    if (wanted > 0) {
      at -= wanted;
      const bytes = writeUnit(unit, ask, buffer, (from) => write(at, from));
      if (bytes === 0) return;
      done.ops++;
      done.total += bytes;
      if (bytes < wanted) return;
      left -= bytes;
    }
    if (left <= end) return;
  }
}

function writeRandom(write: Write, offset: number, buffer: Uint8Array, unit: Unit, seed: number, done: Done): void {
  const random = randomSequence(seed);
  for (const at of randomOffsets(offset, done.count, unit.bytes, random)) {
    const bytes = writeUnit(unit, unit.bytes, buffer, (from) => write(at, from));
    if (bytes === 0) break;
    done.ops++;
    done.total += bytes;
    if (bytes < unit.bytes) break;
  }
}

/** Between two steps of Linux's coarse clock, times need no change. */
const TICK_NANOSECONDS = 4_000_000n;

/** RWF_NOWAIT: setting a file's times may wait, so that only what was written a moment ago is written again. @throws FsError EAGAIN */
function checkNoWait({ inode }: OpenFile): void {
  const exact = ({ seconds, nanoseconds }: Timestamp) => BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
  if (exact(inode.fs.now()) - exact(inode.stat().mtime) > TICK_NANOSECONDS) throw new FsError('EAGAIN');
}

function sync(file: OpenFile, call: 'fsync' | 'fdatasync'): void {
  try {
    file.fsync(call === 'fdatasync');
  } catch (error) {
    throw error instanceof FsError ? perror(call, error) : error;
  }
}
