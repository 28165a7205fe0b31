/**
 * Space that a log uses and no committed tree knows of: blocks of the log trees, and new data extents. All of it is
 * taken before anything is replayed, so that nothing new is put there. The blocks go back with the commit that makes
 * the replay permanent; the extents get their references as their files are replayed.
 *
 * Mirrors: fs/btrfs/tree-log.c (process_one_buffer), fs/btrfs/extent-tree.c (btrfs_alloc_logged_file_extent).
 */
import { FileExtent } from '../file-extent.ts';
import type { BtrfsMount } from '../mount.ts';
import { FileExtentItem, FileExtentType } from '../structure/file-extent.ts';
import { InodeItem } from '../structure/inode.ts';
import { ItemType, Key } from '../structure/key.ts';
import type { TreeBlock } from '../tree/blocks.ts';
import { TreeCursor } from '../tree/cursor.ts';
import type { TreeRoot } from '../tree/root.ts';

/** Takes the blocks of a log tree. @throws FsError EUCLEAN if they are in use */
export function claimBlocks(mp: BtrfsMount, tree: TreeRoot): void {
  const claim = (block: TreeBlock): void => {
    mp.groups.claim(block.bytenr, mp.nodeSize);
    mp.trans.pinned.add(block.bytenr, mp.nodeSize);
    if (block.level === 0) return;
    for (let slot = 0; slot < block.nritems; slot++) claim(mp.blocks.readChild(block, slot, tree.id));
  };
  claim(tree.node());
}

/**
 * Takes the data extents of a log tree that the extent tree does not have, and adds them to `fresh`.
 * @throws FsError EUCLEAN if they overlap what is in use
 */
export function claimExtents(mp: BtrfsMount, tree: TreeRoot, fresh: Set<number>): void {
  const extent = new FileExtent();
  const cursor = new TreeCursor(tree);
  try {
    let linked = true;
    for (let more = cursor.first(); more; more = cursor.next()) {
      const { key, view, at, size } = cursor;
      if (key.type === ItemType.INODE_ITEM) linked = InodeItem.get.nlink(view, at) > 0;
      if (key.type !== ItemType.EXTENT_DATA || !linked || size < FileExtentItem.size) continue;
      if (FileExtentItem.get.type(view, at) === FileExtentType.INLINE) continue;
      extent.read(key.pos, view, at);
      if (extent.bytenr === 0 || fresh.has(extent.bytenr) || isAllocated(mp, extent)) continue;
      mp.groups.claim(extent.bytenr, extent.diskLength);
      fresh.add(extent.bytenr);
    }
  } finally {
    cursor.close();
  }
}

function isAllocated(mp: BtrfsMount, extent: FileExtent): boolean {
  const cursor = new TreeCursor(mp.extentRoot());
  try {
    return cursor.search(new Key(extent.bytenr, ItemType.EXTENT_ITEM, extent.diskLength));
  } finally {
    cursor.close();
  }
}
