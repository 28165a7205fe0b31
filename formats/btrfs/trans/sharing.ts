/**
 * Is a data extent shared? Twice the question, as Linux asks it twice, with different answers:
 *
 *     isShared()        for fiemap: by other files, by another place of the same file, or by another tree that shares
 *                       a block on the way to it (btrfs_is_data_extent_shared of backref.c)
 *     crossReferenced() for writing in place: anything but references of this one file with this one origin
 *                       (btrfs_cross_ref_exist of extent-tree.c); a snapshot taken since counts even if deleted again,
 *                       and so does a user who let go of it after the last commit
 */
import { corrupt } from '../../../core/errors.ts';
import type { BtrfsMount } from '../mount.ts';
import { MAX_LEVEL } from '../structure/block.ts';
import { ExtentItem } from '../structure/extent.ts';
import { ItemType, Key } from '../structure/key.ts';
import { TreeCursor } from '../tree/cursor.ts';
import type { TreeRoot } from '../tree/root.ts';
import { BackrefWalk } from './backref-walk.ts';
import { currentView, type ExtentRefs, extentRefs, type TreesView, visitRefs } from './backrefs.ts';
import type { RefNode } from './delayed-refs.ts';

/** Answers kept, as many as Linux keeps. */
const REMEMBERED = 8;

/** Asks for the extents of one file, in one state of the trees: what is known of blocks is kept. */
export class ShareCheck {
  private readonly view: TreesView;
  readonly root: TreeRoot;
  readonly ino: number;
  private readonly walk: BackrefWalk;
  private readonly blocks = new Map<number, boolean>();
  private readonly answers = new Map<number, boolean>();

  constructor(mp: BtrfsMount, root: TreeRoot, ino: number) {
    this.view = currentView(mp);
    this.root = root;
    this.ino = ino;
    this.walk = new BackrefWalk(this.view);
  }

  /** `generation`: that of the file's item, 0 if not known. @throws FsError EUCLEAN */
  isShared(bytenr: number, generation = 0): boolean {
    // An extent of which a file uses many pieces is asked for once for each.
    let answer = this.answers.get(bytenr);
    if (answer === undefined) {
      if (this.answers.size >= REMEMBERED) this.answers.clear();
      answer = this.find(bytenr, generation);
      this.answers.set(bytenr, answer);
    }
    return answer;
  }

  private find(bytenr: number, generation: number): boolean {
    const direct = this.directRefs(bytenr);
    if (direct === null) return true;
    // Younger than the last snapshot of this tree: nobody can have got it with a shared block.
    if (generation > this.root.lastSnapshot) return false;
    return this.anyShared(direct, 0);
  }

  /** References of the extent, merged; null once it is known to be shared. */
  private directRefs(bytenr: number): ExtentRefs | null {
    const counts = new Map<string, RefNode>();
    let users = 0;
    let dropsPending = false;
    let shared = false;
    const found = visitRefs(this.view, bytenr, {
      visit: (ref, pending) => {
        if (ref.type === ItemType.EXTENT_DATA_REF) {
          if (pending) dropsPending ||= ref.mod < 0;
          else if (ref.owner !== this.ino && !dropsPending) shared = true;
        }
        const name = `${ref.parent} ${ref.root} ${ref.owner} ${ref.offset}`;
        const known = counts.get(name);
        const before = known?.mod ?? 0;
        const after = before + ref.mod;
        if (known === undefined) counts.set(name, { ...ref });
        else known.mod = after;
        if (before > 0 && after < 1) users--;
        else if (before < 1 && after > 0) users++;
        // A pending drop may still take one away.
        return shared || (!pending && users > 1);
      },
    });
    if (shared || users > 1) return null;
    const refs = [...counts.values()].filter((ref) => ref.mod !== 0);
    return { bytenr, length: found?.length ?? 0, isData: true, level: -1, refs };
  }

  /** True if one of the references, or of the blocks above, belongs to another tree. */
  private anyShared(extent: ExtentRefs, steps: number): boolean {
    if (extent.refs.some((ref) => ref.parent === 0 && ref.root !== this.root.id)) return true;
    for (const parent of this.walk.parents(extent)) if (this.blockShared(parent, steps)) return true;
    return false;
  }

  private blockShared(bytenr: number, steps: number): boolean {
    const known = this.blocks.get(bytenr);
    if (known !== undefined) return known;
    if (steps > MAX_LEVEL) throw corrupt({ structure: 'back references', addr: bytenr, rule: 'higher than a tree' });
    this.blocks.set(bytenr, false);
    const extent = extentRefs(this.view, bytenr);
    const shared = extent !== null && this.anyShared(extent, steps + 1);
    this.blocks.set(bytenr, shared);
    return shared;
  }
}

/**
 * True if the extent at `bytenr` is used by more than the file `ino` of `root` with the origin `offset` (file offset
 * minus offset in the extent). @throws FsError EUCLEAN
 */
export function crossReferenced(mp: BtrfsMount, root: TreeRoot, ino: number, offset: number, bytenr: number): boolean {
  const cursor = new TreeCursor(mp.extentRoot());
  try {
    const found = cursor.searchBack(new Key(bytenr, ItemType.EXTENT_ITEM, -1));
    const known = found || (cursor.valid && cursor.key.objectid === bytenr && cursor.key.type === ItemType.EXTENT_ITEM);
    if (known && ExtentItem.get.generation(cursor.view, cursor.at) <= root.lastSnapshot) return true;
  } finally {
    cursor.close();
  }
  let crossed = false;
  visitRefs(currentView(mp), bytenr, {
    // A reference whose drop is pending counts too: until that has run, Linux takes the extent for shared.
    visit(ref) {
      crossed =
        ref.type !== ItemType.EXTENT_DATA_REF || ref.root !== root.id || ref.owner !== ino || ref.offset !== offset;
      return crossed;
    },
  });
  return crossed;
}
