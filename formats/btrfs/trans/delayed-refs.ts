/**
 * References to extents that were added or dropped in the running transaction but are not in the extent tree yet.
 * One head per extent gathers them: what cancels out (a block copied twice, an extent freed again) never reaches
 * the tree. They are run at commit, sorted by address (run-refs.ts). Mirrors delayed-ref.c.
 *
 * Invariant: for every head, `pending` is the sum of its nodes' `mod`. Every change made inside a running
 * operation can be taken back: its inverse goes to the undo list.
 */
import { ItemType } from '../structure/key.ts';
import { isFsTree } from '../structure/key-names.ts';

/** Remembers how to take a change back; null where nothing can be undone any more (at commit). */
export type Undo = ((inverse: () => void) => void) | null;

/** Who refers to an extent: a tree by its id, or one tree block by its address (`parent`, not 0). */
export interface RefNode {
  readonly type: number;
  /** The block that refers, for SHARED_BLOCK_REF and SHARED_DATA_REF; else 0. */
  readonly parent: number;
  /** Tree that refers, for the other types. */
  readonly root: number;
  /** Data: inode number. Tree block: its level. */
  readonly owner: number;
  /** Data: file offset, as it is and not as a label, minus offset in the extent; may be negative. */
  readonly offset: number;
  /** References to add (> 0) or to drop (< 0). */
  mod: number;
}

/** Above this many nodes a head finds them through an index. */
const INDEXED = 16;

/** All pending references of one extent. */
export class RefHead {
  readonly bytenr: number;
  readonly length: number;
  readonly isData: boolean;
  /** Level of the tree block; 255 for data. */
  readonly level: number;
  /** Allocated in this transaction: its extent item must still be inserted. */
  isNew = false;
  /** For simple quotas: the tree that allocated it. */
  owningRoot: number;
  /** Extent flags to set (FULL_BACKREF), or 0. */
  flagsToSet = 0;
  /** What the nodes sum up to. */
  pending = 0;
  readonly nodes: RefNode[] = [];
  private index: Map<string, RefNode> | null = null;

  constructor(bytenr: number, length: number, level: number, isData: boolean, owningRoot: number) {
    this.bytenr = bytenr;
    this.length = length;
    this.level = level;
    this.isData = isData;
    this.owningRoot = owningRoot;
  }

  /** Adds `mod` to the node of this reference; a node that reaches 0 goes away. */
  modify(type: number, parent: number, root: number, owner: number, offset: number, mod: number): void {
    this.pending += mod;
    const node = this.find(type, parent, root, owner, offset);
    if (node === undefined) {
      this.insert({ type, parent, root, owner, offset, mod });
      return;
    }
    node.mod += mod;
    if (node.mod === 0) this.remove(node);
  }

  /** Takes the next node to run out of the head: additions first, so that the count never reaches 0 in between. */
  take(): RefNode | undefined {
    const node = this.nodes.find((candidate) => candidate.mod > 0) ?? this.nodes[0];
    if (node === undefined) return undefined;
    this.remove(node);
    this.pending -= node.mod;
    return node;
  }

  private find(type: number, parent: number, root: number, owner: number, offset: number): RefNode | undefined {
    if (this.index !== null) return this.index.get(keyOf(type, parent, root, owner, offset));
    for (const node of this.nodes) {
      if (
        node.type === type &&
        node.parent === parent &&
        node.offset === offset &&
        node.owner === owner &&
        node.root === root
      ) {
        return node;
      }
    }
    return undefined;
  }

  private insert(node: RefNode): void {
    this.nodes.push(node);
    if (this.index !== null) {
      this.index.set(keyOf(node.type, node.parent, node.root, node.owner, node.offset), node);
    } else if (this.nodes.length > INDEXED) {
      this.index = new Map();
      for (const each of this.nodes) {
        this.index.set(keyOf(each.type, each.parent, each.root, each.owner, each.offset), each);
      }
    }
  }

