/**
 * The hashes of names by which indexed directories are ordered (kernel: fs/ext4/hash.c). A name gives two numbers of 32
 * bits: `major`, by which the index is sorted and whose lowest bit is free (the index uses it for "continued"), and
 * `minor`, which only tells positions apart. Which function and which seed is said by the superblock; whether bytes
 * above 0x7f count as negative depends on the machine that made the file system.
 */

/** Functions by their number in the root of an index. */
export const HashVersion = {
  LEGACY: 0,
  HALF_MD4: 1,
  TEA: 2,
  LEGACY_UNSIGNED: 3,
  HALF_MD4_UNSIGNED: 4,
  TEA_UNSIGNED: 5,
  SIPHASH: 6,
} as const;

/** Marks the end of a directory in positions; no name's hash. */
export const HASH_EOF = 0x7fffffff;

/** The hash of the last name that was given to hash(). */
export class NameHasher {
  major = 0;
  minor = 0;
  private readonly version: number;
  private readonly seed: Uint32Array;
  private readonly state = new Uint32Array(4);
  private readonly words = new Uint32Array(8);

  /** `seed`: four words, all zero for the default one. */
  constructor(version: number, seed: Uint32Array) {
    this.version = version;
    this.seed = seed.some((word) => word !== 0) ? seed : DEFAULT_SEED;
  }

  /** Sets `major` and `minor` for a name; false if this is no function that a name alone is enough for. */
  hash(name: Uint8Array): boolean {
    const signed = this.version <= HashVersion.TEA;
    let major = 0;
    this.minor = 0;
    if (this.version === HashVersion.LEGACY || this.version === HashVersion.LEGACY_UNSIGNED)
      major = legacyHash(name, signed);
    else if (this.version === HashVersion.HALF_MD4 || this.version === HashVersion.HALF_MD4_UNSIGNED) {
      this.state.set(this.seed);
      for (let at = 0; at < name.length; at += 32) {
        fillWords(name, at, this.words, 8, signed);
        halfMd4(this.state, this.words);
      }
      major = this.state[1] as number;
      this.minor = this.state[2] as number;
    } else if (this.version === HashVersion.TEA || this.version === HashVersion.TEA_UNSIGNED) {
      this.state.set(this.seed);
      for (let at = 0; at < name.length; at += 16) {
        fillWords(name, at, this.words, 4, signed);
        tea(this.state, this.words);
      }
      major = this.state[0] as number;
      this.minor = this.state[1] as number;
    } else return false;
    major = (major & ~1) >>> 0;
    this.major = major === HASH_EOF * 2 ? (HASH_EOF - 1) * 2 : major;
    return true;
  }
}

const DEFAULT_SEED = Uint32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476);

function byteAt(name: Uint8Array, at: number, signed: boolean): number {
  const byte = name[at] as number;
  return signed && byte > 0x7f ? byte - 0x100 : byte;
}

function legacyHash(name: Uint8Array, signed: boolean): number {
  let last = 0x12a3fe2d;
  let before = 0x37abe8f9;
  for (let at = 0; at < name.length; at++) {
    let hash = (before + (last ^ Math.imul(byteAt(name, at, signed), 7152373))) | 0;
    if (hash < 0) hash = (hash - 0x7fffffff) | 0;
    before = last;
    last = hash;
  }
  return last << 1;
}

/** `count` words of the name from `from` on, each byte shifted in from below, the rest filled with its length. */
function fillWords(name: Uint8Array, from: number, words: Uint32Array, count: number, signed: boolean): void {
  const left = name.length - from;
  // The kernel keeps the length in a signed int and only its low bits matter here: it is below 256.
  const pad = Math.imul(left, 0x01010101);
  const used = Math.min(left, count * 4);
  let value = pad;
  let word = 0;
  for (let i = 0; i < used; i++) {
    if (i % 4 === 0) value = pad;
    value = (byteAt(name, from + i, signed) + (value << 8)) | 0;
    if (i % 4 === 3) {
      words[word++] = value;
      value = pad;
    }
  }
  if (word < count) words[word++] = value;
  while (word < count) words[word++] = pad;
}

function tea(state: Uint32Array, words: Uint32Array): void {
  const a = words[0] as number;
  const b = words[1] as number;
  const c = words[2] as number;
  const d = words[3] as number;
  let x = state[0] as number;
  let y = state[1] as number;
  let sum = 0;
  for (let round = 0; round < 16; round++) {
    sum = (sum + 0x9e3779b9) | 0;
    x = (x + ((((y << 4) + a) ^ (y + sum) ^ ((y >>> 5) + b)) | 0)) >>> 0;
    y = (y + ((((x << 4) + c) ^ (x + sum) ^ ((x >>> 5) + d)) | 0)) >>> 0;
  }
  state[0] = (state[0] as number) + x;
  state[1] = (state[1] as number) + y;
}

/** The order in which each of MD4's three rounds takes the eight words, its shifts and its constant. */
const ROUNDS: readonly (readonly [order: readonly number[], shifts: readonly number[], constant: number])[] = [
  [[0, 1, 2, 3, 4, 5, 6, 7], [3, 7, 11, 19], 0],
  [[1, 3, 5, 7, 0, 2, 4, 6], [3, 5, 9, 13], 0x5a827999],
  [[3, 7, 2, 6, 1, 5, 0, 4], [3, 9, 11, 15], 0x6ed9eba1],
];

/** MD4's compression, cut down to eight words. */
function halfMd4(state: Uint32Array, words: Uint32Array): void {
  let a = state[0] as number;
  let b = state[1] as number;
  let c = state[2] as number;
  let d = state[3] as number;
  for (let round = 0; round < 3; round++) {
    const [order, shifts, constant] = ROUNDS[round] as (typeof ROUNDS)[number];
    for (let step = 0; step < 8; step++) {
      const mixed = round === 0 ? d ^ (b & (c ^ d)) : round === 1 ? (b & c) + ((b ^ c) & d) : b ^ c ^ d;
      const sum = (a + mixed + (words[order[step] as number] as number) + constant) | 0;
      const shift = shifts[step & 3] as number;
      const turned = (sum << shift) | (sum >>> (32 - shift));
      a = d;
      d = c;
      c = b;
      b = turned;
    }
  }
  state[0] = (state[0] as number) + a;
  state[1] = (state[1] as number) + b;
  state[2] = (state[2] as number) + c;
  state[3] = (state[3] as number) + d;
}
