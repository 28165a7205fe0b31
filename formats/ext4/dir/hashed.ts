/**
 * Listing by hash: leaf by leaf, each sorted by the two halves of its names' hashes. Names with the same hash come as
 * Linux chains them: the first that was met, then the others from the last back.
 *
 *     position = (major >> 1) << 32 | minor            2^63 - 1 at the end
 */
import type { DirEntry, FileKind } from '../../../core/vfs/inode.ts';
import { isInline } from '../inline.ts';
import type { Ext4Inode } from '../inode.ts';
import { DirEntryHeader, DOT_LENGTH } from '../structure/dir.ts';
import { readIndex, readLeaf } from './block.ts';
import { nameAt, usedEntries } from './entries.ts';
import { hasHashInEntries, hasherFor, isIndexed, kindOfType } from './form.ts';
import type { NameHasher } from './hash.ts';
import { IndexPath } from './index.ts';
import { readInlineDir } from './inline.ts';
import { hashedName, isDots, shownName } from './names.ts';

/** What getdents says behind the last entry. */
const END = 2n ** 63n - 1n;

/** An entry in hash order; its position is put together only when somebody asks. */
class HashedEntry implements DirEntry {
  readonly name: string;
  readonly ino: number;
  readonly kind: FileKind | null;
  readonly major: number;
  readonly minor: number;
  next: HashedEntry | null = null;

  constructor(name: string, ino: number, kind: FileKind | null, major: number, minor: number) {
    this.name = name;
    this.ino = ino;
    this.kind = kind;
    this.major = major;
    this.minor = minor;
  }

  get offset(): number | bigint {
    return this.next === null ? END : position(this.next.major, this.next.minor);
  }
}

/** A hash as a position; a number while that is exact. */
function position(major: number, minor: number): number | bigint {
  const high = major >>> 1;
  return high < 2 ** 21 ? high * 2 ** 32 + minor : (BigInt(high) << 32n) | BigInt(minor);
}

/** The entries from a position on. @throws FsError EUCLEAN, EIO */
export function* hashedEntries(dir: Ext4Inode, from: bigint): Generator<DirEntry, void, undefined> {
  if (from >= END) return;
  const start = { major: Number((from >> 32n) & 0x7fffffffn) * 2, minor: Number(from & 0xffffffffn) };
  let last: HashedEntry | null = null;
  for (const leaf of isIndexed(dir) ? indexedLeaves(dir, start) : oneLeaf(dir, start)) {
    for (const entry of sorted(leaf)) {
      if (last !== null) {
        last.next = entry;
        yield last;
      }
      last = entry;
    }
  }
  if (last !== null) yield last;
}

interface Hash {
  readonly major: number;
  readonly minor: number;
}

/** Leaves in hash order; those that share a hash are one. */
function* indexedLeaves(dir: Ext4Inode, start: Hash): Generator<HashedEntry[], void, undefined> {
  const path = new IndexPath(dir);
  path.seek(start.major);
  let entries = dots(dir, start);
  // Every step goes to another entry of the index, of which there cannot be more than blocks and their entries.
  for (let more = true; more; ) {
    const { view, length } = readLeaf(dir, path.leaf);
    collect(dir, { view, from: 0, end: length }, path.hasher, start, entries);
    const next = path.nextHash;
    more = path.next();
    if (more && (next & 1) !== 0) continue;
    yield entries;
    entries = [];
  }
  if (entries.length > 0) yield entries;
}

/** `.` and `..` are in the root of the index, and sorted before all others. */
function dots(dir: Ext4Inode, start: Hash): HashedEntry[] {
  const { view } = readIndex(dir, 0);
  const entries: HashedEntry[] = [];
  const kind = (at: number): FileKind | null => kindOfType(dir.mp, DirEntryHeader.get.file_type(view, at));
  const dotdot = DOT_LENGTH;
  if (start.major === 0 && start.minor === 0)
    entries.push(new HashedEntry('.', DirEntryHeader.get.inode(view, 0), kind(0), 0, 0));
  if (start.major < 2 || (start.major === 2 && start.minor === 0))
    entries.push(new HashedEntry('..', DirEntryHeader.get.inode(view, dotdot), kind(dotdot), 2, 0));
  return entries;
}

/** A directory without an index, in its inode or in one block: there `.` and `..` have hashes like the others. */
function* oneLeaf(dir: Ext4Inode, start: Hash): Generator<HashedEntry[], void, undefined> {
  const hasher = hasherFor(dir.mp, dir.mp.sb.def_hash_version);
  const entries: HashedEntry[] = [];
  if (isInline(dir)) {
    const { parent, rows } = readInlineDir(dir);
    addDot(dir, '.', dir.ino, hasher, start, entries);
    addDot(dir, '..', parent, hasher, start, entries);
    for (const row of rows) collect(dir, row, hasher, start, entries);
  } else {
    const { view, length } = readLeaf(dir, 0);
    collect(dir, { view, from: 0, end: length }, hasher, start, entries);
  }
  yield entries;
}

function addDot(dir: Ext4Inode, name: string, ino: number, hasher: NameHasher, start: Hash, into: HashedEntry[]): void {
  hasher.hash(Buffer.from(name));
  const { major, minor } = hasher;
  const kind = dir.mp.incompat('filetype') ? 'dir' : null;
  if (reached(major, minor, start)) into.push(new HashedEntry(name, ino, kind, major, minor));
}

function reached(major: number, minor: number, start: Hash): boolean {
  return major > start.major || (major === start.major && minor >= start.minor);
}

function collect(
  dir: Ext4Inode,
  row: { view: DataView; from: number; end: number },
  hasher: NameHasher,
  start: Hash,
  into: HashedEntry[],
): void {
  const { view } = row;
  const kept = hasHashInEntries(dir);
  for (const at of usedEntries(row, dir.mp.blockSize)) {
    const name = nameAt(view, at);
    let major = 0;
    let minor = 0;
    if (kept && !isDots(name)) {
      const behind = at + ((DirEntryHeader.size + name.length + 3) & ~3);
      major = view.getUint32(behind, true);
      minor = view.getUint32(behind + 4, true);
    } else {
      hasher.hash(hashedName(dir, name));
      ({ major, minor } = hasher);
    }
    if (!reached(major, minor, start)) continue;
    const kind = kindOfType(dir.mp, DirEntryHeader.get.file_type(view, at));
    const ino = DirEntryHeader.get.inode(view, at);
    into.push(new HashedEntry(shownName(dir, view, at, major, minor), ino, kind, major, minor));
  }
}

function sorted(entries: HashedEntry[]): HashedEntry[] {
  entries.sort((a, b) => a.major - b.major || a.minor - b.minor);
  for (let first = 0; first < entries.length; first++) {
    let end = first + 1;
    while (end < entries.length && sameHash(entries[first] as HashedEntry, entries[end] as HashedEntry)) end++;
    if (end - first > 2) entries.splice(first + 1, end - first - 1, ...entries.slice(first + 1, end).reverse());
    first = end - 1;
  }
  return entries;
}

function sameHash(a: Hash, b: Hash): boolean {
  return a.major === b.major && a.minor === b.minor;
}
