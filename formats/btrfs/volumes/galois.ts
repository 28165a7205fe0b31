/**
 * The arithmetic of raid6's second parity: bytes are elements of GF(2^8) modulo x^8+x^4+x^3+x^2+1, P is the sum of
 * the data stripes, Q the sum of g^i times data stripe i, g = 2. Two equations, so two lost stripes can be solved
 * for (H. P. Anvin, "The mathematics of RAID-6"; Linux: lib/raid6).
 *
 * Buffers are columns of equal length, a multiple of four, whose byteOffset is a multiple of four.
 */

const EXP = new Uint8Array(512);
const LOG = new Uint8Array(256);
for (let i = 0, x = 1; i < 255; i++) {
  EXP[i] = x;
  EXP[i + 255] = x;
  LOG[x] = i;
  x = (x << 1) ^ (x & 0x80 ? 0x11d : 0);
}

function multiply(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : (EXP[(LOG[a] as number) + (LOG[b] as number)] as number);
}

function inverse(a: number): number {
  return EXP[255 - (LOG[a] as number)] as number;
}

/** g to the power of `i`, which may be negative. */
function power(i: number): number {
  return EXP[((i % 255) + 255) % 255] as number;
}

function lanes(column: Uint8Array): Int32Array {
  return new Int32Array(column.buffer, column.byteOffset, column.length >> 2);
}

/** `target` ^= `source`. */
export function addColumn(target: Uint8Array, source: Uint8Array): void {
  const to = lanes(target);
  const from = lanes(source);
  for (let i = 0; i < to.length; i++) to[i] = (to[i] as number) ^ (from[i] as number);
}

/** `column` *= g, four bytes at a time. */
function doubleColumn(column: Uint8Array): void {
  const all = lanes(column);
  for (let i = 0; i < all.length; i++) {
    const x = all[i] as number;
    all[i] = ((x << 1) & 0xfefefefe) ^ (((x >>> 7) & 0x01010101) * 0x1d);
  }
}

/** `column` *= `factor`. */
function scaleColumn(column: Uint8Array, factor: number): void {
  const table = new Uint8Array(256);
  for (let i = 0; i < 256; i++) table[i] = multiply(i, factor);
  for (let i = 0; i < column.length; i++) column[i] = table[column[i] as number] as number;
}

/** P of the data columns into `parity`; the column `except` counts as zero. */
export function sumP(data: readonly Uint8Array[], parity: Uint8Array, ...except: number[]): void {
  parity.fill(0);
  for (let i = 0; i < data.length; i++) if (!except.includes(i)) addColumn(parity, data[i] as Uint8Array);
}

/** Q of the data columns into `parity`; the columns `except` count as zero. */
export function sumQ(data: readonly Uint8Array[], parity: Uint8Array, ...except: number[]): void {
  parity.fill(0);
  for (let i = data.length - 1; i >= 0; i--) {
    doubleColumn(parity);
    if (!except.includes(i)) addColumn(parity, data[i] as Uint8Array);
  }
}

/** Data column `x` from Q and the others, P being lost; the result is in `data[x]`. */
export function solveFromQ(data: readonly Uint8Array[], q: Uint8Array, x: number): void {
  const lost = data[x] as Uint8Array;
  sumQ(data, lost, x);
  addColumn(lost, q);
  scaleColumn(lost, power(-x));
}

/** Data columns `x` < `y` from P, Q and the others; the results are in `data[x]` and `data[y]`. */
export function solveTwo(data: readonly Uint8Array[], p: Uint8Array, q: Uint8Array, x: number, y: number): void {
  const first = data[x] as Uint8Array;
  const second = data[y] as Uint8Array;
  sumP(data, second, x, y);
  addColumn(second, p); // x + y
  sumQ(data, first, x, y);
  addColumn(first, q); // g^x x + g^y y
  // x = (g^(y-x) (x+y) + g^-x (g^x x + g^y y)) / (g^(y-x) + 1)
  const divisor = inverse(power(y - x) ^ 1);
  const scaled = second.slice();
  scaleColumn(scaled, multiply(power(y - x), divisor));
  scaleColumn(first, multiply(power(-x), divisor));
  addColumn(first, scaled);
  addColumn(second, first);
}
