/**
 * The inodes in use, by tree and number: there is one object for an inode as long as anybody holds it. Those that
 * nobody seems to need are held weakly once there are many, so that memory stays bounded by what is in use.
 */
import { FsError } from '../../core/errors.ts';
import type { Filesystem } from '../../core/vfs/filesystem.ts';
import { BtrfsInode } from './inode.ts';
import type { BtrfsMount } from './mount.ts';
import { Placeholder } from './placeholder.ts';
import type { TreeRoot } from './tree/root.ts';

const MAX_HELD = 8192;

type Slot = BtrfsInode | WeakRef<BtrfsInode>;

export class InodeTable {
  private readonly mp: BtrfsMount;
  private readonly fs: Filesystem;
  /** By tree id, then by inode number. */
  private readonly trees = new Map<number, Map<number, Slot>>();
  private held = 0;
  private limit = MAX_HELD;
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
    this.add(inode);
    return inode;
  }

  /** The directory that stands in `parent` for a subvolume that is not there. */
  placeholder(parent: BtrfsInode): BtrfsInode {
    return new Placeholder(parent);
  }

  /** The inode if it is known already. */
  peek(rootId: number, ino: number): BtrfsInode | null {
    const tree = this.trees.get(rootId);
    const slot = tree?.get(ino);
    if (tree === undefined || slot === undefined) return null;
    if (slot instanceof BtrfsInode) return slot;
    const inode = slot.deref();
    if (inode === undefined) return null;
    tree.set(ino, inode);
    this.held++;
    return inode;
  }

  /** Forgets an inode that is gone. */
  forget(rootId: number, ino: number): void {
    const tree = this.trees.get(rootId);
    if (tree === undefined) return;
    if (tree.get(ino) instanceof BtrfsInode) this.held--;
    tree.delete(ino);
  }

  /** Forgets all inodes of a tree that is gone. */
  forgetTree(rootId: number): void {
    for (const slot of this.trees.get(rootId)?.values() ?? []) if (slot instanceof BtrfsInode) this.held--;
    this.trees.delete(rootId);
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
  *all(): IterableIterator<BtrfsInode> {
    for (const tree of this.trees.values())
      for (const slot of tree.values()) if (slot instanceof BtrfsInode) yield slot;
  }

  private add(inode: BtrfsInode): void {
    if (this.held >= this.limit) this.prune();
    let tree = this.trees.get(inode.root.id);
    if (tree === undefined) {
      tree = new Map();
      this.trees.set(inode.root.id, tree);
    }
    tree.set(inode.ino, inode);
    this.held++;
  }

  /** Lets go of the older half of what nobody needs; who still has such an inode keeps the only one there is. */
  private prune(): void {
    let drop = this.held / 2;
    for (const tree of this.trees.values()) {
      for (const [ino, slot] of tree) {
        if (!(slot instanceof BtrfsInode)) {
          if (slot.deref() === undefined) tree.delete(ino);
        } else if (drop > 0 && !slot.needed) {
          tree.set(ino, new WeakRef(slot));
          this.held--;
          drop--;
        }
      }
    }
    // When most of them must stay, the next look waits until there are twice as many.
    this.limit = Math.max(MAX_HELD, this.held * 2);
  }
}
