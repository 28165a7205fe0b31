/** What words of ext4 need of the session around them. */
import { type WordContext, WordFailure } from '../../../core/vfs/word.ts';
import type { Ext4Filesystem } from '../filesystem.ts';
import type { Ext4Inode } from '../inode.ts';
import type { Ext4Mount } from '../mount.ts';

/** The mount behind a word's context: a word of ext4 is only ever run on such an image. */
export function mountOf(context: WordContext): Ext4Mount {
  return (context.fs as Ext4Filesystem).mp;
}

/**
 * The inode that an operand means, as debugfs has it: `<12>` or a path; without one the open file.
 * @throws FsError, or the usage line if no file is open
 */
export function inodeOf(context: WordContext, operand: string | undefined): Ext4Inode {
  if (operand === undefined) {
    if (context.file === null) throw context.usage();
    return context.file.inode as Ext4Inode;
  }
  const number = /^<(\d+)>$/.exec(operand);
  if (number === null) return context.lookup(operand) as Ext4Inode;
  return mountOf(context).inodes.read(Number(number[1]));
}

/** A number that a person typed, hexadecimal with 0x. @throws WordFailure */
export function numberOf(name: string, what: string, operand: string): number {
  if (/^(0x[0-9a-f]+|\d+)$/i.test(operand) && Number.isSafeInteger(Number(operand))) return Number(operand);
  throw new WordFailure(`${name}: Bad ${what} - ${operand}`);
}
