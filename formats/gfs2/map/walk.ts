/** Every block of a file's tree, in the order of the file. */
import type { Buf } from '../../../core/buffer-cache.ts';
import { corrupt } from '../../../core/errors.ts';
import type { Gfs2Inode } from '../inode.ts';
import { indirectOps } from '../meta-block.ts';
import { readBlockNumber } from '../structure/meta.ts';
import { pointerAt, pointersAt } from './path.ts';

/** What is met: blocks of pointers, and runs of blocks with data from file block `index` on. */
export interface TreeVisitor {
  indirect(block: number): void;
  data(block: number, count: number, index: number): void;
}

/** Shows the visitor all of the tree. @throws FsError EUCLEAN damaged, EIO */
export function walkTree(ip: Gfs2Inode, visitor: TreeVisitor): void {
  if (ip.height > 0) new Walk(ip, visitor).level(ip.buf, 0, 0);
}

class Walk {
  private readonly ip: Gfs2Inode;
  private readonly visitor: TreeVisitor;
  /** Blocks that may still come: damage can make a tree endless. */
  private budget: number;

  constructor(ip: Gfs2Inode, visitor: TreeVisitor) {
    this.ip = ip;
    this.visitor = visitor;
    this.budget = ip.mp.blocks;
  }

  level(buf: Buf, level: number, index: number): void {
    const { ip } = this;
    const most = pointersAt(ip, level);
    const lowest = level === ip.height - 1;
    const span = ip.mp.pointers ** (ip.height - 1 - level);
    for (let i = 0; i < most; ) {
      const block = readBlockNumber(buf.view, pointerAt(level, i));
      let count = 1;
      if (block !== 0) {
        if (lowest)
          while (i + count < most && readBlockNumber(buf.view, pointerAt(level, i + count)) === block + count) count++;
        this.take(block, count);
        if (lowest) this.visitor.data(block, count, index + i);
        else {
          this.visitor.indirect(block);
          this.level(ip.mp.block(block, indirectOps), level + 1, index + i * span);
        }
      }
      i += count;
    }
  }

  private take(block: number, count: number): void {
    this.budget -= count;
    const rule = this.budget < 0 ? 'more blocks than the device has' : 'outside the device';
    if (this.budget < 0 || !this.ip.mp.validBlock(block, count))
      throw corrupt({ structure: `tree of inode ${this.ip.ino}`, field: 'block', value: `${block}`, rule });
  }
}
