/**
 * Looking up a file's blocks as ext2 has them: twelve direct numbers in the inode, then a block of numbers, a block of
 * such blocks, and one level more. A number of 0 is a hole, which may be a whole branch.
 *
 * Mirrors: fs/ext4/indirect.c (ext4_block_to_path, ext4_get_branch, ext4_ind_map_blocks), block_validity.c.
 */
import type { Buf, BufOps } from '../../../core/buffer-cache.ts';
import { corrupt, type Damage } from '../../../core/errors.ts';
import type { Ext4Inode } from '../inode.ts';
import { BlockRun, MAX_FILE_BLOCKS } from './run.ts';

/** Block numbers in the inode that lead to data without a detour. */
export const DIRECT = 12;

/** Where a lookup ended: the numbers, and which of them. */
class NumberPlace {
  buf!: Buf;
  at = 0;
  count = 0;
  index = 0;
  /** Blocks of the hole from there on, where a whole branch is missing; 0 if it is there. */
  hole = 0;
}

/** Finds the number of file block `block`. @throws FsError EUCLEAN, EIO */
function findNumber(ip: Ext4Inode, block: number, place: NumberPlace): void {
  const perBlock = ip.mp.blockSize / 4;
  place.buf = ip.buf;
  place.at = ip.blockAt;
  place.count = DIRECT;
  place.index = block;
  place.hole = 0;
  if (block < DIRECT) return;
  let rest = block - DIRECT;
  let span = perBlock;
  let level = 1;
  for (; level < 3 && rest >= span; level++) {
    rest -= span;
    span *= perBlock;
  }
  if (rest >= span) {
    place.hole = MAX_FILE_BLOCKS - block;
    return;
  }
  place.index = DIRECT + level - 1;
  for (; level > 0; level--) {
    const number = place.buf.view.getUint32(place.at + 4 * place.index, true);
    if (number === 0) {
      place.hole = span - rest;
      return;
    }
    place.buf = numbersBlock(ip, number);
    place.at = 0;
    span /= perBlock;
    place.index = Math.floor(rest / span);
    rest -= place.index * span;
  }
  place.count = perBlock;
}

/** Fills `run` with the blocks or the hole at file block `block`, from there on, up to `count`. @throws FsError EUCLEAN, EIO */
export function mapIndirect(ip: Ext4Inode, block: number, count: number, run: BlockRun): void {
  findNumber(ip, block, found);
  if (found.hole > 0) return run.set(block, found.hole, 0, false);
  fillFrom(ip, found, block, run);
  if (run.physical === 0) return;
  run.length = Math.min(run.length, count);
  const seen = ip.seen.endAt(block);
  if (seen === block) ip.seen.add(block, block + run.length);
  else extend(ip, found, run, seen);
}

const found = new NumberPlace();
const more = new BlockRun();

/**
 * As with extents, what Linux has looked at before is one where it continues, whichever block it came from: here up to
 * `end`, since of a block of numbers it remembers only those that it was asked for.
 */
function extend(ip: Ext4Inode, place: NumberPlace, run: BlockRun, end: number): void {
  let last = run;
  while (place.index + last.length >= place.count && run.logical + run.length < end) {
    const next = run.logical + run.length;
    findNumber(ip, next, place);
    if (place.hole > 0) break;
    fillFrom(ip, place, next, more);
    if (more.physical !== run.physical + run.length) break;
    run.length += more.length;
    last = more;
  }
  run.length = Math.min(run.length, end - run.logical);
}

/** What the numbers from a place on say of file block `block`. */
function fillFrom(ip: Ext4Inode, { buf, at, count, index }: NumberPlace, block: number, run: BlockRun): void {
  const { view } = buf;
  const first = view.getUint32(at + 4 * index, true);
  const step = first === 0 ? 0 : 1;
  let length = 1;
  while (index + length < count && view.getUint32(at + 4 * (index + length), true) === first + step * length) length++;
  if (first !== 0 && !ip.mp.validDataBlocks(ip.ino, first, length)) throw badNumber(ip, first, length);
  run.set(block, length, first, false);
}

/** A block of numbers. @throws FsError EUCLEAN, EIO */
export function numbersBlock(ip: Ext4Inode, number: number): Buf {
  if (!ip.mp.validDataBlocks(ip.ino, number, 1)) throw badNumber(ip, number, 1);
  return ip.mp.block(number, ip.mapOps);
}

/** How blocks of numbers are judged: nothing tells them from others, but every number in them can be wrong. */
export function makeIndirectOps(ip: Ext4Inode): BufOps {
  return {
    name: `indirect block of inode ${ip.ino}`,
    logType: 0,
    verify({ addr, length, view }) {
      for (let offset = 0; offset < length; offset += 4) {
        const number = view.getUint32(offset, true);
        if (number !== 0 && !ip.mp.validDataBlocks(ip.ino, number, 1))
          return { ...badPlace(ip, number, 1), structure: this.name, addr, offset };
      }
      return null;
    },
  };
}

function badNumber(ip: Ext4Inode, number: number, length: number): Error {
  return corrupt(badPlace(ip, number, length));
}

function badPlace(ip: Ext4Inode, number: number, length: number): Damage {
  const value = length === 1 ? String(number) : `${number}+${length}`;
  return { structure: `inode ${ip.ino}`, field: 'block', value, rule: 'not where data can be' };
}
