/** What names on disk are shown as, hashed as and compared by: plain ones, folded ones, and those without a key. */
import { decodeName, encodeName } from '../../../core/vfs/names.ts';
import type { Ext4Inode } from '../inode.ts';
import { matcherWithoutKey, withoutKey } from './encrypted-name.ts';
import { hasName, nameAt } from './entries.ts';
import { foldName } from './fold.ts';

/** `.` and `..` are never encrypted. */
export function isDots(name: Uint8Array): boolean {
  return name.length > 0 && name.length <= 2 && name.every((byte) => byte === 0x2e);
}

/** The name of the entry at `at` as a user sees it; the hash goes into one whose key nobody has. */
export function shownName(dir: Ext4Inode, view: DataView, at: number, major = 0, minor = 0): string {
  const name = nameAt(view, at);
  if (!dir.has('ENCRYPT') || isDots(name)) return decodeName(name);
  return withoutKey(name, major, minor);
}

/** The bytes of a name that its hash is of. */
export function hashedName(dir: Ext4Inode, name: Uint8Array): Uint8Array {
  return dir.has('CASEFOLD') && !dir.has('ENCRYPT') && dir.mp.incompat('casefold') ? foldName(name) : name;
}

/** A name that is looked for in one directory. */
export interface WantedName {
  /** What its hash is of; null if only looking everywhere finds it. */
  readonly hashed: Uint8Array | null;
  matches(view: DataView, at: number): boolean;
}

/** What to look for in a directory for a name that a user gave; null if no entry can have it. */
export function wantedName(dir: Ext4Inode, name: string): WantedName | null {
  const bytes = encodeName(name);
  if (dir.has('ENCRYPT') && !isDots(bytes)) {
    const same = matcherWithoutKey(name);
    return same === null ? null : { hashed: null, matches: (view, at) => same(nameAt(view, at)) };
  }
  if (!dir.has('CASEFOLD') || dir.has('ENCRYPT'))
    return { hashed: bytes, matches: (view, at) => hasName(view, at, bytes) };
  const folded = foldName(bytes);
  const same = (view: DataView, at: number): boolean =>
    hasName(view, at, bytes) || Buffer.compare(foldName(nameAt(view, at)), folded) === 0;
  return { hashed: folded, matches: same };
}