  private remove(node: RefNode): void {
    const at = this.nodes.indexOf(node);
    const last = this.nodes.pop() as RefNode;
    if (last !== node) this.nodes[at] = last;
    this.index?.delete(keyOf(node.type, node.parent, node.root, node.owner, node.offset));
  }
}

function keyOf(type: number, parent: number, root: number, owner: number, offset: number): string {
  return `${type} ${parent} ${root} ${owner} ${offset}`;
}

/** The pending references of the running transaction, by extent. */
export class DelayedRefs {
  readonly heads = new Map<number, RefHead>();
  /** Lengths of the extents, by address, that changed hands between files' trees; null if nobody asks. */
  touched: Map<number, number> | null = null;

  /** The pending references of the extent at `bytenr`. */
  head(bytenr: number): RefHead | undefined {
    return this.heads.get(bytenr);
  }

  /**
   * Adds (`mod` > 0) or drops a reference of a tree (`parent` 0) or of the block `parent` to a tree block. `owning`:
   * the tree that allocated it, 0 if not known.
   */
  modifyBlock(
    bytenr: number,
    length: number,
    level: number,
    root: number,
    parent: number,
    owning: number,
    mod: number,
    undo: Undo,
  ): RefHead {
    if (this.touched !== null && (parent !== 0 || isFsTree(root))) this.touched.set(bytenr, length);
    const head = this.obtain(bytenr, length, level, false, owning, undo);
    const type = parent === 0 ? ItemType.TREE_BLOCK_REF : ItemType.SHARED_BLOCK_REF;
    change(head, type, parent, parent === 0 ? root : 0, level, 0, mod, undo);
    return head;
  }

  /** Adds (`mod` > 0) or drops references to a data extent, of a file or of the leaf at `parent`. */
  modifyData(
    bytenr: number,
    length: number,
    root: number,
    ino: number,
    offset: number,
    parent: number,
    owning: number,
    mod: number,
    undo: Undo,
  ): RefHead {
    this.touched?.set(bytenr, length);
    const head = this.obtain(bytenr, length, 255, true, owning, undo);
    if (parent === 0) change(head, ItemType.EXTENT_DATA_REF, 0, root, ino, offset, mod, undo);
    else change(head, ItemType.SHARED_DATA_REF, parent, 0, 0, 0, mod, undo);
    return head;
  }

  /** The extent of `head` was allocated just now, by `owningRoot`. */
  markNew(head: RefHead, owningRoot: number, undo: Undo): void {
    const { isNew, owningRoot: owner } = head;
    head.isNew = true;
    head.owningRoot = owningRoot;
    undo?.(() => {
      head.isNew = isNew;
      head.owningRoot = owner;
    });
  }

  /** Extent flags to set on a tree block. */
  setFlags(bytenr: number, length: number, level: number, flags: number, undo: Undo): void {
    const head = this.obtain(bytenr, length, level, false, 0, undo);
    const before = head.flagsToSet;
    head.flagsToSet |= flags;
    undo?.(() => {
      head.flagsToSet = before;
    });
  }

  /** Forgets a head of which nothing is left to run. */
  forget(head: RefHead, undo: Undo): void {
    this.heads.delete(head.bytenr);
    undo?.(() => this.heads.set(head.bytenr, head));
  }

  private obtain(bytenr: number, length: number, level: number, isData: boolean, owning: number, undo: Undo): RefHead {
    let head = this.heads.get(bytenr);
    if (head === undefined) {
      head = new RefHead(bytenr, length, level, isData, owning);
      this.heads.set(bytenr, head);
      undo?.(() => this.heads.delete(bytenr));
    } else if (head.owningRoot === 0) head.owningRoot = owning;
    return head;
  }
}

function change(
  head: RefHead,
  type: number,
  parent: number,
  root: number,
  owner: number,
  offset: number,
  mod: number,
  undo: Undo,
): void {
  head.modify(type, parent, root, owner, offset, mod);
  undo?.(() => head.modify(type, parent, root, owner, offset, -mod));
}
