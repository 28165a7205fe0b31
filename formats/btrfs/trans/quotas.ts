/**
 * Quota groups. Simple quotas charge every extent to the tree that allocated it: sums per tree gather while references
 * run, and go to the tree's group and all groups above it at commit. Full quotas count the trees that share an extent
 * (full-quotas.ts). Where that would take more than the extents that were touched, when snapshots are made or trees
 * dropped, they are marked inconsistent, as Linux marks what it cannot account; a rescan when the image is closed
 * makes them right, unless there is too much to count.
 * Mirrors qgroup.c (btrfs_record_squota_delta, qgroup_mark_inconsistent, btrfs_run_qgroups).
 */
import { FsError } from '../../../core/errors.ts';
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
import { accountExtents, countAllExtents, type OldPlace } from './full-quotas.ts';
import { addToGroup, groupsAbove, insertMissing, parentGroups, relation, setAllGroups } from './quota-items.ts';
import { QuotaLimits } from './quota-limits.ts';

/** Extent trees above this many bytes are left to Linux's rescan. */
const RESCAN_LIMIT = 64 * 1024 * 1024;

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
  /** Full quotas were right until this session could not go on counting. */
  private spoilt = false;
  private readonly extents = new Map<number, number>();
  readonly limits: QuotaLimits;

  constructor(mp: BtrfsMount) {
    this.mp = mp;
    this.limits = new QuotaLimits(mp);
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
      // Linux leaves this field as it finds it, with whatever was there, unless the quotas are simple ones.
      if (this.simple && cursor.size > QGROUP_STATUS_LEGACY_SIZE) {
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
    this.begin();
    if (!this.exact) return;
    this.flags |= QgroupStatusFlag.INCONSISTENT;
    this.spoilt = true;
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
    // Where nobody counts any more, what was promised is all that is known.
    if (this.simple || this.exact) this.limits.committed(dirtyBytes(this.mp));
  }

  private accountTouched(root: TreeRoot): void {
    const groups = new GroupNames(root);
    for (const [name, gain] of accountExtents(this.mp, this.extents, this.moved, groups.of)) {
      addToGroup(root, groups.key(name), gain, this.mp.trans.id, true);
    }
  }

  /** Counts everything anew if this session made full quotas inconsistent. Everything is committed. @throws FsError */
  rescan(): void {
    const root = this.mp.quotaRoot();
    if (root === null || !this.spoilt || (this.mp.extentRoot().item?.bytes_used ?? 0) > RESCAN_LIMIT) return;
    const groups = new GroupNames(root);
    const numbers = countAllExtents(this.mp, groups.of);
    try {
      this.mp.change('quota rescan', 16, () => setAllGroups(root, numbers, this.mp.trans.id));
    } catch (error) {
      // They stay marked.
      if (error instanceof FsError && error.code === 'ENOSPC') return;
      throw error;
    }
    this.flags &= ~QgroupStatusFlag.INCONSISTENT;
    this.spoilt = false;
  }

  /** The last block of the tree `id` was dropped. */
  treeDropped(id: number): void {
    this.dropped.push(id);
  }

  /** Adds the gathered sums to the groups, and removes those of dropped trees. */
  writeOut(): void {
    this.addCharges();
    for (const id of this.dropped.splice(0)) {
      this.removeGroup(id);
      this.limits.changed();
    }
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
    this.limits.changed();
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

/** What dirty pages will take, by tree. */
function* dirtyBytes(mp: BtrfsMount): Generator<[number, number]> {
  for (const ip of mp.inodes.changed()) if (ip.writing.reserved > 0) yield [ip.root.id, ip.writing.reserved];
}

/** The groups that trees count for, looked up once. */
class GroupNames {
  private readonly root: TreeRoot;
  private readonly names = new Map<number, string[]>();
  private readonly keys = new Map<string, Key>();

  constructor(root: TreeRoot) {
    this.root = root;
  }

  /** Names of the groups of a tree: the texts of their keys. */
  readonly of = (tree: number): readonly string[] => {
    let known = this.names.get(tree);
    if (known === undefined) {
      known = [];
      for (const group of groupsAbove(this.root, tree)) {
        this.keys.set(String(group), group);
        known.push(String(group));
      }
      this.names.set(tree, known);
    }
    return known;
  };

  key(name: string): Key {
    return this.keys.get(name) ?? new Key();
  }
}
