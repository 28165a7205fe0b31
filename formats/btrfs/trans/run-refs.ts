/**
 * Puts the pending references into the extent tree until none are left. Doing so copies blocks of the extent tree
 * itself, which makes new pending references; each round has fewer, because a block is copied once a transaction.
 * Mirrors btrfs_run_delayed_refs() and its helpers in extent-tree.c.
 */
import { deleteCsums } from '../csum-items.ts';
import { Key } from '../structure/key.ts';
import { firstKey } from './cow.ts';
import type { RefHead, RefNode } from './delayed-refs.ts';
import { ExtentTree } from './extent-tree.ts';
import type { TransactionManager } from './transaction.ts';

/** Runs all pending references. Not to be undone: a failure ends the transaction. @throws FsError EUCLEAN, ENOSPC */
export function runRefs(trans: TransactionManager): void {
  const { heads } = trans.refs;
  if (heads.size === 0) return;
  const tree = new ExtentTree(trans.mp);
  try {
    while (heads.size > 0) {
      // By address: neighbours share leaves of the extent tree.
      const order = [...heads.values()].sort((a, b) => a.bytenr - b.bytenr);
      // Free space may have to be read out of the extent tree: before it loses what only the commit makes free.
      for (const head of order) if (head.pending < 0) trans.mp.groups.prepare(head.bytenr);
      for (const head of order) if (heads.get(head.bytenr) === head) runHead(trans, tree, head);
    }
  } finally {
    tree.close();
  }
}

function runHead(trans: TransactionManager, tree: ExtentTree, head: RefHead): void {
  let freed = false;
  for (let node = head.take(); node !== undefined; node = head.take()) {
    freed = runNode(trans, tree, head, node) || freed;
  }
  trans.refs.forget(head, null);
  if (head.isNew) {
    // Allocated and freed again before anything of it was in a tree: only its place has to be given back.
    trans.pinned.add(head.bytenr, head.length);
    if (head.isData) deleteCsums(trans.mp, head.bytenr, head.length);
  } else if (head.flagsToSet !== 0 && !freed) tree.setFlags(head);
}

/** True if the extent was freed. */
function runNode(trans: TransactionManager, tree: ExtentTree, head: RefHead, node: RefNode): boolean {
  if (node.mod > 0) {
    if (head.isNew) insertNew(trans, tree, head, node);
    else tree.add(head, node);
    return false;
  }
  const dropped = tree.drop(head, node);
  if (dropped.freed) freeExtent(trans, head, head.isData ? dropped.owner : head.owningRoot, dropped.generation);
  return dropped.freed;
}

const key = new Key();

function insertNew(trans: TransactionManager, tree: ExtentTree, head: RefHead, node: RefNode): void {
  const { mp } = trans;
  head.isNew = false;
  if (head.isData) tree.insertData(head, node, trans.quotas.simple ? head.owningRoot : 0);
  else {
    const block = mp.blocks.cached(head.bytenr);
    tree.insertBlock(head, node, block === undefined ? key.set(0, 0, 0) : firstKey(block, key));
    head.flagsToSet = 0;
  }
  mp.groups.used(head.bytenr, head.length);
  trans.quotas.charge(head.owningRoot, head.length, trans.id);
}

function freeExtent(trans: TransactionManager, head: RefHead, owner: number, generation: number): void {
  const { mp } = trans;
  if (head.isData) deleteCsums(mp, head.bytenr, head.length);
  mp.groups.used(head.bytenr, -head.length);
  trans.pinned.add(head.bytenr, head.length);
  trans.quotas.charge(owner, -head.length, generation);
}
