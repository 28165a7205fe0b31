/** inode with an open file, and bulkstat's walk: which inode numbers are in use (xfs_io's io/open.c). */
import type { WordContext, WordResult } from '../../../core/vfs/word.ts';
import { WordFailure } from '../../../core/vfs/word.ts';
import { allocatedInodes } from '../inspect/inode-walk.ts';
import type { XfsMount } from '../mount.ts';
import { mountOf } from './mount-of.ts';

const MAX_32 = 0xffffffff;

/** The answer to `inode [-nv] [number]`: the number if it is in use, else 0; the next one; without one: 64 bits needed? */
export function inodeUse(
  context: WordContext,
  options: { readonly n: boolean; readonly v: boolean },
  operands: readonly string[],
): WordResult {
  const [text] = operands;
  if (operands.length > 1 || (options.n && text === undefined)) throw context.usage();
  if (text !== undefined && !/^\d+$/.test(text))
    throw new WordFailure(`${text} is not a numeric inode value`, 'stdout');
  const mp = mountOf(context);
  const ino =
    text === undefined ? lastUsed(mp) : options.n ? firstUsed(mp, Number(text) + 1) : isUsed(mp, Number(text));
  let line = String(ino);
  if (options.v && ino !== 0) line = `${ino}:${ino > MAX_32 ? 64 : 32}`;
  else if (text === undefined) line = ino > MAX_32 ? '1' : '0';
  return { data: { ino }, text: (out) => out.write(`${line}\n`) };
}

/** The first inode in use from `from` on, or 0. */
export function firstUsed(mp: XfsMount, from: number): number {
  let found = 0;
  allocatedInodes(mp, from, (ino) => {
    found = ino;
    return false;
  });
  return found;
}

function isUsed(mp: XfsMount, ino: number): number {
  return mp.validIno(ino) && firstUsed(mp, ino) === ino ? ino : 0;
}

function lastUsed(mp: XfsMount): number {
  let last = 0;
  allocatedInodes(mp, 0, (ino) => {
    last = ino;
    return true;
  });
  return last;
}
