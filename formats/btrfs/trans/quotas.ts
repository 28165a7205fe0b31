/**
 * Quota groups. Simple quotas charge every extent to the tree that allocated it, and are kept exact: sums per tree
 * gather while references run and go to the tree's group and all groups above it at commit. Full quotas would need
 * all trees that share each extent; they are marked inconsistent, as Linux marks what it cannot account, and the next
 * rescan makes them right. Mirrors qgroup.c (btrfs_record_squota_delta, qgroup_mark_inconsistent, btrfs_run_qgroups).
 */
import type { BtrfsMount } from '../mount.ts';
import { readU64 } from '../structure/fields.ts';
import { ItemType, Key } from '../structure/key.ts';
import {
  QGROUP_STATUS_LEGACY_SIZE,
  QgroupInfoItem,
  QgroupLimitItem,
  QgroupStatusFlag,
  QgroupStatusItem,
} from '../structure/qgroup.ts';
import { TreeCursor } from '../tree/cursor.ts';
import type { TreeRoot } from '../tree/root.ts';
import { isFsTree } from '../tree/verify.ts';

export class Quotas {
  private readonly mp: BtrfsMount;
  private flags = 0;
  private enabledAt = 0;
  private known = false;
  /** Bytes to add per tree. */
  private readonly charges = new Map<number, number>();

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

  /** Adds the gathered sums to the groups. */
  writeOut(): void {
    const root = this.mp.quotaRoot();
    if (root === null || this.charges.size === 0) return;
    const charges = [...this.charges];
    this.charges.clear();
    for (const [tree, bytes] of charges) {
      if (bytes === 0) continue;
      for (const group of groupsAbove(root, tree)) addToGroup(root, group, bytes, this.mp.trans.id);
    }
  }

  /** The group of a new subvolume; with full quotas its numbers are as wrong as the others. */
  createGroup(tree: number): void {
    const root = this.mp.quotaRoot();
    if (root === null) return;
    const cursor = new TreeCursor(root);
    const key = new Key(0, ItemType.QGROUP_INFO, tree);
    if (!cursor.search(key)) {
      cursor.insert(key, QgroupInfoItem.size);
      QgroupInfoItem.set.generation(cursor.view, cursor.at, this.mp.trans.id);
    }
    key.set(0, ItemType.QGROUP_LIMIT, tree);
    if (!cursor.search(key)) cursor.insert(key, QgroupLimitItem.size);
    cursor.close();
  }

  private withStatus(fn: (cursor: TreeCursor) => void): void {
    const root = this.mp.quotaRoot();
    if (root === null) return;
    const cursor = new TreeCursor(root);
    if (cursor.search(new Key(0, ItemType.QGROUP_STATUS, 0))) fn(cursor);
    cursor.close();
  }
}

/** The tree's own group and all that contain it, each once. */
function groupsAbove(root: TreeRoot, tree: number): Key[] {
  // Only the offset of these keys, the group's id, is used.
  const groups = [new Key(0, ItemType.QGROUP_INFO, tree)];
  const cursor = new TreeCursor(root);
  const from = new Key();
  for (const group of groups) {
    from.oh = group.fh;
    from.ol = group.fl;
    from.type = ItemType.QGROUP_RELATION;
    from.fh = group.fh;
    from.fl = group.fl;
    cursor.search(from);
    // A relation is there twice, (child, parent) and (parent, child); parents have larger ids.
    for (; cursor.valid && cursor.key.type === from.type; cursor.next()) {
      const { oh, ol, fh, fl } = cursor.key;
      if (oh !== from.oh || ol !== from.ol) break;
      if (groups.some((known) => known.fh === fh && known.fl === fl)) continue;
      const parent = new Key(0, ItemType.QGROUP_INFO, 0);
      parent.fh = fh;
      parent.fl = fl;
      groups.push(parent);
    }
  }
  cursor.close();
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
