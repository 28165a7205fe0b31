/**
 * Vectored reads and writes (-V) as xfs_io does them (io/pread.c, io/pwrite.c): the count holds for all later pread
 * and pwrite of the session, and only one of the blocks is cut when less than all of them is left, so that a last call
 * may go beyond the range.
 */
import { totalmem } from 'node:os';
import { FsError } from '../core/errors.ts';
import { CommandFailure, perror } from './failure.ts';
import type { Session } from './session.ts';
import { parseInteger } from './words.ts';

/** What one call transfers. */
export interface Unit {
  /** Bytes of a block. */
  readonly block: number;
  /** Blocks in a call; 0 for plain pread(2) and pwrite(2). */
  readonly vectors: number;
  /** Bytes of a whole call. */
  readonly bytes: number;
}

/** The most that preadv(2) takes. */
const MOST_VECTORS = 1024;

/** What is no number of blocks ends the looking at the options where it stands. */
export function notVectors(word: string): CommandFailure | null {
  if (parseInteger(word) !== null) return null;
  return new CommandFailure(`non-numeric vector count == ${word}`, { stream: 'stdout' });
}

/** Remembers how many blocks a call takes, from -V's word. */
export function setVectors(session: Session, letter: string, word: string): void {
  if (letter === 'V') session.vectors = (parseInteger(word) ?? session.vectors) | 0;
}

/** What a call transfers in this session. @throws CommandFailure without a word for a negative count, as xfs_io */
export function unitOf(session: Session, block: number): Unit {
  const { vectors } = session;
  if (vectors < 0) throw new CommandFailure('', { mute: true });
  return { block, vectors, bytes: block * Math.max(1, vectors) };
}

/** So much of a buffer is filled as xfs_io fills all of it; nobody asks what was in a larger one (-u). */
const FILLED = 2 ** 20;

/**
 * The session's buffer, of `length` bytes. xfs_io fills as much as a call may transfer, whatever it will: a later
 * command with -u finds it. Without a byte it stays as it is.
 */
export function filledBuffer(session: Session, length: number, unit: Unit, byte: number | null): Uint8Array {
  // What could not be had in any case xfs_io is refused.
  if (unit.bytes > FILLED && unit.bytes > totalmem()) throw perror('memalign', new FsError('ENOMEM'));
  const all = session.buffer(Math.max(length, Math.min(unit.bytes, FILLED)));
  if (byte !== null) all.fill(byte);
  return all.subarray(0, length);
}

/** Bytes that a call asks for when `left` are left of the range. */
export function asked(unit: Unit, left: number): number {
  if (left >= unit.bytes) return unit.bytes;
  return unit.vectors === 0 ? left : unit.bytes - unit.block + left - cutAt(unit, left) * unit.block;
}

/** The block that is cut when `left` bytes are less than all of them. */
function cutAt(unit: Unit, left: number): number {
  return Math.max(0, Math.ceil(left / unit.block) - 1);
}

/**
 * One call that fills the blocks lying one after the other in `buffer`; returns its bytes.
 * @throws FsError EINVAL for more blocks than preadv(2) takes
 */
export function readUnit(unit: Unit, left: number, buffer: Uint8Array, read: (into: Uint8Array) => number): number {
  const wanted = asked(unit, left);
  if (unit.vectors === 0) return read(buffer.subarray(0, Math.min(wanted, buffer.length)));
  if (unit.vectors > MOST_VECTORS) throw new FsError('EINVAL');
  if (wanted === unit.bytes) return read(buffer.subarray(0, wanted));
  const all = new Uint8Array(wanted);
  const bytes = read(all);
  const cut = wanted - (unit.vectors - 1 - cutAt(unit, left)) * unit.block;
  buffer.set(all.subarray(0, Math.min(bytes, cut)), 0);
  if (bytes > cut) buffer.set(all.subarray(cut, bytes), (cutAt(unit, left) + 1) * unit.block);
  return bytes;
}

/** One call that writes the blocks lying one after the other in `buffer`; returns its bytes. @throws FsError as readUnit() */
export function writeUnit(unit: Unit, left: number, buffer: Uint8Array, write: (from: Uint8Array) => number): number {
  const wanted = asked(unit, left);
  if (unit.vectors === 0) return write(wanted < buffer.length ? buffer.subarray(0, wanted) : buffer);
  if (unit.vectors > MOST_VECTORS) throw new FsError('EINVAL');
  if (wanted === unit.bytes) return write(buffer.subarray(0, wanted));
  const next = cutAt(unit, left) + 1;
  const cut = wanted - (unit.vectors - next) * unit.block;
  const all = new Uint8Array(wanted);
  all.set(buffer.subarray(0, cut));
  all.set(buffer.subarray(next * unit.block, unit.bytes), cut);
  return write(all);
}
