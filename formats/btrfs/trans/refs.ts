/** What the rest of btrfs says and asks about references to extents. */
import type { BtrfsMount } from '../mount.ts';
import type { TreeRoot } from '../tree/root.ts';
import { BackrefWalk, type FileRef } from './backref-walk.ts';
import { currentView } from './backrefs.ts';
import { crossReferenced, ShareCheck } from './sharing.ts';

/** A file's reference to a data extent. */
export interface DataOwner {
  /** Id of the tree. */
  readonly root: number;
  readonly ino: number;
  /** File offset (as it is, not as a label) minus offset in the extent, bytes; below 0 after cloning the middle of an extent to a file's start. */
  readonly offset: number;
  /** The leaf that refers, where the tree itself does not (relocation). */
  readonly parent?: number;
}

/** References to extents, by files. Changes happen inside mp.change(). */
export class ExtentReferences {
  private readonly mp: BtrfsMount;
  private check: ShareCheck | null = null;
  private checkVersion = -1;

  constructor(mp: BtrfsMount) {
    this.mp = mp;
  }

  /** One more reference to the extent of `length` bytes at `bytenr`; `isNew`: allocated just now, this is its first. */
  addData(bytenr: number, length: number, owner: DataOwner, isNew: boolean): void {
    const { trans } = this.mp;
    const undo = trans.undoOrNull;
    const { root, ino, offset, parent } = owner;
    const head = trans.refs.modifyData(bytenr, length, root, ino, offset, parent ?? 0, root, 1, undo);
    if (isNew) trans.refs.markNew(head, root, undo);
  }

  /** One reference less; the extent and its checksums are freed with the last. */
  dropData(bytenr: number, length: number, owner: DataOwner): void {
    const { trans } = this.mp;
    const { root, ino, offset, parent } = owner;
    trans.refs.modifyData(bytenr, length, root, ino, offset, parent ?? 0, root, -1, trans.undoOrNull);
  }

  /**
   * True if fiemap calls the extent shared. `generation`: that of the file's item, 0 if not known.
   * @throws FsError EUCLEAN
   */
  dataShared(root: TreeRoot, ino: number, bytenr: number, generation = 0): boolean {
    const { version } = this.mp.trans;
    let check = this.check;
    // What is known of the blocks above serves all extents of a file, until something changes.
    if (check === null || check.root !== root || check.ino !== ino || this.checkVersion !== version) {
      check = new ShareCheck(this.mp, root, ino);
      this.check = check;
      this.checkVersion = version;
    }
    return check.isShared(bytenr, generation);
  }

  /**
   * True if writing to the extent in place would show elsewhere; `offset` as in DataOwner. @throws FsError EUCLEAN
   */
  crossReferenced(root: TreeRoot, ino: number, offset: number, bytenr: number): boolean {
    return crossReferenced(this.mp, root, ino, offset, bytenr);
  }

  /** Every file position that uses the data extent at `bytenr`. @throws FsError ENOENT, EUCLEAN */
  filesOf(bytenr: number): FileRef[] {
    return new BackrefWalk(currentView(this.mp)).filesOf(bytenr);
  }
}
