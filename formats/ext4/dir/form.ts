/** What a directory looks like, as far as reading it depends on that. */
import { corrupt, FsError } from '../../../core/errors.ts';
import type { FileKind } from '../../../core/vfs/inode.ts';
import { isInline } from '../inline.ts';
import type { Ext4Inode } from '../inode.ts';
import type { Ext4Mount } from '../mount.ts';
import { SuperFlag } from '../structure/superblock.ts';
import { HashVersion, NameHasher } from './hash.ts';

const KINDS: readonly (FileKind | null)[] = [null, 'file', 'dir', 'char', 'block', 'fifo', 'socket', 'symlink'];

/** The kind that an entry records, or null where it records none. */
export function kindOfType(mp: Ext4Mount, type: number): FileKind | null {
  return mp.incompat('filetype') ? (KINDS[type] ?? null) : null;
}

/** The type that an entry for a kind of file records. */
export function typeOfKind(mp: Ext4Mount, kind: FileKind): number {
  return mp.incompat('filetype') ? KINDS.indexOf(kind) : 0;
}

/** True if the directory has an index. */
export function isIndexed(dir: Ext4Inode): boolean {
  return dir.mp.compat('dir_index') && dir.has('INDEX');
}

/** True if Linux lists it by the hashes of its names: with an index, and where one could be made any time. */
export function listsByHash(dir: Ext4Inode): boolean {
  if (!dir.mp.compat('dir_index')) return false;
  return dir.has('INDEX') || isInline(dir) || Math.floor(dir.size / dir.mp.blockSize) === 1;
}

/** True if each entry has the hash of its name behind it, because the name cannot be hashed without its key. */
export function hasHashInEntries(dir: Ext4Inode): boolean {
  return dir.has('CASEFOLD') && dir.has('ENCRYPT');
}

/** Number of blocks of a directory. */
export function blockCount(dir: Ext4Inode): number {
  return Math.floor(dir.size / dir.mp.blockSize);
}

/** The hasher of an image for one of the functions that an index may name. */
export function hasherFor(mp: Ext4Mount, version: number): NameHasher {
  const unsigned = (mp.sb.flags & SuperFlag.UNSIGNED_HASH) !== 0 && version <= HashVersion.TEA;
  return new NameHasher(unsigned ? version + HashVersion.LEGACY_UNSIGNED : version, Uint32Array.from(mp.sb.hash_seed));
}

/** @throws FsError ENOTDIR */
export function mustBeDir(dir: Ext4Inode): void {
  if (dir.kind !== 'dir') throw new FsError('ENOTDIR');
}

/** An error about a place in a directory. */
export function badDir(
  dir: Ext4Inode,
  rule: string,
  at: { addr?: number; offset?: number; field?: string; value?: string } = {},
): FsError {
  return corrupt({ structure: `directory ${dir.ino}`, ...at, rule });
}
