import { FsError } from '../../../core/errors.ts';
import { Key, Objectid } from '../structure/key.ts';
import { TreeCursor } from '../tree/cursor.ts';
import type { TreeRoot } from '../tree/root.ts';

/** Numbers that the next inode of each tree, or the next subvolume, gets. */
const nextNumbers = new WeakMap<TreeRoot, number>();
const MAX_NUMBER = Number.MAX_SAFE_INTEGER;

/**
 * A number that no item of the tree has or had while the image was open: inode numbers of a subvolume, ids of
 * subvolumes in the root tree (kernel: btrfs_get_free_objectid). @throws FsError ENOSPC
 */
export function takeNumber(root: TreeRoot): number {
  const number = nextNumbers.get(root) ?? lastNumber(root) + 1;
  if (number >= MAX_NUMBER) throw new FsError('ENOSPC', { detail: 'no inode numbers left' });
  nextNumbers.set(root, number + 1);
  return number;
}

function lastNumber(root: TreeRoot): number {
  const cursor = new TreeCursor(root);
  try {
    cursor.searchBack(new Key(Objectid.LAST_FREE, 255, -1));
    return cursor.valid ? Math.max(cursor.key.objectid, Objectid.FIRST_FREE - 1) : Objectid.FIRST_FREE - 1;
  } finally {
    cursor.close();
  }
}
