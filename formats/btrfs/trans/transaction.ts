/**
 * The running transaction: everything changed since the last commit, in memory until the next one.
 *
 *     change()   one operation: all of it happens or nothing. What it touches is kept as it was (undo.ts), and its
 *                references to extents gather in delayed refs.
 *     commit()   everything since the last commit reaches the disk at once (commit.ts): tree blocks go to places that
 *                the committed trees do not use, then the superblock that names the new roots replaces the old one.
 *
 * Invariants: a block that a committed tree uses is never written again before the next superblock is on disk
 * (pinned.ts). Between two operations the trees in memory are a valid file system. After a commit that failed nothing
 * more is written: the disk keeps the last committed state. Mirrors transaction.c and ctree.c.
 */
import { FsError } from '../../../core/errors.ts';
import type { BtrfsMount } from '../mount.ts';
import type { TreeBlock } from '../tree/blocks.ts';
import type { TreeRoot } from '../tree/root.ts';
import { checkDeviceExtents } from '../volumes/device-extents.ts';
import { refuseWhileReplacing } from '../volumes/device-replace.ts';
import { commitTransaction } from './commit.ts';
import { cowBlock, dropBlock, inPlace, newBlock } from './cow.ts';
import { DelayedRefs, type Undo } from './delayed-refs.ts';
import { PinnedExtents } from './pinned.ts';
import { Quotas } from './quotas.ts';
import { runRefs } from './run-refs.ts';
import { UndoList } from './undo.ts';

/** Changed tree blocks above this are committed as soon as no atomic section is open, bytes. */
const DIRTY_LIMIT = 64 * 1024 * 1024;
/** Pending references above this are run between two operations: they take more memory than the blocks they touch. */
const REFS_LIMIT = 64 * 1024;
/** Blocks that an item may need: a path of copies and as many splits, as Linux reckons, for trees of usual height. */
const BLOCKS_PER_ITEM = 8;

/**
 * Operations that may use the space set aside: they free more than they take, or (write) finish what was accepted
 * when there was room for it.
 */
const MAY_DIG: ReadonlySet<string> = new Set([
  'unlink',
  'rmdir',
  'evict',
  'orphan',
  'truncate',
  'hole',
  'drop tree',
  'delete subvolume',
  'remove group',
  'write',
]);

export class TransactionManager {
  readonly mp: BtrfsMount;
  readonly refs = new DelayedRefs();
  readonly pinned = new PinnedExtents();
  readonly quotas: Quotas;
  /** True if anything was changed since the last commit that is to reach the disk. */
  running = false;
  /** True if anything was committed since the image was opened. */
  written = false;
  /** Grows with every operation and commit: what was answered about the trees before may be wrong. */
  version = 0;
  private readonly undo = new UndoList();
  private readonly undoStep: (inverse: () => void) => void = (inverse) => this.undo.push(inverse);
  private readonly deferred: (() => void)[] = [];
  private depth = 0;
  private atomic = 0;
  private committing = false;
  private ending = false;
  private failure: FsError | null = null;
  private births = 0;
  private readonly dirtyRoots = new Set<TreeRoot>();
  /** Trees that the running operation has changed. */
  private readonly touched = new Set<TreeRoot>();

  constructor(mp: BtrfsMount) {
    this.mp = mp;
    this.quotas = new Quotas(mp);
  }

  /** The generation that what changes now will have. */
  get id(): number {
    return this.mp.sb.generation + 1;
  }

  /** Where inverse steps go while an operation can be undone, else null. */
  get undoOrNull(): Undo {
    return this.depth > 0 && !this.committing ? this.undoStep : null;
  }

  /** True inside an operation, an atomic section or a commit: nothing may be committed now. */
  get busy(): boolean {
    return this.depth > 0 || this.atomic > 0 || this.committing;
  }

  /** True if no reference is pending and no ROOT_ITEM is out of date. */
  get settled(): boolean {
    if (this.refs.heads.size > 0) return false;
    for (const root of this.dirtyRoots) if (root.dirty && root.item !== null) return false;
    return true;
  }

  /** Counts births of tree blocks: what is younger than a snapshot of its tree is not part of it. */
  get clock(): number {
    return this.births;
  }

