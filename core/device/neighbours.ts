/**
 * What lies beside an image: the other files of its directory, or the host's other block devices. A file system
 * that spans several devices looks there for its other members. Nothing is opened but to read the bytes asked for;
 * what cannot be read is passed over. At most LIMIT candidates are looked at, those first whose names differ least
 * from the image's, by the number of its runs of digits or by one letter (disk1 disk2, sda sdb).
 */
import { closeSync, openSync, readdirSync, readSync, type Stats, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Something that may be another device of the same file system. */
export interface Neighbour {
  readonly name: string;
  /** How far its name is from the image's: 1 is a twin, UNLIKE has nothing in common. */
  readonly distance: number;
  /** The bytes asked for. */
  readonly bytes: Uint8Array;
}

/** The distance of names that have nothing in common. */
export const UNLIKE = 100;
const LIMIT = 4096;

/** The neighbours of a host file or block device, nearest names first, with `length` bytes from `addr` of each. */
export function* neighboursOf(path: string, addr: number, length: number): Generator<Neighbour> {
  const own = statOf(path);
  if (own === null) return;
  const candidates = own.isBlockDevice()
    ? blockDevices()
    : list(dirname(path)).map((name) => join(dirname(path), name));
  const ranked = candidates.map((name) => ({ name, distance: nameDistance(basename(path), basename(name)) }));
  ranked.sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1));
  for (const { name, distance } of ranked.slice(0, LIMIT)) {
    const stats = statOf(name);
    if (stats === null || !sameKind(own, stats)) continue;
    const bytes = peek(name, addr, length);
    if (bytes !== null) yield { name, distance, bytes };
  }
}

/** Runs of digits that differ between two names otherwise alike; 1 for one letter; else UNLIKE. */
export function nameDistance(a: string, b: string): number {
  const first = a.split(/(\d+)/);
  const second = b.split(/(\d+)/);
  if (first.length === second.length && first.every((part, i) => i % 2 === 1 || part === second[i])) {
    return first.filter((part, i) => part !== second[i]).length;
  }
  if (a.length !== b.length) return UNLIKE;
  let different = 0;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) different++;
  return different === 1 ? 1 : UNLIKE;
}

function sameKind(own: Stats, other: Stats): boolean {
  if (own.isBlockDevice()) return other.isBlockDevice() && other.rdev !== own.rdev;
  return other.isFile() && (other.ino !== own.ino || other.dev !== own.dev);
}

function blockDevices(): string[] {
  return list('/sys/class/block').map((name) => `/dev/${name}`);
}

function peek(path: string, addr: number, length: number): Uint8Array | null {
  try {
    const fd = openSync(path, 'r');
    try {
      const bytes = new Uint8Array(length);
      return readSync(fd, bytes, 0, length, addr) === length ? bytes : null;
    } finally {
      closeSync(fd);
    }
  } catch {
    return null;
  }
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function statOf(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}
