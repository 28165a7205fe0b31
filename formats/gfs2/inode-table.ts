/**
 * The inodes in use, by number: there is one object for an inode as long as anybody holds it. Those that nobody seems to
 * need are held weakly once there are many, so that memory stays bounded by what is in use.
 */
import { corrupt } from '../../core/errors.ts';
import type { Filesystem } from '../../core/vfs/filesystem.ts';
import { Gfs2Inode } from './inode.ts';
import { dinodeOps } from './meta-block.ts';
import type { Gfs2Mount } from './mount.ts';

const MAX_HELD = 8192;

export class InodeTable {
  private readonly mp: Gfs2Mount;
  private readonly fs: Filesystem;
  private readonly slots = new Map<number, Gfs2Inode | WeakRef<Gfs2Inode>>();
  private held = 0;
  private limit = MAX_HELD;

  constructor(mp: Gfs2Mount, fs: Filesystem) {
    this.mp = mp;
    this.fs = fs;
  }

  /** The inode in this block, which something leads to. @throws FsError EUCLEAN damaged, EIO */
  get(ino: number): Gfs2Inode {
    const known = this.peek(ino);
    if (known !== null) return known;
    if (!this.mp.validBlock(ino)) throw corrupt({ structure: `inode ${ino}`, rule: 'outside the device' });
    const inode = new Gfs2Inode(this.mp, this.fs, ino, this.mp.block(ino, dinodeOps));
    this.add(inode);
    return inode;
  }

  private peek(ino: number): Gfs2Inode | null {
    const slot = this.slots.get(ino);
    if (slot === undefined) return null;
    if (slot instanceof Gfs2Inode) return slot;
    const inode = slot.deref();
    if (inode === undefined) return null;
    this.slots.set(ino, inode);
    this.held++;
    return inode;
  }

  private add(inode: Gfs2Inode): void {
    if (this.held >= this.limit) this.prune();
    this.slots.set(inode.ino, inode);
    this.held++;
  }

  /** Lets go of the older half of what nobody needs; who still has such an inode keeps the only one there is. */
  private prune(): void {
    let drop = this.held / 2;
    for (const [ino, slot] of this.slots) {
      if (!(slot instanceof Gfs2Inode)) {
        if (slot.deref() === undefined) this.slots.delete(ino);
      } else if (drop > 0 && !slot.needed) {
        this.slots.set(ino, new WeakRef(slot));
        this.held--;
        drop--;
      }
    }
    // When most of them must stay, the next look waits until there are twice as many.
    this.limit = Math.max(MAX_HELD, this.held * 2);
  }
}
