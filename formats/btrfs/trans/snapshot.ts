/**
 * Snapshots: the new tree gets a copy of the root node; everything below is shared from then on, and each child of the
 * root node has one more reference. The source tree remembers when that was: older blocks must be copied before they
 * change. The transaction ends with the operation, as in Linux, so that every block that the new tree has for itself
 * is younger than the tree. Mirrors create_pending_snapshot() of transaction.c and btrfs_copy_root() of ctree.c.
 */
import type { Decoded } from '../../../core/struct.ts';
import { RootItem } from '../structure/root.ts';
import { TreeRoot } from '../tree/root.ts';
import { copyBlock, modifyPointers } from './cow.ts';
import { insertRootItem } from './root-items.ts';
import type { TransactionManager } from './transaction.ts';

/** What the new tree's ROOT_ITEM says other than the source's. */
export type RootItemChanges = Partial<Decoded<typeof RootItem>>;

/**
 * Makes the tree `newId` as a copy of `source`, with its ROOT_ITEM. Inside an operation; names, uuid tree and quota
 * group are the caller's. @throws FsError ENOSPC, EUCLEAN
 */
export function copyRoot(
  trans: TransactionManager,
  source: TreeRoot,
  newId: number,
  changes: RootItemChanges = {},
): TreeRoot {
  const { mp } = trans;
  const { item } = source;
  if (item === null || !source.shareable) throw new Error(`tree ${source.id} cannot be copied`);
  trans.quotas.cannotAccount();
  const node = trans.cow(source, source.node(), null, 0);
  const { last_snapshot } = item;
  const { copiedAt } = source;
  item.last_snapshot = trans.id;
  source.copiedAt = trans.clock;
  trans.markRoot(source);
  trans.onUndo(() => {
    item.last_snapshot = last_snapshot;
    source.copiedAt = copiedAt;
  });
  const view = new DataView(new ArrayBuffer(RootItem.size));
  RootItem.encode(view, 0, item);
  const newItem = { ...RootItem.decode(view, 0), ...changes };
  const root = new TreeRoot(mp, newId, source, newItem, trans.id);
  root.copiedAt = source.copiedAt;
  const copy = copyBlock(trans, root, node);
  root.bytenr = copy.bytenr;
  root.generation = trans.id;
  modifyPointers(trans, root, copy, false, 1);
  // The source's root node is its own again: it needs no further copy in this transaction.
  trans.rejuvenate(node);
  insertRootItem(trans, root);
  mp.addRoot(root);
  trans.onUndo(() => mp.forgetRoot(newId));
  trans.endSoon();
  return root;
}
