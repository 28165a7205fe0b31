/** Which blocks belong to an inode, and what for. */
import { FsError } from '../../../core/errors.ts';
import type { SpaceUse } from '../../../core/vfs/space-map.ts';
import { leafAt, leafChain, tableDepth } from '../dir/leaves.ts';
import type { Gfs2Inode } from '../inode.ts';
import { walkTree } from '../map/walk.ts';
import { Dinode } from '../structure/dinode.ts';
import { eattrBlocks, eaValueBlocks } from '../xattr.ts';

/** Receives blocks of an inode, the dinode left out. */
export type BlockVisitor = (block: number, count: number, use: SpaceUse) => void;

/**
 * Shows `visit` the blocks of an inode. What is damaged ends this with what was found so far: the blocks that are left
 * have no owner then. @throws FsError EIO
 */
export function ownedBlocks(ip: Gfs2Inode, isJournal: boolean, visit: BlockVisitor): void {
  const { blockSize } = ip.mp;
  const dir = ip.kind === 'dir';
  const end = Math.ceil(ip.size / blockSize);
  const data = isJournal ? 'log' : 'data';
  const parts = [
    (): void =>
      walkTree(ip, {
        indirect: (block) => visit(block, 1, 'metadata'),
        data: (block, count, index) => {
          if (dir) visit(block, count, 'metadata');
          else {
            const used = Math.max(0, Math.min(count, end - index));
            if (used > 0) visit(block, used, data);
            if (used < count) visit(block + used, count - used, 'prealloc');
          }
        },
      }),
    (): void => {
      if (dir && ip.has('EXHASH')) leaves(ip, visit);
    },
    (): void => {
      const first = Dinode.get.di_eattr(ip.view, 0);
      if (first !== 0 && ip.has('EA_INDIRECT')) visit(first, 1, 'metadata');
      for (const { addr } of eattrBlocks(ip)) visit(addr / blockSize, 1, 'metadata');
      for (const block of eaValueBlocks(ip)) visit(block, 1, 'metadata');
    },
  ];
  for (const part of parts)
    try {
      part();
    } catch (error) {
      if (!(error instanceof FsError) || error.code !== 'EUCLEAN') throw error;
    }
}

function leaves(dp: Gfs2Inode, visit: BlockVisitor): void {
  const { blockSize } = dp.mp;
  let before = 0;
  for (let index = 0; index < 2 ** tableDepth(dp); index++) {
    const first = leafAt(dp, index);
    if (first === before) continue;
    before = first;
    for (const { addr } of leafChain(dp, first)) visit(addr / blockSize, 1, 'metadata');
  }
}
