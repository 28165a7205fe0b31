/**
 * The four checksums of btrfs: of metadata blocks and superblocks (in their first 32 bytes, over all that follows)
 * and of file data, a sector each. The libraries are loaded on first use; all are native and synchronous.
 */
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { crc32c } from '../../core/checksum.ts';
import { keptLibrary } from '../../core/kept-library.ts';
import { CSUM_SIZE } from './structure/block.ts';

/** One kind of checksum. */
export interface ChecksumKind {
  /** The number in the superblock. */
  readonly type: number;
  /** As btrfs-progs calls it. */
  readonly name: string;
  /** Bytes of one. */
  readonly size: number;
  /** Writes the checksum of `bytes` to `into` at `at`. */
  sum(bytes: Uint8Array, into: Uint8Array, at: number): void;
}

const CRC32C: ChecksumKind = {
  type: 0,
  name: 'crc32c',
  size: 4,
  sum(bytes, into, at) {
    const value = crc32c(bytes);
    into[at] = value;
    into[at + 1] = value >>> 8;
    into[at + 2] = value >>> 16;
    into[at + 3] = value >>> 24;
  },
};

interface XxHash {
  xxh64(input: Uint8Array): bigint;
}
let xxhash: XxHash | undefined;

function loadXxHash(): XxHash {
  const require = createRequire(import.meta.url);
  return keptLibrary('@node-rs/xxhash', () => require('@node-rs/xxhash') as XxHash);
}

const XXHASH64: ChecksumKind = {
  type: 1,
  name: 'xxhash64',
  size: 8,
  sum(bytes, into, at) {
    xxhash ??= loadXxHash();
    const value = xxhash.xxh64(bytes);
    let half = Number(value & 0xffffffffn);
    for (let i = 0; i < 4; i++, half >>>= 8) into[at + i] = half;
    half = Number(value >> 32n);
    for (let i = 4; i < 8; i++, half >>>= 8) into[at + i] = half;
  },
};

const SHA256: ChecksumKind = {
  type: 2,
  name: 'sha256',
  size: 32,
  sum(bytes, into, at) {
    into.set(createHash('sha256').update(bytes).digest(), at);
  },
};

interface Blake {
  readonly Blake2BParam: new () => { hashLength(length: number): void };
  readonly Blake2BHasher: {
    withParams(params: object): { update(input: Uint8Array): { digestBuffer(): Uint8Array } };
  };
}
let blake: Blake | undefined;
let blakeParams: object | undefined;

function loadBlake(): Blake {
  const require = createRequire(import.meta.url);
  return keptLibrary('@napi-rs/blake-hash', () => require('@napi-rs/blake-hash') as Blake);
}

const BLAKE2: ChecksumKind = {
  type: 3,
  name: 'blake2b',
  size: 32,
  sum(bytes, into, at) {
    blake ??= loadBlake();
    if (blakeParams === undefined) {
      const params = new blake.Blake2BParam();
      params.hashLength(32);
      blakeParams = params;
    }
    into.set(blake.Blake2BHasher.withParams(blakeParams).update(bytes).digestBuffer(), at);
  },
};

const KINDS: readonly ChecksumKind[] = [CRC32C, XXHASH64, SHA256, BLAKE2];

/** The checksum with a number of the superblock's csum_type, or null if there is none. */
export function checksumKind(type: number): ChecksumKind | null {
  return KINDS[type] ?? null;
}

const scratch = new Uint8Array(CSUM_SIZE);

/** True if the first bytes of a tree block or superblock are the checksum of the rest. */
export function sealMatches(kind: ChecksumKind, bytes: Uint8Array): boolean {
  kind.sum(bytes.subarray(CSUM_SIZE), scratch, 0);
  for (let i = 0; i < kind.size; i++) if (bytes[i] !== scratch[i]) return false;
  return true;
}

/** Writes the checksum of a tree block or superblock into its first bytes. */
export function seal(kind: ChecksumKind, bytes: Uint8Array): void {
  bytes.fill(0, 0, CSUM_SIZE);
  kind.sum(bytes.subarray(CSUM_SIZE), bytes, 0);
}

/** Makes a superblock fit to be written. */
export function sealSuperblock(mp: { readonly csum: ChecksumKind }, bytes: Uint8Array): void {
  seal(mp.csum, bytes);
}
