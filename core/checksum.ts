/** Checksums, from a kept library; loaded when there is enough to do: a short run does not pay for it. */
import { createRequire } from 'node:module';

type Crc = (data: Uint8Array, initial?: number) => number;

/** Bytes after which loading the library, 3 ms, is worth while. */
const WORTH_LOADING = 128 * 1024;
/** Fewer bytes than this are done sooner than the library is called. */
const FEW = 64;
let checksummed = 0;
let native: Crc | null = null;

function library(): { readonly crc32c: Crc; readonly crc32: Crc } {
  return createRequire(import.meta.url)('@node-rs/crc32') as { crc32c: Crc; crc32: Crc };
}

/** CRC-32 (IEEE 802.3, as zlib and GPT have it) of `data`, as unsigned 32 bits. */
export function crc32(data: Uint8Array): number {
  return library().crc32(data) >>> 0;
}

/** CRC-32C (Castagnoli) of `data`, continuing from `seed` (the result for the bytes before), as unsigned 32 bits. */
export function crc32c(data: Uint8Array, seed = 0): number {
  if (data.length < FEW) return crc32cOfFew(data, seed);
  if (native !== null) return native(data, seed) >>> 0;
  checksummed += data.length;
  if (checksummed <= WORTH_LOADING) return crc32cOfFew(data, seed);
  native = library().crc32c;
  return native(data, seed) >>> 0;
}

const POLYNOMIAL = 0x82f63b78;
let table: Int32Array | null = null;

function makeTable(): Int32Array {
  const made = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ POLYNOMIAL;
    made[byte] = crc;
  }
  return made;
}

/** Byte by byte: the first blocks of an image need no library. */
function crc32cOfFew(data: Uint8Array, seed: number): number {
  table ??= makeTable();
  let crc = ~seed;
  for (let i = 0; i < data.length; i++) {
    crc = (crc >>> 8) ^ (table[(crc ^ (data[i] as number)) & 0xff] as number);
  }
  return ~crc >>> 0;
}

/**
 * CRC-32C of `data` with the four bytes at `crcOffset` taken as zero: the form in which XFS and others checksum a
 * structure that contains its own checksum. `data` is as before afterwards, and must be in nobody else's sight.
 */
export function crc32cSkipping(data: Uint8Array, crcOffset: number): number {
  // One call of the library costs a third of three, around the four bytes.
  const a = data[crcOffset] as number;
  const b = data[crcOffset + 1] as number;
  const c = data[crcOffset + 2] as number;
  const d = data[crcOffset + 3] as number;
  setBytes(data, crcOffset, 0, 0, 0, 0);
  const crc = crc32c(data);
  setBytes(data, crcOffset, a, b, c, d);
  return crc;
}

function setBytes(data: Uint8Array, at: number, a: number, b: number, c: number, d: number): void {
  data[at] = a;
  data[at + 1] = b;
  data[at + 2] = c;
  data[at + 3] = d;
}
