/**
 * Rows of long tables, written digit by digit into one buffer: of a million lines the formatting is what costs, and
 * strings would cost their collection too. The put functions write at a place and return the one behind: kept in a
 * local variable it costs nothing.
 */
import type { TextSink } from './text.ts';

const BUFFER = 1 << 18;
/** Bytes that a row may take at most. */
const ROW = 512;

const ZERO = 0x30;
const BILLION = 1_000_000_000;

export class Rows {
  readonly buffer: Uint8Array = new Uint8Array(BUFFER);
  private readonly out: TextSink;
  private used = 0;

  constructor(out: TextSink) {
    this.out = out;
  }

  /** Nobody reads any more. */
  get closed(): boolean {
    return this.out.closed;
  }

  /** Where the next row starts; there is room for 512 bytes. */
  get at(): number {
    return this.used;
  }

  /** Puts a whole row, newline included. */
  add(row: Uint8Array): void {
    this.buffer.set(row, this.used);
    this.used += row.length;
    if (this.used > BUFFER - ROW) this.flush();
  }

  /** Ends the row whose last byte lies before `at`. */
  end(at: number): void {
    this.buffer[at++] = 0x0a;
    this.used = at;
    if (at > BUFFER - ROW) this.flush();
  }

  /** Hands over what is buffered: to be called before other text goes out, and at the end. */
  flush(): void {
    if (this.used > 0) this.out.bytes(this.buffer.subarray(0, this.used));
    this.used = 0;
  }
}

const TENS = Uint8Array.from({ length: 100 }, (_, i) => ZERO + Math.floor(i / 10));
const ONES = Uint8Array.from({ length: 100 }, (_, i) => ZERO + (i % 10));

/** Writes a whole number that is not negative. */
export function putNumber(buffer: Uint8Array, at: number, value: number): number {
  return value >= BILLION ? putLarge(buffer, at, value) : putInteger(buffer, at, value | 0);
}

/** Writes a whole number from 0 to 999,999,999 that is a 32-bit integer to V8 too. */
export function putInteger(buffer: Uint8Array, at: number, value: number): number {
  let rest = value;
  const end = at + digits(rest);
  let place = end;
  while (rest >= 100) {
    const quotient = (rest / 100) | 0;
    const pair = (rest - quotient * 100) | 0;
    buffer[--place] = ONES[pair] as number;
    buffer[--place] = TENS[pair] as number;
    rest = quotient;
  }
  buffer[--place] = ONES[rest] as number;
  if (rest >= 10) buffer[--place] = TENS[rest] as number;
  return end;
}

function putLarge(buffer: Uint8Array, at: number, value: number): number {
  const high = Math.floor(value / BILLION);
  const end = putNumber(buffer, at, high) + 9;
  let rest = (value - high * BILLION) | 0;
  for (let place = end - 1; place >= end - 9; place--) {
    const quotient = (rest / 10) | 0;
    buffer[place] = ZERO + (rest - quotient * 10);
    rest = quotient;
  }
  return end;
}

/** Digits of a whole number from 0 to 999,999,999. */
export function digits(value: number): number {
  if (value < 10_000) return value < 100 ? (value < 10 ? 1 : 2) : value < 1000 ? 3 : 4;
  if (value < 10_000_000) return value < 100_000 ? 5 : value < 1_000_000 ? 6 : 7;
  return value < 100_000_000 ? 8 : 9;
}

/** Writes a number filled with blanks on the left to `width`. */
export function putRight(buffer: Uint8Array, at: number, value: number, width: number): number {
  const missing = value < BILLION ? width - digits(value | 0) : width - String(value).length;
  return putNumber(buffer, putBlanks(buffer, at, at + missing), value);
}

/** Writes `FROM..TO` of a range that is not empty. */
export function putSpan(buffer: Uint8Array, at: number, from: number, length: number): number {
  at = putNumber(buffer, at, from);
  buffer[at++] = 0x2e;
  buffer[at++] = 0x2e;
  return putNumber(buffer, at, from + length - 1);
}

/** Writes blanks up to `end`; none if that was passed. */
export function putBlanks(buffer: Uint8Array, at: number, end: number): number {
  while (at < end) buffer[at++] = 0x20;
  return at;
}

/** Writes ASCII text. */
export function putText(buffer: Uint8Array, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) buffer[at++] = text.charCodeAt(i);
  return at;
}
