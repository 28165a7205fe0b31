/**
 * Memory that holds one byte all over, kept once and shown by many folios: patterns and zeros, which scripts write by
 * the gigabyte, then cost neither copies nor memory of their own (zram has its "same-filled pages" for the same reason).
 *
 * Invariant: nobody writes to it; a folio takes memory of its own first.
 */

/** Bytes of which a first look takes a sample. */
const SAMPLES = 4;

export class SameFilled {
  private readonly length: number;
  private readonly limit: number;
  private readonly byByte: (Buffer | undefined)[] = [];
  private count = 0;

  /** Of pieces of `length` bytes; `limit` different ones are kept, no others shared. */
  constructor(length: number, limit: number) {
    this.length = length;
    this.limit = limit;
  }

  /** The shared piece with the same bytes as `from` has from `at` on, or null if they differ among themselves. */
  like(from: Uint8Array, at: number): Uint8Array | null {
    const { length } = this;
    const byte = from[at] as number;
    for (let i = 1; i <= SAMPLES; i++) if (from[at + Math.floor(((length - 1) * i) / SAMPLES)] !== byte) return null;
    const piece = this.of(byte);
    return piece !== null && piece.compare(from, at, at + length, 0, length) === 0 ? piece : null;
  }

  /** The shared piece of this byte; null when there are too many already. */
  of(byte: number): Buffer | null {
    const known = this.byByte[byte];
    if (known !== undefined) return known;
    if (this.count === this.limit) return null;
    const made = Buffer.allocUnsafeSlow(this.length).fill(byte);
    this.byByte[byte] = made;
    this.count++;
    return made;
  }

  /** True if `memory` is one of the shared pieces. */
  has(memory: Uint8Array): boolean {
    return this.byByte[memory[0] as number] === memory;
  }
}
