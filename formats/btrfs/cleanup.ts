/**
 * What Linux's cleaner does on a mount that may write: ends inodes without names, takes deleted subvolumes apart. Here
 * it runs when an image that was written to is closed; one that was only read keeps what it has.
 */
import type { BtrfsMount } from './mount.ts';
import { cleanOrphans, evictOrphans } from './names/evict.ts';
import { dropDeadTrees } from './subvol/delete.ts';
import { isSubvolumeId } from './subvolume.ts';

/** Cleans up in the trees that this session opened. @throws FsError */
export function cleanUp(mp: BtrfsMount): void {
  evictOrphans(mp);
  for (const root of [...mp.openRoots()])
    if (isSubvolumeId(root.id) && !root.readOnly && root.refs > 0) cleanOrphans(mp, root);
  dropDeadTrees(mp);
}
