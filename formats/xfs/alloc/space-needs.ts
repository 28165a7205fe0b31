/**
 * Free blocks that Linux wants to see before it starts to change names and attributes: the worst case of each, so
 * that none runs out in the middle. Asked of needRoom(), they make a nearly full image refuse the same
 * commands that a mounted one refuses. Mirrors xfs_trans_space.h.
 */
import { attrExtentAddBlocks, extentAddBlocks } from '../bmap-limits.ts';
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
  return (DA_MAX_DEPTH + 2) * perBlock + removeNameBlocks(mp);
}

/** Blocks to remove one name from a directory: the extents of its blocks may have to be cut. */
export function removeNameBlocks(mp: XfsMount): number {
  return (DA_MAX_DEPTH + 2) * mappingBlocks(mp, mp.dirBlockSize / mp.blockSize, extentAddBlocks(mp));
}

/** Blocks to create a file with a name of `nameLength` bytes. */
export function createBlocks(mp: XfsMount, nameLength: number): number {
  return inodeBlocks(mp) + linkBlocks(mp, nameLength);
}

/** Blocks to give a file a name of `nameLength` bytes. */
export function linkBlocks(mp: XfsMount, nameLength: number): number {
  return enterNameBlocks(mp) + parentBlocks(mp, nameLength);
}

/** Blocks to remove a name of `nameLength` bytes. */
export function unlinkBlocks(mp: XfsMount, nameLength: number): number {
  return removeNameBlocks(mp) + parentBlocks(mp, nameLength);
}

/** Blocks to rename to a name of `nameLength` bytes; `over`: another file has it. */
export function renameBlocks(mp: XfsMount, nameLength: number, over: boolean): number {
  return removeNameBlocks(mp) + enterNameBlocks(mp) + (over ? 3 : 2) * parentBlocks(mp, nameLength);
}

function parentBlocks(mp: XfsMount, nameLength: number): number {
  if (!mp.features.parent) return 0;
  return attrEnterBlocks(mp) + mappingBlocks(mp, nameLength, attrExtentAddBlocks(mp));
}

function attrEnterBlocks(mp: XfsMount): number {
  return DA_MAX_DEPTH + attrRemoveBlocks(mp);
}

/** Blocks to remove an attribute. */
export function attrRemoveBlocks(mp: XfsMount): number {
  return DA_MAX_DEPTH * mappingBlocks(mp, 1, attrExtentAddBlocks(mp));
}

/** Blocks to set an attribute: in a leaf, where it takes `size` bytes, or with its value in `remote` blocks. */
export function attrSetBlocks(mp: XfsMount, size: number, remote: number): number {
  const enter = attrEnterBlocks(mp);
  if (remote > 0) return enter + remote + mappingBlocks(mp, remote, attrExtentAddBlocks(mp));
  return size > mp.blockSize / 2 ? 2 * enter : enter;
}

/** Blocks to give an inode its attribute fork. */
export function attrForkBlocks(mp: XfsMount): number {
  const perBlock = mp.dirBlockSize / mp.blockSize;
  return perBlock + mappingBlocks(mp, perBlock, extentAddBlocks(mp));
}

/** Blocks for the extent btree when `blocks` are mapped, `each` for one extent. */
function mappingBlocks(mp: XfsMount, blocks: number, each: number): number {
  const records = btreeMaxRecords(mp, 'bnobt', true);
  const contiguous = records - (records >> 1);
  return Math.ceil(blocks / contiguous) * each;
}
