/**
 * From a hash to leaves: a table of 2^depth pointers, which the first bits of a hash index, lies where a file has its
 * data. Blocks of it have a header, so that a block holds less of it than of a file's data. Neighbours in the table may
 * point to one leaf, and only where the table cannot grow do leaves have others behind them
 * (kernel: gfs2_dir_get_hash_table, get_leaf).
 */
import type { Buf } from '../../../core/buffer-cache.ts';
import { corrupt } from '../../../core/errors.ts';
import type { Gfs2Inode } from '../inode.ts';
import { MetaPath } from '../map/path.ts';
import { leafOps, tableOps } from '../meta-block.ts';
import { DINODE_SIZE, Dinode } from '../structure/dinode.ts';
import { Leaf } from '../structure/dir.ts';
import { META_SIZE, readBlockNumber } from '../structure/meta.ts';

const path = new MetaPath();

/** Bits of a hash that index the directory's table. */
export function tableDepth(dp: Gfs2Inode): number {
  return Dinode.get.di_depth(dp.view, 0);
}

/** The place in the table for a hash. */
export function tableIndex(depth: number, hash: number): number {
  return depth === 0 ? 0 : hash >>> (32 - depth);
}

/** The block of the leaf at an index of the table. @throws FsError EUCLEAN, EIO */
export function leafAt(dp: Gfs2Inode, index: number): number {
  const { mp } = dp;
  const { buf, at } = tableEntry(dp, index);
  const block = readBlockNumber(buf.view, at);
  if (mp.validBlock(block)) return block;
  throw corrupt({
    structure: `hash table of directory ${dp.ino}`,
    addr: buf.addr,
    offset: at,
    field: `leaf ${index}`,
    value: String(block),
    rule: 'outside the device',
  });
}

function tableEntry(dp: Gfs2Inode, index: number): { readonly buf: Buf; readonly at: number } {
  const { mp } = dp;
  if (dp.height === 0) return { buf: dp.buf, at: DINODE_SIZE + index * 8 };
  const block = Math.floor((index * 8) / mp.contentSize);
  const at = META_SIZE + index * 8 - block * mp.contentSize;
  const there = path.lookup(dp, block * mp.blockSize) && path.levels === path.height;
  const place = there ? path.pointer(dp) : 0;
  if (place !== 0) return { buf: mp.block(place, tableOps), at };
  throw corrupt({ structure: `hash table of directory ${dp.ino}`, field: `block ${block}`, rule: 'a hole' });
}

/** The leaf in a block and those behind it. @throws FsError EUCLEAN, EIO */
export function* leafChain(dp: Gfs2Inode, first: number): Generator<Buf, void, undefined> {
  const { mp } = dp;
  const seen = new Set<number>();
  for (let block = first; block !== 0; ) {
    const leaf = mp.validBlock(block) ? mp.block(block, leafOps) : null;
    if (leaf === null || seen.has(block))
      throw corrupt({
        structure: `leaves of directory ${dp.ino}`,
        field: 'lf_next',
        value: String(block),
        rule: leaf === null ? 'outside the device' : 'they lead in a circle',
      });
    seen.add(block);
    // Leaves made by the first versions do not say whose they are.
    const owner = Leaf.get.lf_inode(leaf.view, 0);
    if (owner !== 0 && owner !== dp.ino)
      throw corrupt({
        structure: `leaf of directory ${dp.ino}`,
        addr: leaf.addr,
        offset: Leaf.at.lf_inode,
        field: 'lf_inode',
        value: String(owner),
        rule: `not ${dp.ino}`,
      });
    yield leaf;
    block = Leaf.get.lf_next(leaf.view, 0);
  }
}
