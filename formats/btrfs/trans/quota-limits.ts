/**
 * Limits of quota groups: what a write or a new name will take is promised to the groups of its tree before, and
 * refused with EDQUOT where one would exceed a limit. A group has what its item says, which the commits keep, and what
 * was promised since the last one (kernel: qgroup_reserve, qgroup_check_limits, btrfs_qgroup_reserve_meta).
 */
import { FsError } from '../../../core/errors.ts';
import type { BtrfsMount } from '../mount.ts';
import { ItemType, Key } from '../structure/key.ts';
import { isFsTree } from '../structure/key-names.ts';
import { QgroupInfoItem, QgroupLimitFlag, QgroupLimitItem } from '../structure/qgroup.ts';
import { TreeCursor } from '../tree/cursor.ts';
import type { TreeRoot } from '../tree/root.ts';
import { groupsAbove } from './quota-items.ts';

/** What a group may have, in bytes. */
interface Limit {
  readonly group: Key;
  readonly referenced: number;
  readonly exclusive: number;
}

export class QuotaLimits {
  private readonly mp: BtrfsMount;
  /** By the text of the group's key; null until they were read. */
  private limits: Map<string, Limit> | null = null;
  /** Bytes promised since the last commit, by tree. */
  private readonly promised = new Map<number, number>();
  /** Groups with limits that a tree counts for. */
  private readonly above = new Map<number, readonly Limit[]>();

  constructor(mp: BtrfsMount) {
    this.mp = mp;
  }

  /** Promises bytes to the tree's groups; `extra` are needed at the same time, but not for long. @throws FsError EDQUOT */
  reserve(tree: number, bytes: number, extra = 0): void {
    if (this.limits?.size === 0) return;
    const limits = this.limitsOf(tree);
    if (limits.length === 0) return;
    for (const limit of limits) this.check(limit, bytes + extra);
    this.promised.set(tree, (this.promised.get(tree) ?? 0) + bytes);
  }

  /** As reserve() for the blocks that an operation may change, one an item; they are counted when it is done. */
  reserveItems(tree: number, items: number): void {
    this.reserve(tree, 0, items * this.mp.nodeSize);
  }

  /** A promise of this transaction that came to nothing. */
  giveBack(tree: number, bytes: number): void {
    const promised = this.promised.get(tree);
    if (promised !== undefined) this.promised.set(tree, Math.max(0, promised - bytes));
  }

  /** The groups' items say what was promised before; `dirty` bytes of a tree are still to come. */
  committed(dirty: Iterable<readonly [tree: number, bytes: number]>): void {
    if (this.promised.size === 0) return;
    this.promised.clear();
    for (const [tree, bytes] of dirty) this.promised.set(tree, (this.promised.get(tree) ?? 0) + bytes);
  }

  /** Groups and their relations changed: a subvolume came or went. */
  changed(): void {
    this.above.clear();
  }

  private check({ group, referenced, exclusive }: Limit, bytes: number): void {
    const cursor = new TreeCursor(this.mp.quotaRoot() as TreeRoot);
    try {
      if (!cursor.search(group)) return;
      const { view, at } = cursor;
      const { get } = QgroupInfoItem;
      const wanted = this.promisedTo(group) + bytes;
      if (get.rfer(view, at) + wanted > referenced || get.excl(view, at) + wanted > exclusive)
        throw new FsError('EDQUOT');
    } finally {
      cursor.close();
    }
  }

  private promisedTo(group: Key): number {
    let sum = 0;
    for (const [tree, bytes] of this.promised)
      if (this.limitsOf(tree).some((limit) => String(limit.group) === String(group))) sum += bytes;
    return sum;
  }

  private limitsOf(tree: number): readonly Limit[] {
    const known = this.above.get(tree);
    if (known !== undefined) return known;
    this.limits ??= this.read();
    const root = this.mp.quotaRoot();
    const found =
      root === null || this.limits.size === 0 || !isFsTree(tree)
        ? []
        : groupsAbove(root, tree).flatMap((group) => this.limits?.get(String(group)) ?? []);
    this.above.set(tree, found);
    return found;
  }

  private read(): Map<string, Limit> {
    const limits = new Map<string, Limit>();
    const root = this.mp.quotaRoot();
    if (root === null) return limits;
    const cursor = new TreeCursor(root);
    cursor.search(new Key(0, ItemType.QGROUP_LIMIT, 0));
    for (; cursor.valid && cursor.key.type === ItemType.QGROUP_LIMIT; cursor.next()) {
      const { key, view, at } = cursor;
      const { get } = QgroupLimitItem;
      const flags = get.flags(view, at);
      const limit = (flag: number, value: number) => ((flags & flag) === 0 ? Number.POSITIVE_INFINITY : value);
      const group = new Key(0, ItemType.QGROUP_INFO, 0);
      group.fh = key.fh;
      group.fl = key.fl;
      const referenced = limit(QgroupLimitFlag.MAX_RFER, get.max_rfer(view, at));
      const exclusive = limit(QgroupLimitFlag.MAX_EXCL, get.max_excl(view, at));
      if (referenced !== Number.POSITIVE_INFINITY || exclusive !== Number.POSITIVE_INFINITY)
        limits.set(String(group), { group, referenced, exclusive });
    }
    cursor.close();
    return limits;
  }
}
