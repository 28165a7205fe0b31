/**
 * A directory in its inode (feature inline_data): the number of the parent, then a row of entries in the inode's block
 * field, and a second one in the attribute system.data. `.` and `..` are not among them.
 *
 *     parent 4 | entries … to byte 60 ‖ entries … to the end          positions count on as if it were one row
 *
 * Mirrors: fs/ext4/inline.c (ext4_read_inline_dir, htree_inlinedir_to_tree).
 */
import { corrupt } from '../../../core/errors.ts';
import { INLINE_FIRST, inlineBytes } from '../inline.ts';
import type { Ext4Inode } from '../inode.ts';
import { entriesDamage } from './block.ts';
import type { DirRow } from './entries.ts';

/** Bytes that the parent's number takes. */
export const INLINE_DOTDOT_SIZE = 4;

/** A directory in its inode. */
export interface InlineDir {
  readonly parent: number;
  /** Its rows; they share one buffer, so that places in it are positions. */
  readonly rows: readonly DirRow[];
}

/** Reads a directory in its inode. @throws FsError EUCLEAN */
export function readInlineDir(dir: Ext4Inode): InlineDir {
  const bytes = inlineBytes(dir);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const rows: DirRow[] = [{ view, from: INLINE_DOTDOT_SIZE, end: Math.min(bytes.length, INLINE_FIRST) }];
  if (bytes.length > INLINE_FIRST) rows.push({ view, from: INLINE_FIRST, end: bytes.length });
  for (const { from, end } of rows) {
    const fault = entriesDamage(dir, view, from, end, (offset, field, value, rule) => {
      return {
        structure: `directory in inode ${dir.ino}`,
        addr: dir.buf.addr,
        offset,
        field,
        value: String(value),
        rule,
      };
    });
    if (fault !== null) throw corrupt(fault);
  }
  return { parent: view.getUint32(0, true), rows };
}
