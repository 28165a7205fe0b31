/**
 * What Linux's cleaner does on a mount that may write: ends inodes without names, takes deleted subvolumes apart. Here
 * it runs when an image that was written to is closed; one that was only read keeps what it has.
 */
import { FsError } from '../../core/errors.ts';
import type { BtrfsMount } from './mount.ts';
import { cleanOrphans, evictOrphans } from './names/evict.ts';
import { dropDeadTrees } from './subvol/delete.ts';
import { isSubvolumeId } from './subvolume.ts';

/** Cleans up in the trees that this session opened, as far as there is space. @throws FsError */
export function cleanUp(mp: BtrfsMount): void {
  try {
    cleanTrees(mp);
  } catch (error) {
    // Whoever writes next goes on.
    if (!(error instanceof FsError) || error.code !== 'ENOSPC') throw error;
  }
}

function cleanTrees(mp: BtrfsMount): void {
  evictOrphans(mp);
  for (const root of [...mp.openRoots()]) if (isSubvolumeId(root.id) && root.refs > 0) cleanOrphans(mp, root);
  dropDeadTrees(mp);
}
