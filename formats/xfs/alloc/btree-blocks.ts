/** Blocks for the btrees that take theirs from the allocator: inode btrees, refcount btree and bmap btrees. */
import { FsError } from '../../../core/errors.ts';
import type { FsBlock } from '../../../core/units.ts';
import type { XfsInode } from '../inode.ts';
import { addBlocks } from '../inode-core.ts';
import { Agi } from '../structure/ag.ts';
import type { Trans } from '../trans.ts';
import { addAgf } from './agfl.ts';
import { allocExtent } from './alloc.ts';
import { freeExtent } from './free.ts';

const INOBT = { special: 'inobt' } as const;
const REFC = { special: 'refc' } as const;

/** A block for inobt or finobt, near another of the tree. @throws FsError ENOSPC */
export function allocInodeBtreeBlock(tp: Trans, agno: number, near: number, tree: 'inobt' | 'finobt'): number {
  const { mp } = tp;
  const found = allocExtent(tp, {
    target: mp.agbToFsb(agno, near),
    mode: 'near',
    minLength: 1,
    maxLength: 1,
    owner: INOBT,
    data: false,
    reservation: tree === 'finobt' ? 'metadata' : 'none',
  });
  if (found === null) throw new FsError('ENOSPC', { detail: `no block for the inode btree of AG ${agno}` });
  countInodeBtreeBlock(tp, agno, tree, 1);
  return mp.fsbToAgbno(found.fsb);
}

export function freeInodeBtreeBlock(tp: Trans, agno: number, agbno: number, tree: 'inobt' | 'finobt'): void {
  countInodeBtreeBlock(tp, agno, tree, -1);
  freeExtent(tp, tp.mp.agbToFsb(agno, agbno), 1, INOBT);
}

function countInodeBtreeBlock(tp: Trans, agno: number, tree: 'inobt' | 'finobt', change: 1 | -1): void {
  const { mp } = tp;
  if (tree === 'finobt') mp.space.metadataBlocks(tp, agno, change, 'finobt');
  if (!mp.features.inobtCounts) return;
  const field = tree === 'finobt' ? 'fblocks' : 'iblocks';
  const agi = mp.agi(agno);
  tp.modify(agi, Agi.at[field], 4);
  Agi.set[field](agi.view, 0, Agi.get[field](agi.view, 0) + change);
}

/** A block for the refcount btree. @throws FsError ENOSPC */
export function allocRefcountBlock(tp: Trans, agno: number): number {
  const { mp } = tp;
  const found = allocExtent(tp, {
    target: mp.agbToFsb(agno, firstRefcountBlock(tp)),
    mode: 'near',
    minLength: 1,
    maxLength: 1,
    owner: REFC,
    data: false,
    reservation: 'metadata',
  });
  if (found === null) throw new FsError('ENOSPC', { detail: `no block for the refcount btree of AG ${agno}` });
  mp.space.metadataBlocks(tp, agno, 1, 'refcountbt');
  addAgf(tp, mp.agf(agno), 'refcount_blocks', 1);
  return mp.fsbToAgbno(found.fsb);
}

export function freeRefcountBlock(tp: Trans, agno: number, agbno: number): void {
  const { mp } = tp;
  mp.space.metadataBlocks(tp, agno, -1, 'refcountbt');
  addAgf(tp, mp.agf(agno), 'refcount_blocks', -1);
  freeExtent(tp, mp.agbToFsb(agno, agbno), 1, REFC);
}

/** Where mkfs puts the root of the refcount btree: behind the AG headers and the other roots. */
function firstRefcountBlock(tp: Trans): number {
  const { features, sectorSize, blockSize } = tp.mp;
  const headers = Math.ceil((4 * sectorSize) / blockSize);
  return headers + 3 + Number(features.finobt) + Number(features.rmapbt);
}

/** A block for the bmap btree of a fork, near another of the tree. @throws FsError ENOSPC */
export function allocForkBlock(tp: Trans, inode: XfsInode, fork: 'data' | 'attr', near: FsBlock): FsBlock {
  const owner = { ino: inode.ino, offset: 0, fork, bmbt: true };
  const request = { minLength: 1, maxLength: 1, owner, data: false };
  const found = allocExtent(tp, { ...request, target: near }) ?? allocExtent(tp, { ...request, target: 0 });
  if (found === null) throw new FsError('ENOSPC');
  tp.modifyInode(inode, 'core');
  addBlocks(inode, 1);
  return found.fsb;
}

export function freeForkBlock(tp: Trans, inode: XfsInode, fork: 'data' | 'attr', fsb: FsBlock): void {
  freeExtent(tp, fsb, 1, { ino: inode.ino, offset: 0, fork, bmbt: true });
  tp.modifyInode(inode, 'core');
  addBlocks(inode, -1);
}
