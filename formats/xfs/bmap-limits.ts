/** Sizes of the bmap btree of an image, and the blocks that a change of a mapping may need for it. */

import type { XfsMount } from './mount.ts';
import { LONG_V4_SIZE, LONG_V5_SIZE } from './structure/btree-format.ts';

interface Limits {
  readonly leafRecords: number;
  readonly nodeRecords: number;
  /** Levels of the highest possible data fork btree, the root in the inode included; and of an attribute fork's. */
  readonly maxLevels: number;
  readonly maxAttrLevels: number;
}

const cache = new WeakMap<XfsMount, Limits>();

function limits(mp: XfsMount): Limits {
  let found = cache.get(mp);
  if (found === undefined) {
    found = compute(mp);
    cache.set(mp, found);
  }
  return found;
}

/** Entries of the smallest root that an inode can have, in its data and in its attribute fork. */
const MIN_ROOT_RECORDS = 3;
const MIN_ATTR_ROOT_RECORDS = 2;

function compute(mp: XfsMount): Limits {
  const room = mp.blockSize - (mp.features.v5 ? LONG_V5_SIZE : LONG_V4_SIZE);
  const records = Math.floor(room / 16);
  const least = records >> 1;
  const levels = (extents: number, rootRecords: number): number => {
    let blocks = Math.ceil(extents / least);
    let level = 1;
    for (; blocks > 1; level++) blocks = blocks <= rootRecords ? 1 : Math.ceil(blocks / least);
    return level;
  };
  const large = mp.features.nrext64;
  return {
    leafRecords: records,
    nodeRecords: records,
    maxLevels: levels(large ? 2 ** 48 - 1 : 2 ** 31 - 1, MIN_ROOT_RECORDS),
    maxAttrLevels: levels(large ? 2 ** 32 - 1 : 2 ** 15 - 1, MIN_ATTR_ROOT_RECORDS),
  };
}

/** Blocks that one more extent may need for btree splits (kernel: XFS_EXTENTADD_SPACE_RES). */
export function extentAddBlocks(mp: XfsMount): number {
  return limits(mp).maxLevels - 1;
}

/** extentAddBlocks() of an attribute fork. */
export function attrExtentAddBlocks(mp: XfsMount): number {
  return limits(mp).maxAttrLevels - 1;
}

/** Most btree blocks that a delayed extent of `length` blocks can need when it is allocated in pieces. */
export function worstIndlen(mp: XfsMount, length: number): number {
  const { leafRecords, nodeRecords, maxLevels } = limits(mp);
  let per = leafRecords;
  let left = length;
  let total = 0;
  for (let level = 0; level < maxLevels; level++) {
    left = Math.ceil(left / per);
    total += left;
    if (left === 1) return total + maxLevels - level - 1;
    per = nodeRecords;
  }
  return total;
}
