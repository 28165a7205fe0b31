/** The links of every inode that a replay touched are counted anew (kernel: fixup_inode_link_counts). */
import { updateInode } from '../inode-write.ts';
import { insertOrphanItem } from '../names/orphans.ts';
import { InodeItem } from '../structure/inode.ts';
import { replayDeletedEntries } from './deletes.ts';
import { countRefs } from './refs.ts';
import type { Replay } from './state.ts';

/** @throws FsError EUCLEAN */
export function fixLinkCounts(replay: Replay): void {
  // A directory without links loses its entries, which touches what they led to: each time the highest is next.
  while (replay.touched.size > 0) {
    let ino = -1;
    for (const each of replay.touched) ino = Math.max(ino, each);
    replay.touched.delete(ino);
    fixLinkCount(replay, ino);
  }
}

function fixLinkCount(replay: Replay, ino: number): void {
  const ip = replay.inode(ino);
  const links = countRefs(replay.root, ino);
  if (links !== ip.nlink) updateInode(ip, (view) => InodeItem.set.nlink(view, 0, links));
  if (links > 0) return;
  if (ip.kind === 'dir') replayDeletedEntries(replay, ino, true);
  insertOrphanItem(replay.root, ino);
}
