/**
 * Decodes one LZO1X stream, the format that minilzo and the kernel write (kernel: Documentation/staging/lzo.rst).
 *
 * A stream is a row of instructions: a match copies bytes that are already out, `distance` back, and each match ends
 * with 0-3 literals that follow it; a run of more literals is an instruction of its own. What the first bits mean:
 *
 *     1LLDDDSS H         length 5-8    (also 01LDDDSS: 3-4)     distance (H << 3) + D + 1
 *     001LLLLL ..        length L + 2  (L = 0: longer)          distance (16 bits >> 2) + 1
 *     0001HLLL ..        length L + 2  (L = 0: longer)          distance 16384 + (H << 14) + (16 bits >> 2); + 0 ends
 *     0000LLLL           after no literals: a run of L + 3 (L = 0: longer)
 *     0000DDSS H         after 1-3: length 2, distance (H << 2) + D + 1; after a run: length 3, 2048 farther
 *
 * Every read is checked against the end of the input, every write and every distance against the output: a broken
 * stream is told, never followed.
 */

/** Thrown for a stream that no compressor writes; `message` says how it is broken. */
export class BrokenStream extends Error {}

/** How many literals came before the instruction: none, a few that a match brought along, or a run. */
const NONE = 0;
const RUN = 4;

/** Decodes the stream `from` into `into`; returns how many bytes it gave. @throws BrokenStream */
export function lzo1xDecode(from: Uint8Array, into: Uint8Array): number {
  return new Decoder(from, into).run();
}

class Decoder {
  private readonly from: Uint8Array;
  private readonly into: Uint8Array;
  private at = 0;
  private out = 0;

  constructor(from: Uint8Array, into: Uint8Array) {
    this.from = from;
    this.into = into;
  }

  run(): number {
    let before = NONE;
    const first = this.from[0] ?? 0;
    if (first > 17) {
      this.at = 1;
      this.literals(first - 17);
      before = first - 17 < 4 ? first - 17 : RUN;
    }
    for (;;) {
      const op = this.byte();
      if (op < 16 && before === NONE) {
        this.literals(op === 0 ? 18 + this.more() : op + 3);
        before = RUN;
        continue;
      }
      const after = this.match(op, before);
      if (after < 0) return this.end();
      this.literals(after);
      before = after;
    }
  }

  /** Deals with a match; returns how many literals follow, or -1 at the end of the stream. */
  private match(op: number, before: number): number {
    if (op >= 64) {
      const distance = 1 + ((op >> 2) & 7) + (this.byte() << 3);
      this.copy(distance, (op >> 5) + 1);
      return op & 3;
    }
    if (op >= 32) {
      const length = (op & 31) === 0 ? 33 + this.more() : (op & 31) + 2;
      const word = this.word();
      this.copy(1 + (word >> 2), length);
      return word & 3;
    }
    if (op >= 16) {
      const length = (op & 7) === 0 ? 9 + this.more() : (op & 7) + 2;
      const word = this.word();
      const distance = ((op & 8) << 11) + (word >> 2);
      if (distance === 0) {
        if (length !== 3) throw new BrokenStream('bad end mark');
        return -1;
      }
      this.copy(0x4000 + distance, length);
      return word & 3;
    }
    const near = 1 + (op >> 2) + (this.byte() << 2);
    if (before === RUN) this.copy(0x800 + near, 3);
    else this.copy(near, 2);
    return op & 3;
  }

  private end(): number {
    if (this.at !== this.from.length) throw new BrokenStream('bytes after the end mark');
    return this.out;
  }

  private byte(): number {
    if (this.at >= this.from.length) throw new BrokenStream('input ends within an instruction');
    return this.from[this.at++] as number;
  }

  private word(): number {
    const low = this.byte();
    return low + (this.byte() << 8);
  }

  /** A long length: 255 for each zero byte, and the first other byte. The input bounds it. */
  private more(): number {
    let sum = 0;
    let byte = this.byte();
    while (byte === 0) {
      sum += 255;
      byte = this.byte();
    }
    return sum + byte;
  }

  private literals(count: number): void {
    const { from, into, at, out } = this;
    if (count > from.length - at) throw new BrokenStream('input ends within literals');
    if (count > into.length - out) throw new BrokenStream('more output than there is room for');
    if (count < 16) for (let i = 0; i < count; i++) into[out + i] = from[at + i] as number;
    else into.set(from.subarray(at, at + count), out);
    this.at += count;
    this.out += count;
  }

  private copy(distance: number, length: number): void {
    const { into, out } = this;
    if (distance > out) throw new BrokenStream('match before the start');
    if (length > into.length - out) throw new BrokenStream('more output than there is room for');
    const source = out - distance;
    // Forward, byte by byte where both overlap: a short distance repeats what it copies.
    if (distance >= length && length >= 16) into.copyWithin(out, source, source + length);
    else for (let i = 0; i < length; i++) into[out + i] = into[source + i] as number;
    this.out += length;
  }
}
