/** What is left to be done once a journal has been replayed: in memory, as Linux would do it when mounting. */
import { Changes } from '../alloc/changes.ts';
import type { FastTag } from '../journal/fast-commits.ts';
import type { Ext4Mount } from '../mount.ts';
import { replayFastCommits } from './fast-replay.ts';
import { cleanOrphans, hasOrphans } from './orphans.ts';
import { finishSuperblock } from './superblock-edit.ts';

/** Changes the device of the mount, which must be one in memory. @throws FsError EUCLEAN, EIO */
export function finishRecovery(mp: Ext4Mount, fastTags: readonly FastTag[]): void {
  const changes = new Changes(mp);
  if (fastTags.length > 0) replayFastCommits(changes, fastTags);
  if (hasOrphans(mp)) cleanOrphans(changes);
  finishSuperblock(mp);
  changes.write();
}