  /**
   * Runs `fn`, which touches at most `items` items, as one operation: if it throws, nothing has happened. Calls
   * inside `fn` belong to the outer operation.
   * @throws FsError ENOSPC before anything changes, EROFS, EIO after a failed commit; what `fn` throws
   */
  change<T>(name: string, items: number, fn: () => T): T {
    if (this.depth > 0) {
      this.depth++;
      try {
        return fn();
      } finally {
        this.depth--;
      }
    }
    this.admit(name);
    if (this.mp.readOnly) throw new FsError('EROFS');
    if (!this.running) {
      refuseWhileReplacing(this.mp);
      if (!this.written) checkDeviceExtents(this.mp);
      this.mp.space.members.enableWrites();
    }
    // May commit, to get back what was freed: only then this operation's transaction begins.
    return this.reserved(name, items, () => {
      this.running = true;
      return this.operate(fn);
    });
  }

  /**
   * As change(), but nothing of it reaches the disk unless something is changed afterwards: a log tree is replayed so,
   * for images that are only read too. @throws FsError as change() does
   */
  replay<T>(name: string, items: number, fn: () => T): T {
    this.admit(name);
    return this.reserved(name, items, () => this.operate(fn));
  }

  private reserved<T>(name: string, items: number, fn: () => T): T {
    const { groups, nodeSize } = this.mp;
    const bytes = items * BLOCKS_PER_ITEM * nodeSize;
    groups.reserveMeta(bytes, MAY_DIG.has(name));
    try {
      return fn();
    } finally {
      groups.releaseMeta(bytes);
    }
  }

  private operate<T>(fn: () => T): T {
    this.version++;
    this.quotas.begin();
    this.refs.touched = this.quotas.touched;
    let result: T;
    this.depth = 1;
    try {
      result = fn();
    } catch (error) {
      this.undo.restore();
      this.deferred.length = 0;
      // Cursors that survive the operation must not trust their paths.
      for (const root of this.touched) root.changes++;
      throw error;
    } finally {
      this.depth = 0;
      this.touched.clear();
    }
    this.undo.clear();
    for (const step of this.deferred.splice(0)) step();
    this.settle();
    return result;
  }

  /** Opens a section inside which no commit happens by itself; nests. */
  beginAtomic(): void {
    this.atomic++;
  }

  endAtomic(): void {
    this.atomic--;
    if (this.atomic === 0 && this.depth === 0) this.settle();
  }

  /** Makes everything since the last commit durable. File data must have been written before. @throws FsError EIO, ENOSPC */
  commit(): void {
    if (this.depth > 0) throw new Error('commit inside an operation');
    if (!this.running) return;
    if (this.settled && this.mp.blocks.dirtyCount === 0) {
      this.running = false;
      return;
    }
    this.guard('commit', () => commitTransaction(this));
  }

  /** Runs the pending references now; they would run at commit. @throws FsError EIO, ENOSPC, EUCLEAN */
  runRefs(): void {
    if (this.depth > 0) throw new Error('references run inside an operation');
    this.guard('references', () => runRefs(this));
  }

  /** `inverse` takes back a change in memory that was made just now, if the running operation fails. */
  onUndo(inverse: () => void): void {
    this.undoOrNull?.(inverse);
  }

  /** `step` runs when the running operation has succeeded (at once outside of one). */
  afterwards(step: () => void): void {
    if (this.undoOrNull === null) step();
    else this.deferred.push(step);
  }

  /**
   * The block to change in place of `block`, the child at `slot` of `parent` (null: the root node). Whoever changes
   * bytes of a tree block has it from here, in the same operation.
   */
  cow(root: TreeRoot, block: TreeBlock, parent: TreeBlock | null, slot: number): TreeBlock {
    this.touched.add(root);
    if (block.level === 0 && root.shareable) this.noteChange(root);
    if (inPlace(root, block)) {
      this.modify(block);
      return block;
    }
    this.mustRun();
    return cowBlock(this, root, block, parent, slot);
  }

  /** The bytes of `block`, which is changed in place in this transaction, are about to change. */
  modify(block: TreeBlock): void {
    if (this.undoOrNull !== null) this.undo.save(block);
  }

  /** A new, empty block for `root`. @throws FsError ENOSPC */
  allocTreeBlock(root: TreeRoot, level: number): TreeBlock {
    this.mustRun();
    this.addUsed(root, this.mp.nodeSize);
    return newBlock(this, root, level);
  }

  /** `block` is no longer part of `root`; nothing in it is referred to any more. */
  freeTreeBlock(root: TreeRoot, block: TreeBlock): void {
    this.addUsed(root, -this.mp.nodeSize);
    dropBlock(this, root.id, block, 0, true);
  }

