/**
 * A row of fiemap's table made from one before it. Nearly all digits of neighbouring rows are the same: the row is kept,
 * the last digits of its numbers are written anew, and all of it is copied to the output at once. That is a third of
 * the steps that writing it takes, and for the first hundred thousand rows it is steps that count: V8 still interprets.
 *
 *       17: [136..143]:      9352..9359           8 0x800
 *        ^      ^    ^          ^     ^           ^ 'ends' of the numbers
 */
import { digits, putBlanks, putInteger, putRight, putText } from './rows.ts';

/** Bytes that a row of numbers below a billion takes at most, with columns as wide as they get. */
const MOST = 256;
/** Rows that writing it must have served for. */
const WORTH_MAKING = 16;
const LONGEST_PAUSE = 255;
const BLANK = 0x20;
const DOT = 0x2e;

/** Where the columns of a row end. */
export interface RowWidths {
  readonly file: number;
  readonly block: number;
  readonly total: number;
}

/** The last row with one value of flags; numbers are whole and below a billion. */
export class RowTemplate {
  /** The row as it was last put, with the newline. */
  bytes: Uint8Array;
  private readonly memory = new Uint8Array(MOST);
  private readonly widths: RowWidths;
  private readonly flags: string;
  private index = 0;
  private start = 0;
  private block = 0;
  private sectors = 0;
  // First byte behind each number.
  private indexEnd = 0;
  private startEnd = 0;
  private fileEnd = 0;
  private blockEnd = 0;
  private placeEnd = 0;
  private totalEnd = 0;
  // Numbers from … up to … have as many digits as those of this row.
  private indexLimit = 0;
  private fileFrom = 0;
  private fileLimit = 0;
  private placeFrom = 0;
  private placeLimit = 0;
  private totalFrom = 0;
  private totalLimit = 0;
  /** Rows that came from it since it was written. */
  private used = WORTH_MAKING;
  /** Rows written without it when it was good for few, and how many of them are still to come. */
  private pause = 0;
  private wait = 0;

  /** `flags`: the column's text with the blanks before it. */
  constructor(widths: RowWidths, flags: string) {
    this.widths = widths;
    this.flags = flags;
    this.bytes = this.memory;
  }

  /**
   * Makes `bytes` the row of an extent: the first sector in the file, how many, the first on the device. False, and
   * nothing is done, when it differs too much, as rows did before: then it is cheaper to write it straight.
   */
  put(index: number, start: number, sectors: number, block: number): boolean {
    if (this.wait > 0) {
      this.wait--;
      return false;
    }
    const last = start + sectors - 1;
    const end = block + sectors - 1;
    if (
      index < this.indexLimit &&
      start >= this.fileFrom &&
      last < this.fileLimit &&
      block >= this.placeFrom &&
      end < this.placeLimit &&
      sectors >= this.totalFrom &&
      sectors < this.totalLimit
    ) {
      const { memory } = this;
      const before = this.sectors;
      putDigits(memory, this.indexEnd, index, this.index);
      putDigits(memory, this.startEnd, start, this.start);
      putDigits(memory, this.fileEnd, last, this.start + before - 1);
      putDigits(memory, this.blockEnd, block, this.block);
      putDigits(memory, this.placeEnd, end, this.block + before - 1);
      if (sectors !== before) putDigits(memory, this.totalEnd, sectors, before);
      this.used++;
    } else {
      this.pause = this.used >= WORTH_MAKING ? 0 : Math.min(2 * this.pause + 1, LONGEST_PAUSE);
      this.wait = this.pause;
      this.used = 0;
      this.write(index, start, sectors, block);
    }
    this.index = index;
    this.start = start;
    this.sectors = sectors;
    this.block = block;
    return true;
  }

  private write(index: number, start: number, sectors: number, block: number): void {
    const { memory, widths } = this;
    const last = start + sectors - 1;
    const end = block + sectors - 1;
    this.indexEnd = putRight(memory, 0, index, 4);
    const file = putText(memory, this.indexEnd, ': [');
    this.startEnd = putInteger(memory, file, start);
    this.fileEnd = putInteger(memory, putDots(memory, this.startEnd), last);
    const place = putBlanks(memory, putText(memory, this.fileEnd, ']:'), file - 1 + widths.file);
    memory[place] = BLANK;
    this.blockEnd = putInteger(memory, place + 1, block);
    this.placeEnd = putInteger(memory, putDots(memory, this.blockEnd), end);
    const total = putBlanks(memory, this.placeEnd, place + 1 + widths.block);
    memory[total] = BLANK;
    this.totalEnd = putRight(memory, total + 1, sectors, widths.total);
    const stop = putText(memory, this.totalEnd, `${this.flags}\n`);
    this.indexLimit = 10 ** digits(index);
    [this.fileFrom, this.fileLimit] = alike(start, last);
    [this.placeFrom, this.placeLimit] = alike(block, end);
    [this.totalFrom, this.totalLimit] = alike(sectors, sectors);
    if (this.bytes.length !== stop) this.bytes = memory.subarray(0, stop);
  }
}

/** The numbers with as many digits as both of two; none if those differ in it. */
function alike(first: number, second: number): [from: number, limit: number] {
  const count = digits(first);
  if (digits(second) !== count) return [0, 0];
  return [count === 1 ? 0 : 10 ** (count - 1), 10 ** count];
}

/** Writes the digits in which `value` differs from `before`, which ends at `end` and has as many. */
function putDigits(memory: Uint8Array, end: number, value: number, before: number): void {
  let rest = value;
  let known = before;
  let at = end;
  do {
    const quotient = (rest / 10) | 0;
    memory[--at] = 0x30 + ((rest - quotient * 10) | 0);
    rest = quotient;
    known = (known / 10) | 0;
  } while (rest !== known);
}

function putDots(memory: Uint8Array, at: number): number {
  memory[at] = DOT;
  memory[at + 1] = DOT;
  return at + 2;
}
