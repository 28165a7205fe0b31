/**
 * Free blocks that Linux wants to see before it starts to change names and attributes: the worst case of each, so
 * that none runs out in the middle. Asked of SpaceCounters.require(), they make a nearly full image refuse the same
 * commands that a mounted one refuses. Mirrors xfs_trans_space.h.
 */
import { extentAddBlocks } from '../bmap-limits.ts';
import type { XfsMount } from '../mount.ts';
import { btreeMaxRecords } from '../verify/btree.ts';
import { inobtHeight } from './inode-chunk.ts';

/** Levels of a directory or attribute tree. */
const DA_MAX_DEPTH = 5;

/** Blocks for one inode, should it need a new chunk. */
export function inodeBlocks(mp: XfsMount): number {
  return mp.blocksPerAlloc + (mp.features.finobt ? 2 : 1) * inobtHeight(mp);
}

/** Blocks to enter one name into a directory. */
export function enterNameBlocks(mp: XfsMount): number {
  const perBlock = mp.dirBlockSize / mp.blockSize;
  return (DA_MAX_DEPTH + 2) * (perBlock + mappingBlocks(mp, perBlock));
}

/** Blocks to create a file with a name of `nameLength` bytes. */
export function createBlocks(mp: XfsMount, nameLength: number): number {
  const parent = mp.features.parent ? attrSetBlocks(mp, 0) + mappingBlocks(mp, nameLength) : 0;
  return inodeBlocks(mp) + enterNameBlocks(mp) + parent;
}

/** Blocks to set an attribute with a value of `length` bytes. */
export function attrSetBlocks(mp: XfsMount, length: number): number {
  return DA_MAX_DEPTH * (1 + mappingBlocks(mp, 1)) + Math.ceil(length / mp.blockSize);
}

/** Blocks for the extent btree when `blocks` are mapped. */
function mappingBlocks(mp: XfsMount, blocks: number): number {
  const records = btreeMaxRecords(mp, 'bnobt', true);
  const contiguous = records - (records >> 1);
  return Math.ceil(blocks / contiguous) * extentAddBlocks(mp);
}
