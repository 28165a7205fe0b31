/**
 * Who refers to an extent, by its back references: inline, keyed and pending ones taken together. A reference is
 * either direct (it names the block that holds the pointer) or indirect (it names a tree, and how to search in it).
 * Mirrors find_parent_nodes() of backref.c, its first half.
 */
import { corrupt } from '../../../core/errors.ts';
import type { BtrfsMount } from '../mount.ts';
import { ExtentDataRef, ExtentFlag, ExtentItem, TreeBlockInfo } from '../structure/extent.ts';
import { readU64 } from '../structure/fields.ts';
import { ItemType, Key } from '../structure/key.ts';
import { TreeCursor } from '../tree/cursor.ts';
import type { TreeRoot } from '../tree/root.ts';
import type { RefHead, RefNode } from './delayed-refs.ts';
import { inlineRefCount, inlineRefSize, inlineRefsStart } from './inline-refs.ts';

/** The trees in one state: as they are now, or as the last commit left them. */
export interface TreesView {
  readonly mp: BtrfsMount;
  extentRoot(): TreeRoot;
  /** Null if there is no such tree. */
  tree(id: number): TreeRoot | null;
  /** References that are not in the extent tree yet. */
  pending(bytenr: number): RefHead | undefined;
}

/** The trees as they are in memory. */
export function currentView(mp: BtrfsMount): TreesView {
  return {
    mp,
    extentRoot: () => mp.extentRoot(),
    tree: (id) => mp.rootOrNull(id),
    pending: (bytenr) => mp.trans.refs.head(bytenr),
  };
}

/** An extent and all that refers to it. */
export interface ExtentRefs {
  readonly bytenr: number;
  /** Bytes of the extent, pending ones' too. */
  readonly length: number;
  readonly isData: boolean;
  /** Level of a tree block. */
  readonly level: number;
  /** References with their counts in `mod`; never 0. */
  readonly refs: readonly RefNode[];
}

/** What visitRefs() calls; a true answer ends the visit. */
export interface RefVisitor {
  /** All pending references come first, then those of the extent tree. */
  visit(ref: RefNode, pending: boolean): boolean;
}

interface Found {
  readonly length: number;
  readonly isData: boolean;
  readonly level: number;
}

const key = new Key();

/** Hands every reference to the extent at `bytenr` to `visitor`; null if there is no such extent. @throws FsError EUCLEAN */
export function visitRefs(view: TreesView, bytenr: number, visitor: RefVisitor): Found | null {
  const head = view.pending(bytenr);
  let found: Found | null = null;
  if (head !== undefined) {
    found = { length: head.length, isData: head.isData, level: head.isData ? -1 : head.level };
    for (const node of head.nodes) if (visitor.visit(node, true)) return found;
    if (head.isNew) return found;
  }
  const cursor = new TreeCursor(view.extentRoot());
  try {
    cursor.search(key.set(bytenr, ItemType.EXTENT_ITEM, 0));
    if (!cursor.valid || !sameObjectid(cursor.key, bytenr)) return found;
    const type = cursor.key.type;
    if (type !== ItemType.EXTENT_ITEM && type !== ItemType.METADATA_ITEM) return found;
    found = describe(view.mp, cursor);
    if (visitInline(cursor, found, visitor)) return found;
    while (cursor.next() && sameObjectid(cursor.key, bytenr) && cursor.key.type < ItemType.BLOCK_GROUP_ITEM) {
      const ref = keyedRef(cursor, found.level);
      if (ref !== null && visitor.visit(ref, false)) break;
    }
    return found;
  } finally {
    cursor.close();
  }
}

/** Everything that refers to the extent at `bytenr`, pending changes counted in; null if there is none. */
export function extentRefs(view: TreesView, bytenr: number): ExtentRefs | null {
  const merged = new Map<string, RefNode>();
  const found = visitRefs(view, bytenr, {
    visit(ref) {
      const name = `${ref.type} ${ref.parent} ${ref.root} ${ref.owner} ${ref.offset}`;
      const known = merged.get(name);
      if (known === undefined) merged.set(name, { ...ref });
      else known.mod += ref.mod;
      return false;
    },
  });
  if (found === null) return null;
  return { bytenr, ...found, refs: [...merged.values()].filter((ref) => ref.mod !== 0) };
}

function sameObjectid(at: Key, bytenr: number): boolean {
  return at.oh * 0x1_0000_0000 + at.ol === bytenr;
}

function describe(mp: BtrfsMount, cursor: TreeCursor): Found {
  const { view, at, size } = cursor;
  if (cursor.key.type === ItemType.METADATA_ITEM) {
    return { length: mp.nodeSize, isData: false, level: cursor.key.offset };
  }
  if (size < ExtentItem.size) throw corrupt({ structure: `extent item ${cursor.key}`, rule: `size ${size}` });
  const isData = (ExtentItem.get.flags(view, at) & ExtentFlag.TREE_BLOCK) === 0;
  const level = isData ? -1 : TreeBlockInfo.get.level(view, at + ExtentItem.size);
  return { length: cursor.key.offset, isData, level };
}

function visitInline(cursor: TreeCursor, found: Found, visitor: RefVisitor): boolean {
  const { view, at, size } = cursor;
  for (let offset = inlineRefsStart(view, at, cursor.key); offset < size; ) {
    const ref = at + offset;
    const type = view.getUint8(ref);
    offset += inlineRefSize(type);
    if (type === ItemType.EXTENT_OWNER_REF) continue;
    const count = inlineRefCount(view, ref, type);
    if (type === ItemType.EXTENT_DATA_REF) {
      if (visitor.visit(dataRef(view, ref + 1), false)) return true;
      continue;
    }
    const owner = found.isData ? 0 : found.level;
    const target = readU64(view, ref + 1);
    const shared = type !== ItemType.TREE_BLOCK_REF;
    const node = { type, parent: shared ? target : 0, root: shared ? 0 : target, owner, offset: 0, mod: count };
    if (visitor.visit(node, false)) return true;
  }
  return false;
}

function dataRef(view: DataView, at: number): RefNode {
  return {
    type: ItemType.EXTENT_DATA_REF,
    parent: 0,
    root: ExtentDataRef.get.root(view, at),
    owner: ExtentDataRef.get.objectid(view, at),
    offset: ExtentDataRef.get.offset(view, at),
    mod: ExtentDataRef.get.count(view, at),
  };
}

function keyedRef(cursor: TreeCursor, level: number): RefNode | null {
  const { type } = cursor.key;
  const { view, at } = cursor;
  switch (type) {
    case ItemType.EXTENT_DATA_REF:
      return dataRef(view, at);
    case ItemType.SHARED_DATA_REF:
      return { type, parent: cursor.key.offset, root: 0, owner: 0, offset: 0, mod: view.getUint32(at, true) };
    case ItemType.SHARED_BLOCK_REF:
      return { type, parent: cursor.key.offset, root: 0, owner: level, offset: 0, mod: 1 };
    case ItemType.TREE_BLOCK_REF:
      return { type, parent: 0, root: cursor.key.offset, owner: level, offset: 0, mod: 1 };
    default:
      return null;
  }
}
