import type { WordContext } from '../../../core/vfs/word.ts';
import type { Gfs2Filesystem } from '../filesystem.ts';
import type { Gfs2Mount } from '../mount.ts';

/** The mount behind a word's context: a word of gfs2 is only ever run on a gfs2 image. */
export function mountOf(context: WordContext): Gfs2Mount {
  return (context.fs as Gfs2Filesystem).mp;
}

/** A number in decimal, or with 0x in hexadecimal; null if the word is none. */
export function numberOf(word: string): number | null {
  return /^(0x[0-9a-f]{1,13}|\d{1,15})$/i.test(word) ? Number(word) : null;
}
