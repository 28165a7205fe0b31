/**
 * Takes a deleted subvolume's tree apart, in steps that can be commits apart and are resumed after a crash: what is
 * done is noted in the ROOT_ITEM (drop_progress, drop_level).
 *
 * The walk goes down to what only this tree refers to, frees it on the way up, and drops one reference from what
 * others share. A shared block that this tree owns counts its pointers to the tree; since the tree goes away, they
 * are counted to the block instead (FULL_BACKREF), in all of the shared part that is younger than the snapshot which
 * this tree itself may be: the UPDATE stage. Mirrors btrfs_drop_snapshot() of extent-tree.c.
 */
import { corrupt } from '../../../core/errors.ts';
import { HEADER_SIZE, KEY_PTR_SIZE, KeyPtr, MAX_LEVEL } from '../structure/block.ts';
import { ExtentFlag } from '../structure/extent.ts';
import { Key } from '../structure/key.ts';
import type { TreeBlock } from '../tree/blocks.ts';
import type { TreeRoot } from '../tree/root.ts';
import { childBytenr, dropBlock, modifyPointers } from './cow.ts';
import { extentInfo, hasBlockRef } from './extent-info.ts';
import type { TransactionManager } from './transaction.ts';

/** The walk through one dead tree; step() until it says that nothing is left. */
export class TreeDrop {
  private readonly trans: TransactionManager;
  private readonly root: TreeRoot;
  /** The tree was made by copying another at this generation; older blocks are that one's. */
  private readonly origin: number;
  private readonly nodes: (TreeBlock | null)[] = new Array(MAX_LEVEL).fill(null);
  private readonly slots: number[] = new Array(MAX_LEVEL).fill(0);
  private readonly refs: number[] = new Array(MAX_LEVEL).fill(0);
  private readonly full: boolean[] = new Array(MAX_LEVEL).fill(false);
  private level: number;
  private updating = false;
  private sharedLevel = -1;
  /** Keys before this were converted by an earlier UPDATE stage. */
  private readonly updateProgress = new Key();
  private updateNeeded = true;
  private readonly dropProgress = new Key();
  private dropLevel = 0;
  /** Resumed: the reference at drop_progress may already have been dropped before the crash. */
  private unsure: boolean;
  private known = false;

  /** `origin`: the offset of the ROOT_ITEM's key. @throws FsError EUCLEAN */
  constructor(trans: TransactionManager, root: TreeRoot, origin: number) {
    this.trans = trans;
    this.root = root;
    this.origin = origin;
    this.level = root.level;
    trans.quotas.cannotAccount();
    const progress = root.item?.drop_progress;
    this.unsure = progress !== undefined && progress.objectid !== 0;
    this.setNode(root.level, this.read(root.bytenr, root.level, root.generation));
    if (this.unsure) this.resume(progress as Key);
  }

  /** Goes on until about `budget` blocks were looked at; true if nothing of the tree is left. Inside an operation. */
  step(budget: number): boolean {
    for (let turns = 0; ; turns++) {
      this.walkDown();
      if (this.walkUp()) return true;
      if (this.updating) continue;
      this.dropLevel = this.level;
      this.keyAt(this.level, this.slots[this.level] as number, this.dropProgress);
      if (turns < budget) continue;
      this.noteProgress();
      return false;
    }
  }

  private noteProgress(): void {
    const { item } = this.root;
    if (item === null) throw new Error(`tree ${this.root.id} has no root item`);
    const { drop_progress, drop_level } = item;
    this.trans.onUndo(() => Object.assign(item, { drop_progress, drop_level }));
    item.drop_progress = this.dropProgress.clone();
    item.drop_level = this.dropLevel;
    this.trans.markRoot(this.root);
  }

  /** Goes to where the ROOT_ITEM says that the walk was. */
  private resume(progress: Key): void {
    const { item, level: top } = this.root;
    const target = item?.drop_level ?? 0;
    this.updateProgress.copyFrom(progress);
    if (target === 0 || target > top)
      throw corrupt({ structure: `ROOT_ITEM of tree ${this.root.id}`, rule: `drop_level ${target}` });
    for (let level = top; ; level--) {
      const node = this.node(level);
      this.lookup(level, node.bytenr);
      this.slots[level] = slotOf(node, progress);
      if (level === target) break;
      const slot = this.slots[level] as number;
      this.setNode(level - 1, this.readChild(node, slot));
    }
    this.level = target;
  }

  private walkDown(): void {
    this.known = false;
    while (this.enter()) {
      const { level } = this;
      if (level === 0 || (this.slots[level] as number) >= this.node(level).nritems) return;
      if (!this.descend()) this.slots[level] = (this.slots[level] as number) + 1;
    }
  }

  /** Arrives at a block; false if there is nothing to look for below it. */
  private enter(): boolean {
    const { level, trans, root } = this;
    const node = this.node(level);
    if (this.updating && node.owner !== root.id) return false;
    if (!this.known && (this.updating ? !this.full[level] : this.refs[level] !== 1)) this.lookup(level, node.bytenr);
    if (!this.updating) return (this.refs[level] as number) <= 1;
    if (!this.full[level]) {
      modifyPointers(trans, root, node, true, 1);
      modifyPointers(trans, root, node, false, -1);
      trans.refs.setFlags(node.bytenr, trans.mp.nodeSize, level, ExtentFlag.FULL_BACKREF, trans.undoOrNull);
      this.full[level] = true;
    }
    return true;
  }

