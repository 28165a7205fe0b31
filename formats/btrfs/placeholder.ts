/** What stands in a directory where a subvolume is named and none is (kernel: new_simple_dir). */
import { FsError } from '../../core/errors.ts';
import type { DirEntry, Stat } from '../../core/vfs/inode.ts';
import { BtrfsInode } from './inode.ts';
import { InodeItem } from './structure/inode.ts';

/** Its inode number; it is in no tree. */
const PLACEHOLDER_INO = 2;
const PLACEHOLDER_MODE = 0o040755;

/** The empty directory that Linux shows where a subvolume is named and none is. Nothing in it can be changed. */
export class Placeholder extends BtrfsInode {
  private readonly parent: BtrfsInode;

  constructor(parent: BtrfsInode) {
    super(parent.mp, parent.fs, parent.root, PLACEHOLDER_INO);
    this.parent = parent;
  }

  protected override read(into: DataView): boolean {
    const { parent } = this;
    const { seconds, nanoseconds } = this.mp.options.now();
    const now = { sec: seconds, nsec: nanoseconds };
    const { get } = InodeItem;
    InodeItem.encode(into, 0, {
      mode: PLACEHOLDER_MODE,
      nlink: 1,
      uid: get.uid(parent.item, 0),
      gid: get.gid(parent.item, 0),
      atime: get.atime(parent.item, 0),
      mtime: now,
      ctime: now,
    });
    return true;
  }

  /** Linux does not say when it was made. */
  override stat(): Stat {
    return { ...super.stat(), btime: null };
  }

  override edit(): void {
    throw new FsError('EPERM');
  }

  override lookup(): number | null {
    return null;
  }

  override child(name: string): BtrfsInode | null {
    if (name === '.') return this;
    return name === '..' ? this.parent : null;
  }

  override *entries(from = 0): IterableIterator<DirEntry> {
    if (from <= 0) yield { name: '.', ino: this.ino, kind: 'dir', offset: 1 };
    if (from <= 1) yield { name: '..', ino: this.parent.ino, kind: 'dir', offset: 2 };
  }
}
