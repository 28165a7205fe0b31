/**
 * Full quotas: how many bytes each subvolume, and each group above it, refers to, and how many nobody else does. For
 * every extent whose references changed in a transaction, the trees that reached it before are asked of the committed
 * trees (copy on write keeps them whole until the superblock is written), those that reach it now of the trees in
 * memory; the difference goes to the groups. Mirrors btrfs_qgroup_account_extents() and qgroup_update_counters().
 */
import type { BtrfsMount } from '../mount.ts';
import { ItemType } from '../structure/key.ts';
import { isFsTree } from '../structure/key-names.ts';
import { TreeCursor } from '../tree/cursor.ts';
import { TreeRoot } from '../tree/root.ts';
import { BackrefWalk } from './backref-walk.ts';
import { currentView, type TreesView } from './backrefs.ts';
import type { Gain } from './quota-items.ts';

/** Where the root nodes of trees were that have moved since the last commit. */
export interface OldPlace {
  readonly bytenr: number;
  readonly level: number;
  readonly generation: number;
}

/** The trees as the last commit left them. */
function committedView(mp: BtrfsMount, moved: ReadonlyMap<number, OldPlace>): TreesView {
  const trees = new Map<number, TreeRoot | null>();
  const tree = (id: number): TreeRoot | null => {
    const place = moved.get(id);
    const now = mp.rootOrNull(id);
    if (place === undefined || now === null) return now;
    let old = trees.get(id);
    if (old === undefined) {
      // A tree that was made in this transaction had no root node before.
      old = place.bytenr === 0 ? null : new TreeRoot(mp, id, place, now.item, now.keyOffset);
      trees.set(id, old);
    }
    return old;
  };
  const extentRoot = tree(mp.extentRoot().id) as TreeRoot;
  return { mp, extentRoot: () => extentRoot, tree, pending: () => undefined };
}

/**
 * Works out what the groups gain by the changes of a transaction, whose references have all run. `touched`: lengths of
 * extents by address; `groupsOf`: names of all groups that a tree counts for. @throws FsError EUCLEAN
 */
export function accountExtents(
  mp: BtrfsMount,
  touched: ReadonlyMap<number, number>,
  moved: ReadonlyMap<number, OldPlace>,
  groupsOf: (tree: number) => readonly string[],
): Map<string, Gain> {
  const before = new BackrefWalk(committedView(mp, moved));
  const after = new BackrefWalk(currentView(mp));
  const gains = new Map<string, Gain>();
  for (const [bytenr, length] of touched) {
    const old = fsTrees(before.rootsOf(bytenr));
    addDifference(gains, length, old, fsTrees(after.rootsOf(bytenr)), groupsOf);
  }
  return gains;
}

/** What all groups refer to, counted from nothing; no reference may be pending. @throws FsError EUCLEAN */
export function countAllExtents(mp: BtrfsMount, groupsOf: (tree: number) => readonly string[]): Map<string, Gain> {
  const walk = new BackrefWalk(currentView(mp));
  const sums = new Map<string, Gain>();
  const cursor = new TreeCursor(mp.extentRoot());
  for (let more = cursor.first(); more; more = cursor.next()) {
    const { key } = cursor;
    if (key.type !== ItemType.EXTENT_ITEM && key.type !== ItemType.METADATA_ITEM) continue;
    const length = key.type === ItemType.EXTENT_ITEM ? key.offset : mp.nodeSize;
    addDifference(sums, length, [], fsTrees(walk.rootsOf(key.objectid)), groupsOf);
  }
  cursor.close();
  return sums;
}

/** An extent was reached by the trees `old` and now is by `now`: what that means for every group. */
function addDifference(
  gains: Map<string, Gain>,
  length: number,
  old: readonly number[],
  now: readonly number[],
  groupsOf: (tree: number) => readonly string[],
): void {
  const oldCounts = countGroups(old, groupsOf);
  const nowCounts = countGroups(now, groupsOf);
  for (const group of new Set([...oldCounts.keys(), ...nowCounts.keys()])) {
    const had = oldCounts.get(group) ?? 0;
    const has = nowCounts.get(group) ?? 0;
    const gain = gains.get(group) ?? { rfer: 0, excl: 0 };
    gain.rfer += length * (Number(has > 0) - Number(had > 0));
    gain.excl += length * (Number(has > 0 && has === now.length) - Number(had > 0 && had === old.length));
    gains.set(group, gain);
  }
}

function fsTrees(roots: ReadonlySet<number>): number[] {
  return [...roots].filter(isFsTree);
}

/** In how many of the trees each group has a part. */
function countGroups(trees: readonly number[], groupsOf: (tree: number) => readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const tree of trees) {
    for (const group of groupsOf(tree)) counts.set(group, (counts.get(group) ?? 0) + 1);
  }
  return counts;
}
