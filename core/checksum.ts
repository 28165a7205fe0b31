/** Checksums, from a kept library; loaded on first use so that start-up does not pay for it. */
import { createRequire } from 'node:module';

type Crc = (data: Uint8Array, initial?: number) => number;
let native: Crc | undefined;

function library(): { readonly crc32c: Crc; readonly crc32: Crc } {
  return createRequire(import.meta.url)('@node-rs/crc32') as { crc32c: Crc; crc32: Crc };
}

function load(): Crc {
  native = library().crc32c;
  return native;
}

/** CRC-32 (IEEE 802.3, as zlib and GPT have it) of `data`, as unsigned 32 bits. */
export function crc32(data: Uint8Array): number {
  return library().crc32(data) >>> 0;
}

/** CRC-32C (Castagnoli) of `data`, continuing from `seed` (the result for the bytes before), as unsigned 32 bits. */
export function crc32c(data: Uint8Array, seed = 0): number {
  return (native ?? load())(data, seed) >>> 0;
}

const ZERO4 = new Uint8Array(4);

/**
 * CRC-32C of `data` with the four bytes at `crcOffset` taken as zero: the form in which XFS and others checksum a
 * structure that contains its own checksum.
 */
export function crc32cSkipping(data: Uint8Array, crcOffset: number): number {
  const head = crc32c(data.subarray(0, crcOffset));
  return crc32c(data.subarray(crcOffset + 4), crc32c(ZERO4, head));
}
