/**
 * Looking up a file's blocks as ext2 has them: twelve direct numbers in the inode, then a block of numbers, a block of
 * such blocks, and one level more. A number of 0 is a hole, which may be a whole branch.
 *
 * Mirrors: fs/ext4/indirect.c (ext4_block_to_path, ext4_get_branch, ext4_ind_map_blocks), block_validity.c.
 */
import type { BufOps } from '../../../core/buffer-cache.ts';
import { corrupt } from '../../../core/errors.ts';
import type { Ext4Inode } from '../inode.ts';
import type { BlockRun } from './run.ts';

const DIRECT = 12;

/** Fills `run` with the blocks or the hole at file block `block`, from there on. @throws FsError EUCLEAN, EIO */
export function mapIndirect(ip: Ext4Inode, block: number, run: BlockRun): void {
  const perBlock = ip.mp.blockSize / 4;
  if (block < DIRECT) return fillFrom(ip, ip.view, ip.blockAt, block, DIRECT, block, run);
  let rest = block - DIRECT;
  let span = perBlock;
  let level = 1;
  for (; level < 3 && rest >= span; level++) {
    rest -= span;
    span *= perBlock;
  }
  if (rest >= span) return run.set(block, Number.POSITIVE_INFINITY, 0, false);
  let view = ip.view;
  let at = ip.blockAt + 4 * (DIRECT + level - 1);
  for (; ; level--) {
    const number = view.getUint32(at, true);
    if (number === 0) return run.set(block, span - rest, 0, false);
    view = numbersBlock(ip, number);
    if (level === 1) return fillFrom(ip, view, 0, rest, perBlock, block, run);
    span /= perBlock;
    at = 4 * Math.floor(rest / span);
    rest %= span;
  }
}

/** What the numbers of one block, from the one with index `index` on, say of file block `block`. */
function fillFrom(
  ip: Ext4Inode,
  view: DataView,
  at: number,
  index: number,
  count: number,
  block: number,
  run: BlockRun,
): void {
  const first = view.getUint32(at + 4 * index, true);
  const step = first === 0 ? 0 : 1;
  let length = 1;
  while (index + length < count && view.getUint32(at + 4 * (index + length), true) === first + step * length) length++;
  if (first !== 0 && !ip.mp.validDataBlocks(ip.ino, first, length)) throw badNumber(ip, first, length);
  run.set(block, length, first, false);
}

/** The numbers in a block. @throws FsError EUCLEAN, EIO */
function numbersBlock(ip: Ext4Inode, number: number): DataView {
  if (!ip.mp.validDataBlocks(ip.ino, number, 1)) throw badNumber(ip, number, 1);
  return ip.mp.block(number, indirectOps).view;
}

/** A block of numbers has nothing that tells it from others: the numbers are judged when they are used. */
const indirectOps: BufOps = { name: 'indirect block', logType: 0, verify: () => null };

function badNumber(ip: Ext4Inode, number: number, length: number): Error {
  const value = length === 1 ? String(number) : `${number}+${length}`;
  return corrupt({ structure: `inode ${ip.ino}`, field: 'block', value, rule: 'not where data can be' });
}
