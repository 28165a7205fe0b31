/**
 * Replays the log trees: what fsync wrote after the last commit. It is done in the running transaction, so in memory;
 * the first commit makes it permanent, and until then the image is untouched.
 *
 *     log root tree:  (TREE_LOG, ROOT_ITEM, subvolume)  →  one log tree for each subvolume
 *     log tree:       items of logged inodes as they are to be, and ranges of directory positions that it knows all of
 *
 * Stages, each over all log trees, the highest subvolume first: inodes (with what directories and attributes lost),
 * directory entries, everything else. In the end the links of every inode that was touched are counted.
 *
 * Mirrors: fs/btrfs/tree-log.c (btrfs_recover_log_trees, replay_one_buffer).
 */
import { corrupt, FsError } from '../../../core/errors.ts';
import { kindOfMode } from '../../../core/vfs/file-kind.ts';
import { bytesAt } from '../dir-items.ts';
import type { BtrfsMount } from '../mount.ts';
import { InodeItem } from '../structure/inode.ts';
import { ItemType, Key, Objectid } from '../structure/key.ts';
import { RootItem } from '../structure/root.ts';
import { findSubvolume } from '../subvolume.ts';
import { TreeCursor } from '../tree/cursor.ts';
import { TreeRoot } from '../tree/root.ts';
import { replayDeletedEntries, replayDeletedXattrs } from './deletes.ts';
import { dropBeyondEnd, replayExtent } from './extents.ts';
import { fixLinkCounts } from './links.ts';
import { claimBlocks, claimExtents } from './logged-space.ts';
import { replayEntry, replayRefs } from './names.ts';
import { overwriteItem } from './overwrite.ts';
import { Replay } from './state.ts';

type Stage = 'inodes' | 'entries' | 'all';

/** One item of a log tree: its bytes are its own. */
export interface LogItem {
  readonly key: Key;
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** Items that one step may touch; the log was made to fit into a commit. */
const ITEMS_PER_TREE = 64;

/** Replays the log that the superblock names, in memory. @throws FsError EUCLEAN, EIO, ENOSPC */
export function replayLog(mp: BtrfsMount): void {
  const logs = logTrees(mp);
  try {
    mp.trans.replay('log replay', ITEMS_PER_TREE, () => {
      const replays = claimSpace(mp, logs);
      for (const stage of ['inodes', 'entries', 'all'] as const) {
        for (const replay of replays) {
          replayTree(replay, stage);
          if (stage === 'all') fixLinkCounts(replay);
        }
      }
      forgetLog(mp);
    });
  } catch (error) {
    throw error instanceof FsError ? new FsError(error.code, { ...detailOf(error), cause: error }) : error;
  }
}

/** Takes the space of all logs; returns the replays of those whose subvolume is still there. */
function claimSpace(mp: BtrfsMount, logs: readonly LogTree[]): Replay[] {
  const fresh = new Set<number>();
  const replays: Replay[] = [];
  claimBlocks(mp, logRootTree(mp));
  for (const { subvolume, tree } of logs) {
    claimBlocks(mp, tree);
    const root = findSubvolume(mp, subvolume);
    if (root !== null) replays.push(new Replay(mp, root, tree, fresh));
  }
  for (const { log } of replays) claimExtents(mp, log, fresh);
  return replays;
}

function detailOf(error: FsError): { detail: string; damage?: NonNullable<FsError['damage']> } {
  const detail = `the log cannot be replayed (--norecovery shows the state without it)`;
  const full = error.detail === undefined ? detail : `${detail}: ${error.detail}`;
  return error.damage === undefined ? { detail: full } : { detail: full, damage: error.damage };
}

export interface LogTree {
  readonly subvolume: number;
  readonly tree: TreeRoot;
}

function logTree(mp: BtrfsMount, bytenr: number, level: number, generation: number): TreeRoot {
  return new TreeRoot(mp, Objectid.TREE_LOG, { bytenr, level, generation }, null);
}

/** The tree that lists the log trees. */
export function logRootTree(mp: BtrfsMount): TreeRoot {
  const { sb } = mp;
  return logTree(mp, sb.log_root, sb.log_root_level, sb.generation + 1);
}

/** The log trees, the highest subvolume first. @throws FsError EUCLEAN */
export function logTrees(mp: BtrfsMount): LogTree[] {
  const found: LogTree[] = [];
  const cursor = new TreeCursor(logRootTree(mp));
  try {
    cursor.search(new Key(Objectid.TREE_LOG, ItemType.ROOT_ITEM, 0));
    for (; cursor.valid; cursor.next()) {
      const { key, view, at, size } = cursor;
      if (key.objectid !== Objectid.TREE_LOG || key.type !== ItemType.ROOT_ITEM) break;
      if (size < RootItem.at.generation_v2)
        throw corrupt({ structure: `item ${key}`, field: 'size', value: String(size), rule: 'too small for a root' });
      const { bytenr, level, generation } = RootItem.get;
      const tree = logTree(mp, bytenr(view, at), level(view, at), generation(view, at));
      found.unshift({ subvolume: key.offset, tree });
    }
    return found;
  } finally {
    cursor.close();
  }
}

/** Deals with every item of a log tree that has its turn in this stage. */
function replayTree(replay: Replay, stage: Stage): void {
  const cursor = new TreeCursor(replay.log);
  try {
    let ignored = false;
    cursor.search(new Key(0, 0, 0));
    for (; cursor.valid; cursor.next()) {
      const bytes = bytesAt(cursor.view, cursor.at, cursor.size).slice();
      const item = { key: cursor.key.clone(), bytes, view: new DataView(bytes.buffer) };
      // Without links it is gone, or was never linked: the directory that it was in says what is to be done.
      if (item.key.type === ItemType.INODE_ITEM) ignored = InodeItem.get.nlink(item.view, 0) === 0;
      if (!ignored) replayItem(replay, item, stage);
    }
  } finally {
    cursor.close();
  }
}

function replayItem(replay: Replay, item: LogItem, stage: Stage): void {
  switch (item.key.type) {
    case ItemType.INODE_ITEM:
      if (stage === 'inodes') replayInode(replay, item);
      break;
    case ItemType.DIR_INDEX:
      if (stage === 'entries') replayEntry(replay, item);
      break;
    case ItemType.XATTR_ITEM:
      if (stage === 'all') overwriteItem(replay, item);
      break;
    case ItemType.INODE_REF:
    case ItemType.INODE_EXTREF:
      if (stage === 'all') replayRefs(replay, item);
      break;
    case ItemType.EXTENT_DATA:
      if (stage === 'all') replayExtent(replay, item);
      break;
  }
}

function replayInode(replay: Replay, item: LogItem): void {
  const ino = item.key.objectid;
  const kind = kindOfMode(InodeItem.get.mode(item.view, 0));
  replayDeletedXattrs(replay, ino);
  if (kind === 'dir') replayDeletedEntries(replay, ino, false);
  overwriteItem(replay, item);
  if (kind === 'file') dropBeyondEnd(replay, ino);
  replay.touched.add(ino);
}

/** The next commit writes a superblock without a log. */
function forgetLog(mp: BtrfsMount): void {
  const { log_root, log_root_level, log_root_transid } = mp.sb;
  Object.assign(mp.sb, { log_root: 0, log_root_level: 0, log_root_transid: 0 });
  mp.trans.onUndo(() => Object.assign(mp.sb, { log_root, log_root_level, log_root_transid }));
}
