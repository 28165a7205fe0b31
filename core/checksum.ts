/** Checksums, from a kept library; loaded on first use so that start-up does not pay for it. */
import { createRequire } from 'node:module';

type Crc32c = (data: Uint8Array, initial?: number) => number;
let native: Crc32c | undefined;

function load(): Crc32c {
  const require = createRequire(import.meta.url);
  native = (require('@node-rs/crc32') as { crc32c: Crc32c }).crc32c;
  return native;
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
