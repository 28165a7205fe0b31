/**
 * Quota groups. Simple quotas charge every extent to the tree that allocated it: sums per tree gather while references
 * run, and go to the tree's group and all groups above it at commit. Full quotas count the trees that share an extent
 * (full-quotas.ts). Where that would take more than the extents that were touched, when snapshots are made or trees
 * dropped, they are marked inconsistent, as Linux marks what it cannot account: a rescan makes them right.
 * Mirrors qgroup.c (btrfs_record_squota_delta, qgroup_mark_inconsistent, btrfs_run_qgroups).
 */
import type { BtrfsMount } from '../mount.ts';
import { ItemType, Key } from '../structure/key.ts';
import { isFsTree } from '../structure/key-names.ts';
import {
  QGROUP_STATUS_LEGACY_SIZE,
  QgroupInfoItem,
  QgroupLimitItem,
  QgroupStatusFlag,
  QgroupStatusItem,
} from '../structure/qgroup.ts';
import { TreeCursor } from '../tree/cursor.ts';
import type { TreeRoot } from '../tree/root.ts';
import { accountExtents, type Gain, type OldPlace } from './full-quotas.ts';

export class Quotas {
  private readonly mp: BtrfsMount;
  private flags = 0;
  private enabledAt = 0;
  private known = false;
  /** Where the root nodes of moved trees were at the last commit, for full quotas. */
  private readonly moved = new Map<number, OldPlace>();
  /** Bytes to add per tree. */
  private readonly charges = new Map<number, number>();
  private readonly dropped: number[] = [];
  private readonly extents = new Map<number, number>();

  constructor(mp: BtrfsMount) {
    this.mp = mp;
  }

  /** True if simple quotas are on: extents note who allocated them. */
  get simple(): boolean {
    return (this.flags & QgroupStatusFlag.SIMPLE_MODE) !== 0;
  }

  /** True if full quotas are on and right so far. */
  private get exact(): boolean {
    return (this.flags & (QgroupStatusFlag.ON | QgroupStatusFlag.INCONSISTENT)) === QgroupStatusFlag.ON && !this.simple;
  }

  /** Learns the mode; called when a transaction begins. */
  begin(): void {
    if (this.known) return;
    this.known = true;
    this.withStatus((cursor) => {
      this.flags = QgroupStatusItem.get.flags(cursor.view, cursor.at);
      const generation = QgroupStatusItem.get.generation(cursor.view, cursor.at);
      // Somebody who does not keep quotas has written since.
      if (!this.simple && generation !== this.mp.sb.generation) this.flags |= QgroupStatusFlag.INCONSISTENT;
      if (cursor.size > QGROUP_STATUS_LEGACY_SIZE) {
        this.enabledAt = QgroupStatusItem.get.enable_gen(cursor.view, cursor.at);
      }
    });
  }

  /** `bytes` were allocated (or freed, below 0) by `root`, in an extent of this generation. */
  charge(root: number, bytes: number, generation: number): void {
    if (!this.simple || generation < this.enabledAt || !isFsTree(root)) return;
    this.charges.set(root, (this.charges.get(root) ?? 0) + bytes);
  }

  /** The extents whose references change are to be gathered here, or null. */
  get touched(): Map<number, number> | null {
    return this.exact ? this.extents : null;
  }

  /** The root node of tree `id` was at `place` when the transaction began, unless it has moved before. */
  rootMoves(id: number, place: OldPlace): void {
    if (this.exact && !this.moved.has(id)) this.moved.set(id, { ...place });
  }

  /** More extents change hands than those that are touched. */
  cannotAccount(): void {
    if (!this.simple && (this.flags & QgroupStatusFlag.ON) !== 0) this.flags |= QgroupStatusFlag.INCONSISTENT;
  }

  /** At commit, when all references have run: full quotas learn what has changed, and the status says until when. */
  account(): void {
    const root = this.mp.quotaRoot();
    if (root === null) return;
    if (this.exact) this.accountTouched(root);
    this.withStatus((cursor) => {
      cursor.edit();
      QgroupStatusItem.set.flags(cursor.view, cursor.at, this.flags);
      QgroupStatusItem.set.generation(cursor.view, cursor.at, this.mp.trans.id);
    });
  }

  /** The next transaction begins with the trees where they are now. */
  committed(): void {
    this.extents.clear();
    this.moved.clear();
  }

  private accountTouched(root: TreeRoot): void {
    const names = new Map<number, string[]>();
    const keys = new Map<string, Key>();
    const groupsOf = (tree: number): string[] => {
      let known = names.get(tree);
      if (known === undefined) {
        known = groupsAbove(root, tree).map((group) => {
          const name = String(group);
          keys.set(name, group);
          return name;
        });
        names.set(tree, known);
      }
      return known;
    };
    for (const [name, gain] of accountExtents(this.mp, this.extents, this.moved, groupsOf)) {
      const group = keys.get(name);
      if (group !== undefined) addToGroup(root, group, gain, this.mp.trans.id, true);
    }
  }

  /** The last block of the tree `id` was dropped. */
  treeDropped(id: number): void {
    this.dropped.push(id);
  }

  /** Adds the gathered sums to the groups, and removes those of dropped trees. */
  writeOut(): void {
    this.addCharges();
    for (const id of this.dropped.splice(0)) this.removeGroup(id);
  }

