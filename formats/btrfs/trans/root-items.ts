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
const idOf = (root: TreeRoot): number => root.id;

/** Moves the cursor to the ROOT_ITEM of the tree `id`; its key's offset is the generation of a snapshot's making. */
function findRootItem(cursor: TreeCursor, id: number): boolean {
  if (!cursor.search(key.set(id, ItemType.ROOT_ITEM, 0)) && !cursor.valid) return false;
  return (
    cursor.key.type === ItemType.ROOT_ITEM &&
    cursor.key.compare(key.set(id, ItemType.ROOT_ITEM, -1)) <= 0 &&
    sameObjectid(cursor.key, key)
  );
}

function sameObjectid(a: Key, b: Key): boolean {
  return a.oh === b.oh && a.ol === b.ol;
}

/** Writes where the root node of `root` is, and the rest of its item. @throws FsError EUCLEAN if it has no item */
export function writeRootItem(trans: TransactionManager, root: TreeRoot): void {
  const { item } = root;
  if (item === null) throw new Error(`tree ${root.id} has no root item`);
  item.bytenr = root.bytenr;
  item.level = root.level;
  item.generation = root.generation;
  // Equal to generation: the fields after it are valid.
  item.generation_v2 = root.generation;
  const cursor = new TreeCursor(trans.mp.treeRoot);
  try {
    if (!findRootItem(cursor, idOf(root)))
      throw corrupt({ structure: `ROOT_ITEM of tree ${root.id}`, rule: 'missing' });
    // Kernels before 3.6 wrote a shorter item.
    if (cursor.size < RootItem.size) cursor.resize(RootItem.size);
    else cursor.edit();
    RootItem.encode(cursor.view, cursor.at, item);
  } finally {
    cursor.close();
  }
}

/** Inserts the ROOT_ITEM of a new tree; `offset` is 0, or the transaction of a snapshot. @throws FsError EEXIST */
export function insertRootItem(trans: TransactionManager, root: TreeRoot, offset: number): void {
  const { item } = root;
  if (item === null) throw new Error(`tree ${root.id} has no root item`);
  item.bytenr = root.bytenr;
  item.level = root.level;
  item.generation = root.generation;
  item.generation_v2 = root.generation;
  const cursor = new TreeCursor(trans.mp.treeRoot);
  try {
    cursor.insert(key.set(root.id, ItemType.ROOT_ITEM, offset), RootItem.size);
    RootItem.encode(cursor.view, cursor.at, item);
  } finally {
    cursor.close();
  }
}

/** Deletes the ROOT_ITEM of a tree of which no block is left. @throws FsError ENOENT */
export function deleteRootItem(trans: TransactionManager, id: number): void {
  const cursor = new TreeCursor(trans.mp.treeRoot);
  try {
    if (!findRootItem(cursor, id)) throw new FsError('ENOENT', { detail: `tree ${id}` });
    cursor.delete();
  } finally {
    cursor.close();
  }
}
