/**
 * Copy on write of tree blocks, and what it does to references when snapshots share them.
 *
 * A block made in the running transaction is changed in place; any other is copied, the copy takes its place in the
 * parent, and the tree's reference to the old one is dropped. Four cases of the old block, by its count of
 * references and whether the tree that changes it is its owner (header.owner):
 *
 *     one,  owner       nothing to do for what it points to: those references pass to the copy
 *     one,  not owner   its pointers are counted to the block itself (FULL_BACKREF): now to the tree instead
 *     many, owner       the sharers keep the old block: its pointers are counted to it from now on (FULL_BACKREF is
 *                       set), those of the copy to the tree, as before
 *     many, not owner   the copy's pointers are new references of this tree
 *
 * Mirrors btrfs_force_cow_block(), update_ref_for_cow() and should_cow_block() of ctree.c, __btrfs_mod_ref() and
 * btrfs_free_tree_block() of extent-tree.c.
 */
import { corrupt } from '../../../core/errors.ts';
import { HEADER_SIZE, Header, HeaderFlag, ITEM_SIZE, KEY_PTR_SIZE, KeyPtr } from '../structure/block.ts';
import { ExtentFlag } from '../structure/extent.ts';
import { readU64 } from '../structure/fields.ts';
import { FileExtentItem, FileExtentType } from '../structure/file-extent.ts';
import { ItemType, Key, Objectid } from '../structure/key.ts';
import type { TreeBlock } from '../tree/blocks.ts';
import type { TreeRoot } from '../tree/root.ts';
import { extentInfo } from './extent-info.ts';
import type { TransactionManager } from './transaction.ts';

/** True if `block` of `root` may be changed where it is. */
export function inPlace(root: TreeRoot, block: TreeBlock): boolean {
  return block.dirty && block.born > root.copiedAt;
}

/** A new block of `root`, counted as the tree's own. @throws FsError ENOSPC */
export function newBlock(trans: TransactionManager, root: TreeRoot, level: number): TreeBlock {
  const { mp } = trans;
  const bytenr = mp.groups.allocMeta(root.id);
  const undo = trans.undoOrNull;
  undo?.(() => mp.groups.freed(bytenr, mp.nodeSize));
  const block = mp.blocks.create(bytenr, level, root.id);
  trans.track(block);
  const head = trans.refs.modifyBlock(bytenr, mp.nodeSize, level, root.id, 0, root.id, 1, undo);
  trans.refs.markNew(head, root.id, undo);
  return block;
}

/** The block that stands for `block` in `root` and may be changed; `parent` (already so) points to it at `slot`. */
export function cowBlock(
  trans: TransactionManager,
  root: TreeRoot,
  block: TreeBlock,
  parent: TreeBlock | null,
  slot: number,
): TreeBlock {
  const copy = copyBlock(trans, root, block);
  const last = moveReferences(trans, root, block, copy);
  if (parent === null) trans.setRootNode(root, copy);
  else {
    const at = HEADER_SIZE + slot * KEY_PTR_SIZE;
    KeyPtr.set.blockptr(parent.view, at, copy.bytenr);
    KeyPtr.set.generation(parent.view, at, trans.id);
  }
  dropBlock(trans, root.id, block, 0, last);
  return copy;
}

/** A copy of `block` that belongs to `root`, at a new place. @throws FsError ENOSPC */
export function copyBlock(trans: TransactionManager, root: TreeRoot, block: TreeBlock): TreeBlock {
  const copy = newBlock(trans, root, block.level);
  const { view } = copy;
  copy.bytes.set(block.bytes);
  Header.set.bytenr(view, 0, copy.bytenr);
  Header.set.generation(view, 0, trans.id);
  Header.set.owner(view, 0, root.id);
  Header.set.flags(view, 0, Header.get.flags(view, 0) & ~(HeaderFlag.WRITTEN | HeaderFlag.RELOC));
  return copy;
}