  private addCharges(): void {
    const root = this.mp.quotaRoot();
    if (root === null || this.charges.size === 0) return;
    const charges = [...this.charges];
    this.charges.clear();
    for (const [tree, bytes] of charges) {
      if (bytes === 0) continue;
      const gain = { rfer: bytes, excl: bytes };
      for (const group of groupsAbove(root, tree)) addToGroup(root, group, gain, this.mp.trans.id, false);
    }
  }

  /**
   * The group of a new subvolume `tree`, made in a directory of the tree `inside`. With simple quotas it joins the
   * groups that the outer one's is in; with full ones its numbers are as wrong as the others until the next rescan.
   */
  createGroup(tree: number, inside: number): void {
    const root = this.mp.quotaRoot();
    if (root === null) return;
    insertMissing(root, new Key(0, ItemType.QGROUP_INFO, tree), QgroupInfoItem.size, this.mp.trans.id);
    insertMissing(root, new Key(0, ItemType.QGROUP_LIMIT, tree), QgroupLimitItem.size);
    if (!this.simple) return;
    const own = new Key(0, ItemType.QGROUP_INFO, tree);
    for (const group of parentGroups(root, new Key(0, ItemType.QGROUP_INFO, inside))) {
      insertMissing(root, relation(own, group), 0);
      insertMissing(root, relation(group, own), 0);
    }
  }

  /** The group of a subvolume of which nothing is left goes too, unless extents are still charged to it. */
  private removeGroup(tree: number): void {
    const root = this.mp.quotaRoot();
    if (root === null) return;
    const cursor = new TreeCursor(root);
    const own = new Key(0, ItemType.QGROUP_INFO, tree);
    try {
      if (!cursor.search(own)) return;
      const { view, at } = cursor;
      if (this.simple && (QgroupInfoItem.get.rfer(view, at) !== 0 || QgroupInfoItem.get.excl(view, at) !== 0)) return;
      cursor.delete();
      if (cursor.search(new Key(0, ItemType.QGROUP_LIMIT, tree))) cursor.delete();
      for (const group of parentGroups(root, own)) {
        if (cursor.search(relation(own, group))) cursor.delete();
        if (cursor.search(relation(group, own))) cursor.delete();
      }
    } finally {
      cursor.close();
    }
  }

  private withStatus(fn: (cursor: TreeCursor) => void): void {
    const root = this.mp.quotaRoot();
    if (root === null) return;
    const cursor = new TreeCursor(root);
    if (cursor.search(new Key(0, ItemType.QGROUP_STATUS, 0))) fn(cursor);
    cursor.close();
  }
}

/** Key of the item that says that `from` and `to` belong together; of the keys given only the offset, an id, counts. */
function relation(from: Key, to: Key): Key {
  const key = new Key(0, ItemType.QGROUP_RELATION, 0);
  key.oh = from.fh;
  key.ol = from.fl;
  key.fh = to.fh;
  key.fl = to.fl;
  return key;
}

function insertMissing(root: TreeRoot, key: Key, size: number, generation?: number): void {
  const cursor = new TreeCursor(root);
  if (!cursor.search(key)) {
    cursor.insert(key, size);
    if (generation !== undefined) QgroupInfoItem.set.generation(cursor.view, cursor.at, generation);
  }
  cursor.close();
}

/** The groups that contain `group`. A relation is there twice, under either id; those above have the larger one. */
function parentGroups(root: TreeRoot, group: Key): Key[] {
  const parents: Key[] = [];
  const from = relation(group, group);
  const cursor = new TreeCursor(root);
  cursor.search(from);
  for (; cursor.valid && cursor.key.type === from.type; cursor.next()) {
    const { oh, ol, fh, fl } = cursor.key;
    if (oh !== from.oh || ol !== from.ol) break;
    const parent = new Key(0, ItemType.QGROUP_INFO, 0);
    parent.fh = fh;
    parent.fl = fl;
    parents.push(parent);
  }
  cursor.close();
  return parents;
}

/** The tree's own group and all that contain it, each once. */
function groupsAbove(root: TreeRoot, tree: number): Key[] {
  const groups = [new Key(0, ItemType.QGROUP_INFO, tree)];
  for (const group of groups) {
    for (const parent of parentGroups(root, group)) {
      if (!groups.some((known) => known.fh === parent.fh && known.fl === parent.fl)) groups.push(parent);
    }
  }
  return groups;
}

function addToGroup(root: TreeRoot, group: Key, gain: Gain, generation: number, compressed: boolean): void {
  if (gain.rfer === 0 && gain.excl === 0) return;
  const cursor = new TreeCursor(root);
  if (cursor.search(group)) {
    cursor.edit();
    const { view, at } = cursor;
    const { get, set } = QgroupInfoItem;
    set.generation(view, at, generation);
    set.rfer(view, at, get.rfer(view, at) + gain.rfer);
    set.excl(view, at, get.excl(view, at) + gain.excl);
    if (compressed) {
      set.rfer_cmpr(view, at, get.rfer_cmpr(view, at) + gain.rfer);
      set.excl_cmpr(view, at, get.excl_cmpr(view, at) + gain.excl);
    }
  }
  cursor.close();
}
