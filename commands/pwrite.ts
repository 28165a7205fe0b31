/** pwrite: writes a pattern or a host file's bytes, in blocks (xfs_io's io/pwrite.c). */
import { closeSync, openSync, readSync } from 'node:fs';
import { hostError } from '../core/device/host-error.ts';
import { FsError } from '../core/errors.ts';
import { exactPos } from '../core/positions.ts';
import { expect } from '../core/steps.ts';
import { command, usage } from './command.ts';
import { perror } from './failure.ts';
import { openInput } from './open.ts';
import type { OpenFile } from './open-file.ts';
import { randomOffsets, vectorCount } from './pread.ts';
import { randomSequence } from './random.ts';
import { type IoReport, stopwatch, writeReport } from './report.ts';
import type { Session } from './session.ts';

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

/** Where the bytes of the next write come from: fills the buffer from `skip` bytes on, tells how many there are. */
type Source = (done: number) => Uint8Array;

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
    D: { about: 'each write is durable when it returns' },
    f: { value: 'file', kind: 'text', about: 'the same as -i' },
    F: { about: 'forward (the default)' },
    i: { value: 'file', kind: 'text', about: 'write the bytes of this host file' },
    N: { about: 'never wait: nothing here waits' },
    O: { about: 'one single write' },
    q: { about: 'no report' },
    R: { about: 'at random offsets in the range' },
    s: { value: 'skip', kind: 'size', noun: 'skip', about: 'with -i: skip bytes of the host file' },
    S: { value: 'byte', kind: 'integer', noun: 'seed', about: 'write this byte' },
    u: { about: 'write what the buffer of the last command held' },
    V: { value: 'n', kind: 'text', about: 'n blocks in one write' },
    w: { about: 'fdatasync in the end' },
    W: { about: 'fsync in the end' },
    Z: { value: 'seed', kind: 'integer', noun: 'seed', about: 'seed of -R' },
  },
  completes: 'host',
  run(session, args): Summary {
    const { options } = args;
    const direction = args.last('FBRO') ?? 'F';
    const input = args.last('if') === 'f' ? options.f : options.i;
    const misused = ((options.s ?? 0) > 0 || options.d) && input === undefined;
    if (misused || args.operands.length !== 2 || (input !== undefined && direction !== 'F')) throw usage(pwrite);
    const [off, len] = args.operands as [string, string];
    const { pos: offset, length, asked } = session.range(off, len, 'loose');
    const block = options.b ?? session.blockSize;
    const unit = block * vectorCount(options.V);
    const buffer = session.buffer(unit > block ? unit : bufferSize(direction, length, unit));
    if (!options.u) buffer.fill((options.S ?? 0xcd) & 0xff);
    const elapsed = stopwatch();
    const file = session.file();
    const done: Done = { count: length, total: 0, ops: 0 };
    const write = options.D
      ? (at: number, bytes: Uint8Array) => {
          const written = file.write(at, bytes);
          file.fsync(true);
          return written;
        }
      : (at: number, bytes: Uint8Array) => file.write(at, bytes);
    if (direction === 'B') writeBackward(write, offset, buffer, unit, done);
    else if (direction === 'R') writeRandom(write, offset, buffer, unit, options.Z || session.seconds, done);
    else if (input !== undefined) writeFile(session, write, offset, input, options.s ?? 0, buffer, done);
    else writeForward(write, offset, () => buffer, done, unit > block ? block : 0);
    if (options.W) sync(file, 'fsync');
    if (options.w) sync(file, 'fdatasync');
    const count = done.count === length ? asked : done.count;
    const report = { verb: 'wrote', offset: exactPos(offset), ...done, count, seconds: elapsed() };
    return { report, condensed: options.C, quiet: options.q };
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

/** `block`: with several in one write, xfs_io cuts them to the rest only when that is less than one. */
function writeForward(write: Write, offset: number, source: Source, done: Done, block = 0): void {
  let at = offset;
  let left = done.count;
  expect(left);
  while (left >= 0) {
    const chunk = source(done.total);
    const wanted = block > 0 && left >= block ? chunk.length : Math.min(left, chunk.length);
    const bytes = write(at, chunk.subarray(0, wanted));
    if (bytes === 0) break;
    done.ops++;
    done.total += bytes;
    if (bytes < Math.min(left, wanted)) break;
    at += bytes;
    left -= bytes;
    if (left === 0) break;
  }
}

function writeFile(
  session: Session,
  write: Write,
  offset: number,
  input: string,
  skip: number,
  buffer: Uint8Array,
  done: Done,
): void {
  if (session.placed(input) !== null) {
    // Below a directory that stands for an image, a script means the image's file.
    const file = openInput(session, input);
    try {
      writeForward(write, offset, (total) => buffer.subarray(0, file.read(skip + total, buffer)), done);
    } finally {
      file.close();
    }
    return;
  }
  const fd = openHost(input);
  try {
    const source = (total: number) => buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, skip + total));
    writeForward(write, offset, source, done);
  } finally {
    closeSync(fd);
  }
}

function openHost(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw perror(path, hostError(error, path));
  }
}

function writeBackward(write: Write, offset: number, buffer: Uint8Array, unit: number, done: Done): void {
  let at = offset;
  done.count = Math.min(done.count, offset);
  let left = done.count;
  const end = Math.max(0, at - left);
  for (let wanted = Math.min(left, at % unit); ; wanted = Math.min(left, unit)) {
    if (wanted > 0) {
      at -= wanted;
      const bytes = write(at, buffer.subarray(0, wanted));
      if (bytes === 0) return;
      done.ops++;
      done.total += bytes;
      if (bytes < wanted) return;
      left -= bytes;
    }
    if (left <= end) return;
  }
}

function writeRandom(write: Write, offset: number, buffer: Uint8Array, unit: number, seed: number, done: Done): void {
  const random = randomSequence(seed);
  for (const at of randomOffsets(offset, done.count, unit, random)) {
    const bytes = write(at, buffer.subarray(0, unit));
    if (bytes === 0) break;
    done.ops++;
    done.total += bytes;
    if (bytes < unit) break;
  }
}

function sync(file: OpenFile, call: 'fsync' | 'fdatasync'): void {
  try {
    file.fsync(call === 'fdatasync');
  } catch (error) {
    throw error instanceof FsError ? perror(call, error) : error;
  }
}
