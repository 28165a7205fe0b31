/**
 * Encodes one LZO1X stream, as lzo1x.ts decodes it (kernel: Documentation/staging/lzo.rst). One look through a table
 * of four-byte beginnings: fast, and every decoder reads it. The instructions used:
 *
 *     first byte 17 + n      n literals to begin with (n <= 238)
 *     0000LLLL               a run of L + 3 literals (L = 0: longer)
 *     LLLDDDSS H             a match of 3-8 bytes within 2 KiB
 *     001LLLLL ..            a match within 16 KiB
 *     0001HLLL ..            a match within 48 KiB
 *
 * Up to three literals after a match are counted in the two low bits (SS) of that match.
 */

const HASH_BITS = 12;
const MIN_MATCH = 4;
const NEAR = 0x800;
const MIDDLE = 0x4000;
const FAR = 0xbfff;

/** Position + 1 of the last sight of each hashed beginning. */
const table = new Uint32Array(1 << HASH_BITS);

/** The most bytes that a stream of `length` bytes takes. */
export function lzo1xWorst(length: number): number {
  return length + Math.ceil(length / 16) + 64 + 3;
}

/** Encodes `from` into `into` from `into[start]` on; returns where the stream ends. `into` has room for the worst case. */
export function lzo1xEncode(from: Uint8Array, into: Uint8Array, start: number): number {
  table.fill(0);
  const last = from.length - MIN_MATCH;
  let out = start;
  let literals = 0;
  let at = 0;
  while (at <= last) {
    const found = lookup(from, at);
    const distance = at - found;
    if (found < 0 || distance > FAR || !same(from, found, at)) {
      at++;
      continue;
    }
    out = putLiterals(from, literals, at, into, out, out === start);
    let length = MIN_MATCH;
    while (at + length < from.length && from[found + length] === from[at + length]) length++;
    out = putMatch(distance, length, into, out);
    at += length;
    literals = at;
  }
  out = putLiterals(from, literals, from.length, into, out, out === start);
  into[out++] = 17;
  into[out++] = 0;
  into[out++] = 0;
  return out;
}

/** Where the four bytes at `at` may have been seen last, or -1; from now on, `at`. */
function lookup(from: Uint8Array, at: number): number {
  const word =
    (from[at] as number) |
    ((from[at + 1] as number) << 8) |
    ((from[at + 2] as number) << 16) |
    ((from[at + 3] as number) << 24);
  const slot = Math.imul(word, 0x9e3779b1) >>> (32 - HASH_BITS);
  const found = (table[slot] as number) - 1;
  table[slot] = at + 1;
  return found;
}

function same(from: Uint8Array, a: number, b: number): boolean {
  return (
    from[a] === from[b] && from[a + 1] === from[b + 1] && from[a + 2] === from[b + 2] && from[a + 3] === from[b + 3]
  );
}

function putLiterals(
  from: Uint8Array,
  start: number,
  end: number,
  into: Uint8Array,
  out: number,
  first: boolean,
): number {
  const count = end - start;
  if (count === 0) return out;
  if (first && count <= 238) into[out++] = 17 + count;
  else if (!first && count <= 3) into[out - 2] = (into[out - 2] as number) | count;
  else if (count <= 18) into[out++] = count - 3;
  else {
    into[out++] = 0;
    out = putLong(count - 18, into, out);
  }
  into.set(from.subarray(start, end), out);
  return out + count;
}

function putMatch(distance: number, length: number, into: Uint8Array, out: number): number {
  if (length <= 8 && distance <= NEAR) {
    const d = distance - 1;
    into[out++] = ((length - 1) << 5) | ((d & 7) << 2);
    into[out++] = d >> 3;
    return out;
  }
  const middle = distance <= MIDDLE;
  const d = middle ? distance - 1 : distance - MIDDLE;
  const longest = middle ? 33 : 9;
  const op = middle ? 32 : 16 | ((d >> 11) & 8);
  if (length <= longest) into[out++] = op | (length - 2);
  else {
    into[out++] = op;
    out = putLong(length - longest, into, out);
  }
  into[out++] = (d << 2) & 0xff;
  into[out++] = (d >> 6) & 0xff;
  return out;
}

/** A long length: a zero byte for each 255, then the rest (1-255). */
function putLong(rest: number, into: Uint8Array, out: number): number {
  while (rest > 255) {
    into[out++] = 0;
    rest -= 255;
  }
  into[out++] = rest;
  return out;
}
