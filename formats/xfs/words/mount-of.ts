import type { WordContext } from '../../../core/vfs/word.ts';
import type { XfsFilesystem } from '../filesystem.ts';
import type { XfsMount } from '../mount.ts';

/** The mount behind a word's context: a word of XFS is only ever run on an XFS image. */
export function mountOf(context: WordContext): XfsMount {
  return (context.fs as XfsFilesystem).mp;
}
