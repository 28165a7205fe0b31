/** All blocks of a file without extents: data, and the blocks of numbers that lead to them. */
import type { Ext4Inode } from '../inode.ts';
import { DIRECT, numbersBlock } from './indirect.ts';

type Visit = (physical: number, length: number, use: 'data' | 'map', logical: number) => boolean;

/** Shows `visit` every run, until it answers false; returns whether it never did. @throws FsError EUCLEAN, EIO */
export function walkNumbers(ip: Ext4Inode, visit: Visit): boolean {
  if (!numbersIn(ip.view, ip.blockAt, DIRECT, 0, visit)) return false;
  const perBlock = ip.mp.blockSize / 4;
  let logical = DIRECT;
  let span = perBlock;
  for (let level = 1; level <= 3; level++) {
    const number = ip.view.getUint32(ip.blockAt + 4 * (DIRECT + level - 1), true);
    if (number !== 0 && !walkBranch(ip, number, level, logical, span, visit)) return false;
    logical += span;
    span *= perBlock;
  }
  return true;
}

/** The branch under a block of numbers, `level` steps above data, for the `span` file blocks from `logical` on. */
function walkBranch(
  ip: Ext4Inode,
  number: number,
  level: number,
  logical: number,
  span: number,
  visit: Visit,
): boolean {
  const { view } = numbersBlock(ip, number);
  if (!visit(number, 1, 'map', 0)) return false;
  const count = ip.mp.blockSize / 4;
  if (level === 1) return numbersIn(view, 0, count, logical, visit);
  const below = span / count;
  for (let i = 0; i < count; i++) {
    const child = view.getUint32(4 * i, true);
    if (child !== 0 && !walkBranch(ip, child, level - 1, logical + i * below, below, visit)) return false;
  }
  return true;
}

function numbersIn(view: DataView, at: number, count: number, logical: number, visit: Visit): boolean {
  for (let i = 0; i < count; ) {
    const first = view.getUint32(at + 4 * i, true);
    let length = 1;
    if (first !== 0)
      while (i + length < count && view.getUint32(at + 4 * (i + length), true) === first + length) length++;
    if (first !== 0 && !visit(first, length, 'data', logical + i)) return false;
    i += length;
  }
  return true;
}
