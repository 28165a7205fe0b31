/**
 * The CRC-32C of a run of sectors from the CRCs of each: so that data whose sectors have known checksums is checked
 * by one pass over all of it. Appending n bytes to a message multiplies its CRC by x^(8n) modulo the polynomial,
 * a linear map of its 32 bits; four tables of 256 hold it.
 */

const POLYNOMIAL = 0x82f63b78;

/** Joins CRCs of blocks of one length. */
export class CrcCombiner {
  private readonly tables: readonly Uint32Array[];

  /** @param length bytes of each block */
  constructor(length: number) {
    const columns = zeroesOperator(length);
    this.tables = [0, 8, 16, 24].map((shift) => {
      const table = new Uint32Array(256);
      for (let byte = 0; byte < 256; byte++) {
        let sum = 0;
        for (let bit = 0; bit < 8; bit++) if (byte & (1 << bit)) sum ^= columns[shift + bit] as number;
        table[byte] = sum;
      }
      return table;
    });
  }

  /** The CRC of all blocks so far and one more, from both CRCs. */
  append(crc: number, next: number): number {
    const [a, b, c, d] = this.tables as [Uint32Array, Uint32Array, Uint32Array, Uint32Array];
    const shifted =
      (a[crc & 255] as number) ^
      (b[(crc >>> 8) & 255] as number) ^
      (c[(crc >>> 16) & 255] as number) ^
      (d[crc >>> 24] as number);
    return (shifted ^ next) >>> 0;
  }
}

/** What `length` zero bytes do to each single bit of a CRC; built by squaring. */
function zeroesOperator(length: number): Uint32Array {
  const step = new Uint32Array(32); // one zero bit
  step[0] = POLYNOMIAL;
  for (let bit = 1; bit < 32; bit++) step[bit] = 1 << (bit - 1);
  let power: Uint32Array = step;
  for (let i = 0; i < 3; i++) power = compose(power, power); // one zero byte
  let result: Uint32Array | null = null;
  for (let rest = length; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result = result === null ? power : compose(power, result);
    power = compose(power, power);
  }
  return result ?? Uint32Array.from({ length: 32 }, (_, bit) => 1 << bit);
}

function compose(outer: Uint32Array, inner: Uint32Array): Uint32Array {
  return inner.map((column) => apply(outer, column));
}

function apply(operator: Uint32Array, value: number): number {
  let sum = 0;
  for (let bit = 0, rest = value; rest !== 0; bit++, rest >>>= 1) if (rest & 1) sum ^= operator[bit] as number;
  return sum;
}
