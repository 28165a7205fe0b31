/** The kind of a file in the type bits of its mode (S_IFMT), which Unix file systems share. */

import type { FileKind } from './inode.ts';
import { S_IFMT } from './mode.ts';

/** By the four type bits: Biome's fix of octal property keys gets their value wrong. */
const KINDS: readonly (FileKind | undefined)[] = [
  undefined,
  'fifo',
  'char',
  undefined,
  'dir',
  undefined,
  'block',
  undefined,
  'file',
  undefined,
  'symlink',
  undefined,
  'socket',
];

/** The kind of file in a mode; regular for a type that no file has. */
export function kindOfMode(mode: number): FileKind {
  return KINDS[(mode & S_IFMT) >> 12] ?? 'file';
}

/** True if the mode's type is one that files have. */
export function isKnownMode(mode: number): boolean {
  return KINDS[(mode & S_IFMT) >> 12] !== undefined;
}

/** The kind of file in a directory entry's type (DT_*), which are the mode's bits; null for none that is known. */
export function kindOfType(type: number): FileKind | null {
  return KINDS[type] ?? null;
}
