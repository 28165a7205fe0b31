/**
 * The commit: what is in memory becomes the state on disk, by one superblock write.
 *
 *     1  pending references run; quota groups; ROOT_ITEMs of changed trees; block group items and free space.
 *        Each of these changes trees and so makes more of the others: repeated until nothing is left
 *     2  tree blocks are written, to places no committed tree uses
 *     3  flush: they, and the file data written before, are durable
 *     4  superblocks, on every device, each with its mirrors
 *     5  flush; only now the places that were freed may be used again
 *
 * A crash before 4 leaves the old state; in 4, devices whose superblock is already new name trees that are complete.
 * Mirrors btrfs_commit_transaction() and commit_cowonly_roots() of transaction.c, btree_csum_one_bio() of disk-io.c.
 */
import { corrupt } from '../../../core/errors.ts';
import type { TreeBlock } from '../tree/blocks.ts';
import { writeRootItem } from './root-items.ts';
import { runRefs } from './run-refs.ts';
import { writeSuperblocks } from './superblocks.ts';
import type { TransactionManager } from './transaction.ts';

/** Rounds of step 1 after which it cannot be expected to end; two or three are usual. */
const ROUNDS = 100;
/** Neighbouring tree blocks are written together up to this many bytes. */
const WRITE_SIZE = 1024 * 1024;

/** Commits the running transaction. @throws FsError EIO, ENOSPC, EUCLEAN: then nothing may be written any more */
export function commitTransaction(trans: TransactionManager): void {
  const { mp } = trans;
  settleTrees(trans);
  const blocks = [...mp.blocks.dirtyBlocks()].sort((a, b) => a.bytenr - b.bytenr);
  writeBlocks(trans, blocks);
  mp.space.flush();
  writeSuperblocks(trans);
  mp.space.flush();
  for (const block of blocks) mp.blocks.clean(block);
  trans.committed();
  trans.pinned.release((bytenr, length) => mp.groups.freed(bytenr, length));
}

/** Until no reference is pending and every tree's root is where its ROOT_ITEM says. */
function settleTrees(trans: TransactionManager): void {
  const { groups, treeRoot } = trans.mp;
  // The superblock's generation is checked against the root tree's node: it moves with every commit.
  trans.cow(treeRoot, treeRoot.node(), null, 0);
  runRefs(trans);
  trans.quotas.account();
  for (let round = 0; round < ROUNDS; round++) {
    for (const root of trans.takeDirtyRoots()) if (root.item !== null) writeRootItem(trans, root);
    runRefs(trans);
    trans.quotas.writeOut();
    const groupsChanged = groups.writeOut();
    if (!groupsChanged && trans.settled) return;
  }
  throw corrupt({ structure: 'transaction', rule: `trees do not settle in ${ROUNDS} rounds` });
}

/** Seals and writes the blocks, neighbours in one write. */
function writeBlocks(trans: TransactionManager, blocks: readonly TreeBlock[]): void {
  const { mp } = trans;
  const most = Math.max(1, Math.floor(WRITE_SIZE / mp.nodeSize));
  const joined = new Uint8Array(most * mp.nodeSize);
  for (let from = 0; from < blocks.length; ) {
    const first = blocks[from] as TreeBlock;
    const group = mp.space.chunks.get(first.bytenr, mp.nodeSize);
    const end = group.logical + group.length;
    let count = 0;
    for (; count < most && from + count < blocks.length; count++) {
      const block = blocks[from + count] as TreeBlock;
      if (block.bytenr !== first.bytenr + count * mp.nodeSize || block.bytenr >= end) break;
      mp.blocks.prepareWrite(block);
      if (count > 0 || from + 1 < blocks.length) joined.set(block.bytes, count * mp.nodeSize);
    }
    mp.space.write(first.bytenr, count === 1 ? first.bytes : joined.subarray(0, count * mp.nodeSize));
    from += count;
  }
}