/** Fits the references of what `block` points to; true if nothing refers to `block` but `root`. */
function moveReferences(trans: TransactionManager, root: TreeRoot, block: TreeBlock, copy: TreeBlock): boolean {
  if (!mayBeShared(root, block)) return true;
  const { refs, flags } = extentInfo(trans, block.bytenr, block.level);
  if (refs <= 0) throw corrupt({ structure: 'tree block', addr: block.bytenr, rule: 'in use without a reference' });
  const full = flags >= ExtentFlag.FULL_BACKREF;
  if (refs === 1) {
    if (full) {
      modifyPointers(trans, root, copy, false, 1);
      modifyPointers(trans, root, block, true, -1);
    }
    return true;
  }
  if (block.owner === root.id && !full) {
    modifyPointers(trans, root, block, true, 1);
    trans.refs.setFlags(block.bytenr, trans.mp.nodeSize, block.level, ExtentFlag.FULL_BACKREF, trans.undoOrNull);
  } else modifyPointers(trans, root, copy, false, 1);
  return false;
}

/** False where a snapshot cannot have got hold of the block. */
function mayBeShared(root: TreeRoot, block: TreeBlock): boolean {
  if (!root.shareable || block.bytenr === root.bytenr) return false;
  return block.generation <= root.lastSnapshot || (block.flags & HeaderFlag.RELOC) !== 0;
}

const key = new Key();

/**
 * Adds or drops one reference to everything that `block` points to: child blocks, or the data extents of a leaf.
 * They are counted to the block itself with `full`, else to its owner.
 */
export function modifyPointers(
  trans: TransactionManager,
  root: TreeRoot,
  block: TreeBlock,
  full: boolean,
  mod: 1 | -1,
): void {
  const { level, view, owner } = block;
  if (level === 0 && !root.shareable) return;
  const parent = full ? block.bytenr : 0;
  const undo = trans.undoOrNull;
  for (let slot = 0; slot < block.nritems; slot++) {
    if (level > 0) {
      const child = KeyPtr.get.blockptr(view, HEADER_SIZE + slot * KEY_PTR_SIZE);
      trans.refs.modifyBlock(child, trans.mp.nodeSize, level - 1, owner, parent, 0, mod, undo);
      continue;
    }
    const item = HEADER_SIZE + slot * ITEM_SIZE;
    if (view.getUint8(item + 8) !== ItemType.EXTENT_DATA) continue;
    const at = HEADER_SIZE + view.getUint32(item + 17, true);
    if (FileExtentItem.get.type(view, at) === FileExtentType.INLINE) continue;
    const bytenr = FileExtentItem.get.disk_bytenr(view, at);
    if (bytenr === 0) continue;
    key.read(view, item);
    const length = FileExtentItem.get.disk_num_bytes(view, at);
    const offset = key.coarse - FileExtentItem.get.offset(view, at);
    trans.refs.modifyData(bytenr, length, owner, key.objectid, offset, parent, owner, mod, undo);
  }
}

/**
 * Drops a reference to `block`: of the tree `rootId`, or of the block at `parent` if not 0. With `last`, nothing
 * else refers to it; a block that never was on disk then gives its place back at once.
 */
export function dropBlock(
  trans: TransactionManager,
  rootId: number,
  block: TreeBlock,
  parent: number,
  last: boolean,
): void {
  const { mp, refs } = trans;
  const { bytenr, level } = block;
  if (rootId === Objectid.TREE_LOG) throw new Error('log trees are not written');
  refs.modifyBlock(bytenr, mp.nodeSize, level, rootId, parent, block.owner, -1, trans.undoOrNull);
  if (!last || !block.dirty) return;
  trans.untrack(block);
  const head = refs.head(bytenr);
  // References that already reached the extent tree in this transaction must be taken out of it first.
  if (head === undefined || head.nodes.length > 0) return;
  refs.forget(head, trans.undoOrNull);
  if (head.isNew) trans.afterwards(() => mp.groups.freed(bytenr, mp.nodeSize));
}

/** The lowest key of a block, its first item's or pointer's. */
export function firstKey(block: TreeBlock, into: Key): Key {
  return block.nritems === 0 ? into.set(0, 0, 0) : into.read(block.view, HEADER_SIZE);
}

/** The place of a child block, from its parent's slot. */
export function childBytenr(block: TreeBlock, slot: number): number {
  return readU64(block.view, HEADER_SIZE + slot * KEY_PTR_SIZE + KeyPtr.at.blockptr);
}
