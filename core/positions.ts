/**
 * Positions in files: on Linux they reach 2^63 - 1, a number is exact below 2^53. Inside fsio a position is therefore a
 * label below 2^53. Labels below 2^52 are the positions themselves; the others stand for islands of the space above:
 *
 *     real   0 ········ 4 PiB     8 PiB    16 PiB  …   1 EiB  …  7 EiB  …  2^63-2^51     2^63-2^50 ····· 2^63
 *     label  |=========|          |==|     |==|        |==|      |==|       |==|         |=============|
 *            0       2^52+2^47                                                                        2^53
 *
 * An island is 64 TiB on either side of a power of two, of a whole EiB, or of 2^63 - 2^k (where a search by halves for
 * the largest size passes); the last one is 1 PiB long. Between them lie gaps: nothing there can be named.
 *
 * Order is kept. Inside an island distances and the alignment to every power of two up to 64 TiB are kept too; what is
 * measured across a gap is not, and islandEnd() tells where one begins. Labels and real positions meet at two borders
 * only: what people and programs type and read, and records on disk.
 */
import { FsError } from './errors.ts';

/** Below this a label is the position itself. */
export const FAR: number = 2 ** 52;
/** The label of 2^63, behind the last byte of the largest file: the end of "to the end". */
export const POS_END: number = 2 ** 53;

/** Labels are given out in chunks of 64 TiB: log2 of that. */
export const CHUNK_LOG = 46;
const CHUNK = 2 ** CHUNK_LOG;
const LABELS = 2 ** (53 - CHUNK_LOG);
const REALS = 2 ** (63 - CHUNK_LOG);
const LOW_CHUNKS = 66;
const TOP_CHUNKS = 16;

/** The real chunk of each label's chunk, and the inverse; made when a position is far. */
let table: { readonly real: readonly number[]; readonly label: ReadonlyMap<number, number> } | null = null;

function chunks(): NonNullable<typeof table> {
  if (table !== null) return table;
  const real = layout();
  table = { real, label: new Map(real.map((chunk, label) => [chunk, label])) };
  return table;
}

function layout(): number[] {
  const centres: number[] = [];
  for (let bit = 53; bit < 60; bit++) centres.push(2 ** (bit - CHUNK_LOG));
  for (let exbi = 1; exbi < 8; exbi++) centres.push(exbi * 2 ** (60 - CHUNK_LOG));
  for (let bit = 59; bit > 50; bit--) centres.push(REALS - 2 ** (bit - CHUNK_LOG));
  const low = Array.from({ length: LOW_CHUNKS }, (_, i) => i);
  const top = Array.from({ length: TOP_CHUNKS }, (_, i) => REALS - TOP_CHUNKS + i);
  return [...low, ...centres.flatMap((centre) => [centre - 1, centre]), ...top];
}

/** What follows the last chunk goes on without a gap: extents may lie there, bytes of a file cannot. */
function realChunk(label: number): number {
  if (label < LOW_CHUNKS) return label;
  return label < LABELS ? (chunks().real[label] as number) : label - LABELS + REALS;
}

function labelChunk(real: number): number | undefined {
  if (real < LOW_CHUNKS) return real;
  return real < REALS ? chunks().label.get(real) : real - REALS + LABELS;
}

/**
 * The label of a position given in units of 2^-bits chunks (`bits` up to 46), in the same units; -1 if it lies in a gap.
 * For records on disk: `bits` 14 for the high word of bytes.
 */
export function labelUnits(real: number, bits: number): number {
  const unit = 2 ** bits;
  const chunk = Math.floor(real / unit);
  const label = labelChunk(chunk);
  return label === undefined ? -1 : label * unit + (real - chunk * unit);
}

/** The inverse of labelUnits(). */
export function realUnits(label: number, bits: number): number {
  const unit = 2 ** bits;
  if (label < LOW_CHUNKS * unit) return label;
  const chunk = Math.floor(label / unit);
  return realChunk(chunk) * unit + (label - chunk * unit);
}

