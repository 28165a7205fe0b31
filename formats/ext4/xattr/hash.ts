/** The hash that an attribute entry keeps of itself. */

const NAME_SHIFT = 5;
const VALUE_SHIFT = 16;

/**
 * The hash of an entry: of its name, then of its value's 32-bit words; for a value in an inode the only word is the
 * hash of that. `signed`: bytes above 0x7f count as negative, as some machines had it.
 */
export function entryHash(name: Uint8Array, words: Iterable<number>, signed = false): number {
  let hash = 0;
  for (const byte of name) {
    const value = signed && byte > 0x7f ? byte - 0x100 : byte;
    hash = (hash << NAME_SHIFT) ^ (hash >>> (32 - NAME_SHIFT)) ^ value;
  }
  for (const word of words) hash = (hash << VALUE_SHIFT) ^ (hash >>> (32 - VALUE_SHIFT)) ^ word;
  return hash >>> 0;
}
