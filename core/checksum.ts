/** Checksums, from a kept library; loaded when there is enough to do: a short run does not pay for it. */
import { createRequire } from 'node:module';

type Crc = (data: Uint8Array, initial?: number) => number;

/** Bytes after which loading the library, 1 ms, is worth while. */
const WORTH_LOADING = 128 * 1024;
/** Fewer bytes than this are done sooner than the library is called. */
const FEW = 64;
let checksummed = 0;
let native: Crc | null = null;

/** CRC-32 (IEEE 802.3, as zlib and GPT have it) of `data`, as unsigned 32 bits. */
export function crc32(data: Uint8Array): number {
  return crcOf(0xedb88320, data, 0);
}

/** CRC-32C (Castagnoli) of `data`, continuing from `seed` (the result for the bytes before), as unsigned 32 bits. */
export function crc32c(data: Uint8Array, seed = 0): number {
  if (data.length < FEW) return crcOf(CASTAGNOLI, data, seed);
  if (native !== null) return native(data, seed) >>> 0;
  checksummed += data.length;
  if (checksummed <= WORTH_LOADING) return crcOf(CASTAGNOLI, data, seed);
  native = loadCrc32c();
  return native(data, seed) >>> 0;
}

/** The library's; where it is not installed, the one below, which takes three times as long. */
function loadCrc32c(): Crc {
  const require = createRequire(import.meta.url);
  // The package only looks for the one with this machine's binary, and takes longer to look than that takes to load.
  const abi = { linux: '-gnu', win32: '-msvc' }[process.platform as string] ?? '';
  for (const name of [`@node-rs/crc32-${process.platform}-${process.arch}${abi}`, '@node-rs/crc32'])
    try {
      return (require(name) as { readonly crc32c: Crc }).crc32c;
    } catch {
      // Not installed, or not for this machine's C library.
    }
  return (data, seed = 0) => crcOf(CASTAGNOLI, data, seed);
}

const CASTAGNOLI = 0x82f63b78;
/** Bytes taken at once: a table for each. */
const SLICES = 8;
let tables: Int32Array | null = null;
let tablesOf = 0;

/** Row 0: what each byte does to a CRC; row n: what it does n bytes before the end of a slice. */
function makeTables(polynomial: number): Int32Array {
  const made = new Int32Array(SLICES * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ polynomial;
    made[byte] = crc;
  }
  for (let at = 256; at < made.length; at++) {
    const before = made[at - 256] as number;
    made[at] = (before >>> 8) ^ (made[before & 0xff] as number);
  }
  return made;
}

/** Eight bytes at a time, each through its table. */
function crcOf(polynomial: number, data: Uint8Array, seed: number): number {
  if (tables === null || tablesOf !== polynomial) tables = makeTables(polynomial);
  tablesOf = polynomial;
  const t = tables;
  const { length } = data;
  let crc = ~seed;
  let i = 0;
  for (const end = length - (length % SLICES); i < end; i += SLICES) {
    const a = word(data, i) ^ crc;
    const b = word(data, i + 4);
    crc =
      (t[1792 + (a & 0xff)] as number) ^
      (t[1536 + ((a >>> 8) & 0xff)] as number) ^
      (t[1280 + ((a >>> 16) & 0xff)] as number) ^
      (t[1024 + (a >>> 24)] as number) ^
      (t[768 + (b & 0xff)] as number) ^
      (t[512 + ((b >>> 8) & 0xff)] as number) ^
      (t[256 + ((b >>> 16) & 0xff)] as number) ^
      (t[b >>> 24] as number);
  }
  for (; i < length; i++) crc = (crc >>> 8) ^ (t[(crc ^ (data[i] as number)) & 0xff] as number);
  return ~crc >>> 0;
}

function word(data: Uint8Array, at: number): number {
  return (
    (data[at] as number) |
    ((data[at + 1] as number) << 8) |
    ((data[at + 2] as number) << 16) |
    ((data[at + 3] as number) << 24)
  );
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
