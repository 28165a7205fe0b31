/**
 * Names in encrypted directories, as they are shown to those who have no key: the bytes on disk, in base64 for URLs, with
 * the hash before them by which Linux finds them again; long ones end with a checksum instead (kernel: fs/crypto/fname.c).
 *
 *     major:4 minor:4 name[0…149]            major:4 minor:4 name[149] sha256 of the rest:32
 */
import { createHash } from 'node:crypto';

const KEPT = 149;
const HASHES = 8;
const SHA256 = 32;

/** The form of a name without its key. */
export function withoutKey(name: Uint8Array, major: number, minor: number): string {
  const long = name.length > KEPT;
  const bytes = Buffer.alloc(HASHES + (long ? KEPT + SHA256 : name.length));
  bytes.writeUInt32LE(major, 0);
  bytes.writeUInt32LE(minor, 4);
  bytes.set(name.subarray(0, KEPT), HASHES);
  if (long) bytes.set(createHash('sha256').update(name.subarray(KEPT)).digest(), HASHES + KEPT);
  return bytes.toString('base64url');
}

/** Tells whether the bytes on disk are those that a form stands for; null if it is no such form. */
export function matcherWithoutKey(form: string): ((name: Uint8Array) => boolean) | null {
  const bytes = Buffer.from(form, 'base64url');
  if (bytes.toString('base64url') !== form || bytes.length <= HASHES) return null;
  const name = bytes.subarray(HASHES);
  if (name.length <= KEPT) return (other) => name.equals(other);
  if (name.length !== KEPT + SHA256) return null;
  return (other) =>
    other.length > KEPT &&
    name.subarray(0, KEPT).equals(other.subarray(0, KEPT)) &&
    createHash('sha256').update(other.subarray(KEPT)).digest().equals(name.subarray(KEPT));
}
