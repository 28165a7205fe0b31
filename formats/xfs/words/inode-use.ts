/** inode with an open file, and bulkstat's walk: which inode numbers are in use (xfs_io's io/open.c). */
import type { WordContext } from '../../../core/vfs/word.ts';
import { says, WordFailure } from '../../../core/vfs/word.ts';
import { bulkstat } from '../inspect/bulkstat.ts';
import { allocatedInodes } from '../inspect/inode-walk.ts';
import type { XfsMount } from '../mount.ts';
import { mountOf } from './mount-of.ts';

const MAX_32 = 0xffffffff;
const NO_INODE = 2n ** 64n - 1n;

/**
 * The answer to `inode [-nv] [number]`: the number if it is in use, else the next one that is, or 0, as Linux answers
 * the call that xfs_io makes; with -n the next one; without a number: are 64 bits needed?
 */
export function inodeUse(
  context: WordContext,
  options: { readonly n: boolean; readonly v: boolean },
  operands: readonly string[],
) {
  const [word] = operands;
  // What has more than 64 bits is to xfs_io as if no number were given.
  const text = word !== undefined && /^\d+$/.test(word) && BigInt(word) >= NO_INODE ? undefined : word;
  if (text !== undefined && !/^\d+$/.test(text))
    throw new WordFailure(`${text} is not a numeric inode value`, 'stdout');
  if (operands.length > 1 || (options.n && text === undefined)) throw context.usage();
  const mp = mountOf(context);
  const ino =
    text === undefined ? lastUsed(mp) : options.n ? firstUsed(mp, Number(text) + 1) : firstUsed(mp, Number(text));
  let line = String(ino);
  if (options.v && ino !== 0) line = `${ino}:${ino > MAX_32 ? 64 : 32}`;
  else if (text === undefined) line = ino > MAX_32 ? '1' : '0';
  return says({ ino }, [line]);
}

/** The first inode in use from `from` on, those of the file system's own left out; or 0. */
export function firstUsed(mp: XfsMount, from: number): number {
  const [first] = bulkstat(mp, { start: from, agno: null });
  return first?.ino ?? 0;
}

function lastUsed(mp: XfsMount): number {
  let last = 0;
  allocatedInodes(mp, 0, (ino) => {
    last = ino;
    return true;
  });
  return last;
}
