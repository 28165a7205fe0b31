/**
 * Hashes of names, and when two names are the same. The hash index of directories and attribute forks sorts by this
 * value (kernel: xfs_da_hashname, xfs_ascii_ci_hashname); with the ascii-ci feature a directory name counts as
 * its Latin-1 lower case.
 */

/** The hash of a name's bytes: each byte into a register turned left by seven bits. */
export function hashName(name: Uint8Array): number {
  let hash = 0;
  for (let i = 0; i < name.length; i++) hash = ((hash << 7) | (hash >>> 25)) ^ (name[i] as number);
  return hash >>> 0;
}

/** The hash of a directory entry's name. */
export function hashDirName(name: Uint8Array, asciiCi: boolean): number {
  if (!asciiCi) return hashName(name);
  let hash = 0;
  for (let i = 0; i < name.length; i++) hash = ((hash << 7) | (hash >>> 25)) ^ lowerLatin1(name[i] as number);
  return hash >>> 0;
}

/** Linux's lower case for ascii-ci: A-Z and the accented capitals of Latin-1, the multiplication sign left alone. */
export function lowerLatin1(byte: number): number {
  if ((byte >= 0x41 && byte <= 0x5a) || (byte >= 0xc0 && byte <= 0xde && byte !== 0xd7)) return byte + 0x20;
  return byte;
}

/** True if the name at `bytes[at, at + length)` is exactly `name`. */
export function sameName(name: Uint8Array, bytes: Uint8Array, at: number, length: number): boolean {
  if (name.length !== length) return false;
  for (let i = 0; i < length; i++) if (name[i] !== bytes[at + i]) return false;
  return true;
}

/** As sameName, but letter case does not count. */
export function sameNameCi(name: Uint8Array, bytes: Uint8Array, at: number, length: number): boolean {
  if (name.length !== length) return false;
  for (let i = 0; i < length; i++) {
    if (lowerLatin1(name[i] as number) !== lowerLatin1(bytes[at + i] as number)) return false;
  }
  return true;
}
