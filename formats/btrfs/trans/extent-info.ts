/** How often a tree block is referred to, pending references counted in (kernel: btrfs_lookup_extent_info). */
import { ExtentItem } from '../structure/extent.ts';
import { ItemType, Key } from '../structure/key.ts';
import { TreeCursor } from '../tree/cursor.ts';
import type { RefNode } from './delayed-refs.ts';
import { scanInlineRefs } from './inline-refs.ts';
import type { TransactionManager } from './transaction.ts';

export interface ExtentInfo {
  /** References; 0 if the extent is not known at all. */
  refs: number;
  /** ExtentFlag bits. */
  flags: number;
}

const key = new Key();

/** Count and flags of the tree block at `bytenr`. @throws FsError EUCLEAN */
export function extentInfo(trans: TransactionManager, bytenr: number, level: number): ExtentInfo {
  const { mp } = trans;
  const info: ExtentInfo = { refs: 0, flags: 0 };
  const head = trans.refs.head(bytenr);
  if (head === undefined || !head.isNew) {
    const cursor = new TreeCursor(mp.extentRoot());
    const found =
      (mp.features.skinnyMetadata && cursor.search(key.set(bytenr, ItemType.METADATA_ITEM, level))) ||
      cursor.search(key.set(bytenr, ItemType.EXTENT_ITEM, mp.nodeSize));
    if (found) {
      info.refs = ExtentItem.get.refs(cursor.view, cursor.at);
      info.flags = ExtentItem.get.flags(cursor.view, cursor.at);
    }
    cursor.close();
  }
  if (head !== undefined) {
    info.refs += head.pending;
    if (info.flags < head.flagsToSet) info.flags += head.flagsToSet;
  }
  return info;
}

/** True if the tree `root` (`parent` 0) or the block at `parent` has a reference to the tree block. @throws FsError EUCLEAN */
export function hasBlockRef(
  trans: TransactionManager,
  bytenr: number,
  level: number,
  root: number,
  parent: number,
): boolean {
  const { mp } = trans;
  const type = parent === 0 ? ItemType.TREE_BLOCK_REF : ItemType.SHARED_BLOCK_REF;
  const node: RefNode = { type, parent, root: parent === 0 ? root : 0, owner: level, offset: 0, mod: 1 };
  const cursor = new TreeCursor(mp.extentRoot());
  try {
    const found =
      (mp.features.skinnyMetadata && cursor.search(key.set(bytenr, ItemType.METADATA_ITEM, level))) ||
      cursor.search(key.set(bytenr, ItemType.EXTENT_ITEM, mp.nodeSize));
    if (found && scanInlineRefs(cursor.view, cursor.at, cursor.size, cursor.key, node).found) return true;
    if (cursor.search(key.set(bytenr, type, parent === 0 ? root : parent))) return true;
  } finally {
    cursor.close();
  }
  const pending = trans.refs.head(bytenr)?.nodes ?? [];
  return pending.some((ref) => ref.type === type && ref.parent === parent && ref.root === node.root && ref.mod > 0);
}
