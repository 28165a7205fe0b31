/**
 * Quota groups. Simple quotas charge every extent to the tree that allocated it, and are kept exact: sums per tree
 * gather while references run and go to the tree's group and all groups above it at commit. Full quotas would need
 * all trees that share each extent; they are marked inconsistent, as Linux marks what it cannot account, and the next
 * rescan makes them right. Mirrors qgroup.c (btrfs_record_squota_delta, qgroup_mark_inconsistent, btrfs_run_qgroups).
 */
import type { BtrfsMount } from '../mount.ts';
import { readU64 } from '../structure/fields.ts';
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


export class Quotas {
  private readonly mp: BtrfsMount;
  private flags = 0;
  private enabledAt = 0;
  private known = false;
  /** Bytes to add per tree. */
  private readonly charges = new Map<number, number>();
  private readonly dropped: number[] = [];

  constructor(mp: BtrfsMount) {
    this.mp = mp;
  }

  /** True if simple quotas are on: extents note who allocated them. */
  get simple(): boolean {
    return (this.flags & QgroupStatusFlag.SIMPLE_MODE) !== 0;
  }

  /** Learns the mode; called when a transaction begins. */
  begin(): void {
    if (this.known) return;
    this.known = true;
    this.withStatus((cursor) => {
      this.flags = QgroupStatusItem.get.flags(cursor.view, cursor.at);
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

  /** Notes in the status that the trees have changed. */
  markChanged(): void {
    this.withStatus((cursor) => {
      cursor.edit();
      if (!this.simple) this.flags |= QgroupStatusFlag.INCONSISTENT;
      QgroupStatusItem.set.flags(cursor.view, cursor.at, this.flags);
      QgroupStatusItem.set.generation(cursor.view, cursor.at, this.mp.trans.id);
    });
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
      for (const group of groupsAbove(root, tree)) addToGroup(root, group, bytes, this.mp.trans.id);
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

function addToGroup(root: TreeRoot, group: Key, bytes: number, generation: number): void {
  const cursor = new TreeCursor(root);
  if (cursor.search(group)) {
    cursor.edit();
    const { view, at } = cursor;
    QgroupInfoItem.set.generation(view, at, generation);
    for (const field of ['rfer', 'excl'] as const) {
      QgroupInfoItem.set[field](view, at, readU64(view, at + QgroupInfoItem.at[field]) + bytes);
    }
  }
  cursor.close();
}
