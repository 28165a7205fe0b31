import type { WordContext, WordResult } from '../../../core/vfs/word.ts';
import type { BtrfsFilesystem } from '../filesystem.ts';
import type { BtrfsMount } from '../mount.ts';

/** The mount behind a word's context: a word of btrfs is only ever run on a btrfs image. */
export function mountOf(context: WordContext): BtrfsMount {
  return (context.fs as BtrfsFilesystem).mp;
}

/** A result: data, and the lines that say the same. */
export function says(data: object, lines: readonly string[]): WordResult {
  return { data, text: (out) => out.write(lines.map((line) => `${line}\n`).join('')) };
}
