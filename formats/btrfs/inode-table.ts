/** The inodes in use, by tree and number, and what of them is not on disk yet. */
import { FsError } from '../../core/errors.ts';
import type { Filesystem } from '../../core/vfs/filesystem.ts';
import { HeldInodes } from '../../core/vfs/held-inodes.ts';
import { BtrfsInode } from './inode.ts';
import type { BtrfsMount } from './mount.ts';
import { Placeholder } from './placeholder.ts';
import type { TreeRoot } from './tree/root.ts';

export class InodeTable {
  private readonly mp: BtrfsMount;
  private readonly fs: Filesystem;
  /** By tree id. */
  private readonly held = new HeldInodes<BtrfsInode>();
  /** Changes whenever inode items may differ from what inodes remember of them: something was undone. */
  epoch = 0;

  constructor(mp: BtrfsMount, fs: Filesystem) {
    this.mp = mp;
    this.fs = fs;
  }

  /** The inode with this number in a tree. @throws FsError ENOENT free, EUCLEAN damaged */
  get(root: TreeRoot, ino: number): BtrfsInode {
    const known = this.peek(root.id, ino);
    if (known !== null) {
      if (known.exists()) return known;
      this.forget(root.id, ino);
    }
    const inode = new BtrfsInode(this.mp, this.fs, root, ino);
    if (!inode.exists()) throw new FsError('ENOENT', { detail: `tree ${root.id} has no inode ${ino}` });
    inode.check();
    this.held.add(inode, root.id);
    return inode;
  }

  /** The directory that stands in `parent` for a subvolume that is not there. */
  placeholder(parent: BtrfsInode): BtrfsInode {
    return new Placeholder(parent);
  }

  /** The inode if it is known already. */
  peek(rootId: number, ino: number): BtrfsInode | null {
    return this.held.get(ino, rootId);
  }

  /** Forgets an inode that is gone. */
  forget(rootId: number, ino: number): void {
    this.held.forget(ino, rootId);
  }

  /** Forgets all inodes of a tree that is gone. */
  forgetTree(rootId: number): void {
    this.held.forgetSpace(rootId);
  }

  /** Changes of trees were taken back: what inodes remember of their items is read again. */
  readonly undone = (): void => {
    this.epoch++;
  };

  /** Inodes whose pages, size or reservations are not all on disk. */
  *changed(): IterableIterator<BtrfsInode> {
    for (const inode of [...this.all()]) if (inode.changed) yield inode;
  }

  /** Every inode that is held. */
  all(): IterableIterator<BtrfsInode> {
    return this.held.all();
  }
}
