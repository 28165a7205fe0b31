/** The inodes in use, by number. */
import { corrupt } from '../../core/errors.ts';
import type { Filesystem } from '../../core/vfs/filesystem.ts';
import { HeldInodes } from '../../core/vfs/held-inodes.ts';
import { Gfs2Inode } from './inode.ts';
import { dinodeOps } from './meta-block.ts';
import type { Gfs2Mount } from './mount.ts';

export class InodeTable {
  private readonly mp: Gfs2Mount;
  private readonly fs: Filesystem;
  private readonly held = new HeldInodes<Gfs2Inode>();

  constructor(mp: Gfs2Mount, fs: Filesystem) {
    this.mp = mp;
    this.fs = fs;
  }

  /** The inode in this block, which something leads to. @throws FsError EUCLEAN damaged, EIO */
  get(ino: number): Gfs2Inode {
    const known = this.held.get(ino);
    if (known !== null) return known;
    if (!this.mp.validBlock(ino)) throw corrupt({ structure: `inode ${ino}`, rule: 'outside the device' });
    const inode = new Gfs2Inode(this.mp, this.fs, ino, this.mp.block(ino, dinodeOps));
    this.held.add(inode);
    return inode;
  }
}