  /** `block` is the root node of `root` now. */
  setRootNode(root: TreeRoot, block: TreeBlock): void {
    const { bytenr, level, generation, dirty } = root;
    this.quotas.rootMoves(root.id, root);
    root.bytenr = block.bytenr;
    root.level = block.level;
    root.generation = this.id;
    this.markRoot(root);
    this.undoOrNull?.(() => {
      root.bytenr = bytenr;
      root.level = level;
      root.generation = generation;
      root.dirty = dirty;
    });
  }

  /** The ROOT_ITEM of `root` must be written at commit. */
  markRoot(root: TreeRoot): void {
    root.dirty = true;
    this.dirtyRoots.add(root);
  }

  /** The tree `id` is gone: it has no ROOT_ITEM any more. */
  unmarkRoot(id: number): void {
    for (const root of this.dirtyRoots) {
      if (root.id !== id || !root.dirty) continue;
      root.dirty = false;
      this.undoOrNull?.(() => this.markRoot(root));
    }
    this.afterwards(() => this.quotas.treeDropped(id));
  }

  /** The roots whose ROOT_ITEM is to be written; they are marked clean. */
  takeDirtyRoots(): TreeRoot[] {
    const roots = [...this.dirtyRoots].filter((root) => root.dirty);
    this.dirtyRoots.clear();
    for (const root of roots) root.dirty = false;
    return roots;
  }

  /** `block` was made just now. */
  track(block: TreeBlock): void {
    block.born = ++this.births;
    this.undo.skip(block);
    this.undoOrNull?.(() => {
      this.mp.blocks.forget(block);
    });
  }

  /**
   * The transaction must end with the running operation: a tree was copied. A block of the copy that is not younger
   * than the copy itself is taken for the source's when the copy is dropped (drop-tree.ts, and Linux).
   */
  endSoon(): void {
    this.ending = true;
    this.undoOrNull?.(() => {
      this.ending = false;
    });
  }

  /** `block` is shared with no snapshot, although it is older than the last one. */
  rejuvenate(block: TreeBlock): void {
    block.born = ++this.births;
  }

  /** `block`, made in this transaction, is not needed any more. */
  untrack(block: TreeBlock): void {
    const { blocks } = this.mp;
    blocks.forget(block);
    this.undoOrNull?.(() => {
      blocks.restore(block);
    });
  }

  /** Everything is on disk: the next change begins a new transaction. */
  committed(): void {
    this.running = false;
    this.ending = false;
    this.written = true;
    this.quotas.committed();
  }

  private admit(name: string): void {
    if (this.committing) throw new Error(`${name} inside a commit`);
    if (this.failure !== null) throw new FsError('EIO', { detail: 'an earlier commit failed', cause: this.failure });
  }

  /** A subvolume's ROOT_ITEM says when its files were last changed; the time is filled in when it is written. */
  private noteChange(root: TreeRoot): void {
    const { item } = root;
    if (item === null || item.ctransid === this.id) return;
    const { ctransid } = item;
    item.ctransid = this.id;
    this.undoOrNull?.(() => {
      item.ctransid = ctransid;
    });
  }

  private mustRun(): void {
    if (this.depth === 0 && !this.committing) throw new Error('a tree is changed outside an operation');
  }

  private addUsed(root: TreeRoot, bytes: number): void {
    if (root.item === null) return;
    const { item } = root;
    item.bytes_used += bytes;
    this.undoOrNull?.(() => {
      item.bytes_used -= bytes;
    });
  }

  /** After an operation: keeps memory bounded. */
  private settle(): void {
    if (this.refs.heads.size > REFS_LIMIT) this.runRefs();
    if (this.atomic > 0) return;
    if (this.ending || this.mp.blocks.dirtyCount * this.mp.nodeSize > DIRTY_LIMIT) this.commit();
  }

  /** Steps that cannot be undone: after a failure nothing is ever written again. */
  private guard(name: string, step: () => void): void {
    if (this.failure !== null) throw new FsError('EIO', { detail: 'an earlier commit failed', cause: this.failure });
    this.committing = true;
    this.version++;
    try {
      step();
    } catch (error) {
      this.failure = error instanceof FsError ? error : new FsError('EIO', { detail: name, cause: error });
      throw error;
    } finally {
      this.committing = false;
    }
  }
}