/** The label of a position, null if that lies in a gap. */
export function labelOf(real: bigint): number | null {
  if (real < BigInt(FAR)) return Number(real);
  const label = labelChunk(Number(real >> BigInt(CHUNK_LOG)));
  return label === undefined ? null : label * CHUNK + Number(real & BigInt(CHUNK - 1));
}

/** The label of a position, or of the first one behind the gap in which that lies. */
export function labelFrom(real: bigint): number {
  const exact = labelOf(real);
  if (exact !== null) return exact;
  const chunk = Number(real >> BigInt(CHUNK_LOG));
  return chunks().real.findIndex((start) => start > chunk) * CHUNK;
}

/** The position behind a label. */
function bigPos(label: number): bigint {
  const chunk = Math.floor(label / CHUNK);
  return BigInt(realChunk(chunk)) * BigInt(CHUNK) + BigInt(label - chunk * CHUNK);
}

/** A bigint as a number if that is exact. */
export function slim(value: bigint): number | bigint {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

/** The position behind a label: a bigint where a number would round. */
export function exactPos(label: number): number | bigint {
  return label < FAR ? label : slim(bigPos(label));
}

/** The real distance of two labels: a bigint where a number would round. */
export function exactSpan(start: number, end: number): number | bigint {
  return end < FAR ? end - start : slim(bigPos(end) - bigPos(start));
}

/** A position in units of `unit` bytes, rounded down: a bigint where a number would round. */
export function exactUnits(label: number, unit: number): number | bigint {
  return label < FAR ? Math.floor(label / unit) : slim(bigPos(label) / BigInt(unit));
}

/** A position in hexadecimal, without a prefix. */
export function posHex(label: number): string {
  return exactPos(label).toString(16);
}

/** The label at which the island of `label` ends: up to there distances are real. */
export function islandEnd(label: number): number {
  let chunk = Math.max(LOW_CHUNKS - 1, Math.floor(label / CHUNK));
  while (chunk + 1 < LABELS && realChunk(chunk + 1) === realChunk(chunk) + 1) chunk++;
  return chunk + 1 < LABELS ? (chunk + 1) * CHUNK : Number.POSITIVE_INFINITY;
}

/** True if a gap lies in [pos, pos + length). */
export function crossesGap(pos: number, length: number): boolean {
  return pos + length > FAR && pos + length > islandEnd(pos);
}

const TWO32 = 0x1_0000_0000;
/** FAR in units of 2^32. */
const FAR_HIGH = FAR / TWO32;

/** The upper word of a position's label, given both words of the position. @throws FsError EFBIG in a gap */
export function labelHigh(high: number, low: number): number {
  return high < FAR_HIGH ? high : farHigh(high, low);
}

function farHigh(high: number, low: number): number {
  const label = labelUnits(high, CHUNK_LOG - 32);
  // Just behind the last byte is a position as well: there the last block of a file ends.
  if (label >= 0 && label <= POS_END / TWO32) return label;
  const position = (BigInt(high) << 32n) | BigInt(low);
  throw new FsError('EFBIG', { detail: `position ${position} has no name here` });
}

/** The upper word of the position behind a label. */
export function realHigh(label: number): number {
  const high = Math.floor(label / TWO32);
  return high < FAR_HIGH ? high : realUnits(high, CHUNK_LOG - 32);
}

/** A length from a position on as a difference of labels: null if it ends in a gap, Infinity beyond 2^63. */
export function labelLength(pos: number, length: bigint): number | null {
  const end = BigInt(exactPos(pos)) + length;
  if (end > 1n << 63n) return Number.POSITIVE_INFINITY;
  const label = labelOf(end);
  return label === null ? null : label - pos;
}

/**
 * The position behind a label that is a multiple of 4096, as a number that is exact because of that: what a record
 * holds of whole sectors.
 */
export function coarseReal(label: number): number {
  return label < FAR ? label : realHigh(label) * TWO32 + (label % TWO32);
}

/** The label of a position that is a multiple of 4096; the inverse of coarseReal(). @throws FsError EFBIG in a gap */
export function coarseLabel(real: number): number {
  if (real < FAR) return real;
  const high = Math.floor(real / TWO32);
  const low = real - high * TWO32;
  return farHigh(high, low) * TWO32 + low;
}
