/**
 * The checksums of an image. With metadata_csum every structure carries a CRC-32C that starts from a seed, the uuid's or
 * the superblock's own; what belongs to an inode goes on from that with the inode's number and generation. The result
 * is not inverted at the end. With uninit_bg alone only group descriptors have one, a CRC-16.
 */
import { crc32c } from '../../core/checksum.ts';

const word = new Uint8Array(4);
const wordView = new DataView(word.buffer);

/** The running CRC-32C of `data` after `seed`, in the form that the disk has. */
export function crc32cRaw(seed: number, data: Uint8Array): number {
  return ~crc32c(data, ~seed >>> 0) >>> 0;
}

/** As crc32cRaw(), of a little-endian number of 32 bits. */
export function crc32cNumber(seed: number, value: number): number {
  wordView.setUint32(0, value, true);
  return crc32cRaw(seed, word);
}

/** As crc32cRaw(), with the bytes [from, from + length) taken as zeros. */
export function crc32cSkippingRaw(seed: number, data: Uint8Array, from: number, length: number): number {
  const crc = crc32cRaw(crc32cRaw(seed, data.subarray(0, from)), ZEROS.subarray(0, length));
  return crc32cRaw(crc, data.subarray(from + length));
}

const ZEROS = new Uint8Array(16);

/** What the checksums of everything that belongs to an inode start from. */
export function inodeSeed(seed: number, ino: number, generation: number): number {
  return crc32cNumber(crc32cNumber(seed, ino), generation);
}

const CRC16_POLYNOMIAL = 0xa001;

/** The CRC-16 of ANSI, as group descriptors have it without metadata_csum. */
export function crc16(seed: number, data: Uint8Array): number {
  let crc = seed;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ CRC16_POLYNOMIAL;
  }
  return crc;
}
