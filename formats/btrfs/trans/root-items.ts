/**
 * ROOT_ITEMs in the root tree: rewritten at commit for trees whose root node moved, inserted for new trees, deleted
 * with dropped ones. Mirrors root-tree.c.
 */
import { corrupt, FsError } from '../../../core/errors.ts';
import { ItemType, Key } from '../structure/key.ts';
import { RootItem } from '../structure/root.ts';
import { TreeCursor } from '../tree/cursor.ts';
import type { TreeRoot } from '../tree/root.ts';
import type { TransactionManager } from './transaction.ts';

const key = new Key();

/** Key of the tree's ROOT_ITEM; its offset is the generation that a snapshot was made in. */
function keyOf(root: TreeRoot): Key {
  return key.set(root.id, ItemType.ROOT_ITEM, root.keyOffset);
}

/** Writes where the root node of `root` is, and the rest of its item. @throws FsError EUCLEAN if it has no item */
export function writeRootItem(trans: TransactionManager, root: TreeRoot): void {
  const { item } = root;
  if (item === null) throw new Error(`tree ${root.id} has no root item`);
  item.bytenr = root.bytenr;
  item.level = root.level;
  item.generation = root.generation;
  if (root.shareable && item.ctransid === trans.id) {
    const { seconds, nanoseconds } = trans.mp.now();
    item.ctime = { sec: seconds, nsec: nanoseconds };
  }
  // Equal to generation: the fields after it are valid.
  item.generation_v2 = root.generation;
  const cursor = new TreeCursor(trans.mp.treeRoot);
  try {
    if (!cursor.search(keyOf(root))) throw corrupt({ structure: `ROOT_ITEM of tree ${root.id}`, rule: 'missing' });
    // Kernels before 3.6 wrote a shorter item.
    if (cursor.size < RootItem.size) cursor.resize(RootItem.size);
    else cursor.edit();
    RootItem.encode(cursor.view, cursor.at, item);
  } finally {
    cursor.close();
  }
}

/** Inserts the ROOT_ITEM of a new tree. @throws FsError EEXIST */
export function insertRootItem(trans: TransactionManager, root: TreeRoot): void {
  const { item } = root;
  if (item === null) throw new Error(`tree ${root.id} has no root item`);
  item.bytenr = root.bytenr;
  item.level = root.level;
  item.generation = root.generation;
  item.generation_v2 = root.generation;
  const cursor = new TreeCursor(trans.mp.treeRoot);
  try {
    cursor.insert(keyOf(root), RootItem.size);
    RootItem.encode(cursor.view, cursor.at, item);
  } finally {
    cursor.close();
  }
}

/** Deletes the ROOT_ITEM of a tree of which no block is left. @throws FsError ENOENT */
export function deleteRootItem(trans: TransactionManager, id: number): void {
  const cursor = new TreeCursor(trans.mp.treeRoot);
  try {
    if (!cursor.search(keyOf(trans.mp.root(id)))) throw new FsError('ENOENT', { detail: `tree ${id}` });
    cursor.delete();
    trans.unmarkRoot(id);
  } finally {
    cursor.close();
  }
}