  /** Goes to the child at the current slot; false if it is left where it is, its reference dropped. */
  private descend(): boolean {
    const { level } = this;
    const node = this.node(level);
    const slot = this.slots[level] as number;
    const generation = KeyPtr.get.generation(node.view, HEADER_SIZE + slot * KEY_PTR_SIZE);
    if (this.updating && generation <= this.origin) {
      this.known = false;
      return false;
    }
    const bytenr = childBytenr(node, slot);
    this.lookup(level - 1, bytenr);
    this.known = true;
    if (!this.mustVisit(node, slot, generation)) {
      if (!this.updating) this.dropChild(node, bytenr);
      this.refs[level - 1] = 0;
      this.full[level - 1] = false;
      this.known = false;
      return false;
    }
    if (!this.updating && (this.refs[level - 1] as number) > 1) {
      this.updating = true;
      this.sharedLevel = level - 1;
    }
    this.setNode(level - 1, this.readChild(node, slot));
    this.level = level - 1;
    return true;
  }

  private mustVisit(node: TreeBlock, slot: number, generation: number): boolean {
    const child = this.level - 1;
    const leafDone = child === 0 && this.full[child] === true;
    if (this.updating) return !leafDone;
    if (this.refs[child] === 1) return true;
    if (leafDone || !this.updateNeeded || generation <= this.origin) return false;
    return key.read(node.view, HEADER_SIZE + slot * KEY_PTR_SIZE).compare(this.updateProgress) >= 0;
  }

  private dropChild(node: TreeBlock, bytenr: number): void {
    const { level, trans, root } = this;
    const parent = this.full[level] ? node.bytenr : 0;
    if (parent === 0 && node.owner !== root.id) throw this.strangeOwner(node);
    if (this.unsure) {
      if (!hasBlockRef(trans, bytenr, level - 1, root.id, parent)) return;
      this.unsure = false;
    }
    this.dropLevel = level;
    this.nextKey(level, this.dropProgress);
    trans.refs.modifyBlock(bytenr, trans.mp.nodeSize, level - 1, root.id, parent, 0, -1, trans.undoOrNull);
  }

  /** Leaves blocks whose last pointer was dealt with; true above the root node. */
  private walkUp(): boolean {
    let { level } = this;
    this.slots[level] = this.node(level).nritems;
    for (; level < MAX_LEVEL && this.nodes[level] !== null; level++) {
      this.level = level;
      const slot = this.slots[level] as number;
      if (slot + 1 < this.node(level).nritems) {
        this.slots[level] = slot + 1;
        return false;
      }
      if (!this.leave(level)) return false;
      this.setNode(level, null);
    }
    return true;
  }

  /** False if the block must be walked down again, having lost its other references meanwhile. */
  private leave(level: number): boolean {
    const { trans, root } = this;
    const node = this.node(level);
    if (this.updating) {
      if (level < this.sharedLevel) {
        this.refs[level] = 0;
        this.full[level] = false;
        return true;
      }
      if (!this.nextKey(level + 1, this.updateProgress)) this.updateNeeded = false;
      this.updating = false;
      this.sharedLevel = -1;
      this.slots[level] = 0;
      this.lookup(level, node.bytenr);
      if (this.refs[level] === 1 && level > 0) return false;
    }
    const last = this.refs[level] === 1;
    if (last && level === 0) modifyPointers(trans, root, node, this.full[level] === true, -1);
    const above = node.bytenr === root.bytenr ? node : this.node(level + 1);
    const parent = this.full[above.level] ? above.bytenr : 0;
    if (parent === 0 && above.owner !== root.id) throw this.strangeOwner(above);
    dropBlock(trans, root.id, node, parent, last);
    this.refs[level] = 0;
    this.full[level] = false;
    return true;
  }

  private lookup(level: number, bytenr: number): void {
    const { refs, flags } = extentInfo(this.trans, bytenr, level);
    if (refs <= 0) throw corrupt({ structure: 'tree block', addr: bytenr, rule: 'in use without a reference' });
    this.refs[level] = refs;
    this.full[level] = flags >= ExtentFlag.FULL_BACKREF;
  }

  /** The key after the current path at `level` or above; false at the end of the tree. */
  private nextKey(level: number, into: Key): boolean {
    for (let at = level; at < MAX_LEVEL; at++) {
      const node = this.nodes[at] ?? null;
      if (node === null) return false;
      const next = (this.slots[at] as number) + 1;
      if (next < node.nritems) {
        this.keyAt(at, next, into);
        return true;
      }
    }
    return false;
  }

  private keyAt(level: number, slot: number, into: Key): void {
    into.read(this.node(level).view, HEADER_SIZE + slot * KEY_PTR_SIZE);
  }

  private readChild(node: TreeBlock, slot: number): TreeBlock {
    const generation = KeyPtr.get.generation(node.view, HEADER_SIZE + slot * KEY_PTR_SIZE);
    return this.read(childBytenr(node, slot), node.level - 1, generation);
  }

  private read(bytenr: number, level: number, generation: number): TreeBlock {
    return this.trans.mp.blocks.read(bytenr, level, generation, 0);
  }

  private setNode(level: number, block: TreeBlock | null): void {
    this.nodes[level] = block;
    this.slots[level] = 0;
  }

  private node(level: number): TreeBlock {
    const node = this.nodes[level];
    if (node === null || node === undefined) throw new Error(`no block at level ${level}`);
    return node;
  }

  private strangeOwner(node: TreeBlock): Error {
    const rule = `owner ${node.owner} in tree ${this.root.id} without FULL_BACKREF`;
    return corrupt({ structure: 'tree block', addr: node.bytenr, rule });
  }
}

const key = new Key();

/** The last slot whose key is not above `wanted`. */
function slotOf(node: TreeBlock, wanted: Key): number {
  let low = 0;
  let high = node.nritems;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (wanted.compareAt(node.view, HEADER_SIZE + middle * KEY_PTR_SIZE) >= 0) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}
