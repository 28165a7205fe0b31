/**
 * Names that the log has: first the directories' entries, then the inodes' references, which also bring the entries of
 * directories that were not logged. A name or a position that something else holds is taken from that first.
 *
 * Mirrors: fs/btrfs/tree-log.c (replay_one_name, add_inode_ref, __add_inode_ref, unlink_old_inode_refs).
 */
import { bytesAt, findEntry, namedEntries } from '../dir-items.ts';
import type { BtrfsInode } from '../inode.ts';
import { extrefHash, nameHash } from '../name-hash.ts';
import { DirItem, FileType } from '../structure/dir.ts';
import { ItemType, Key } from '../structure/key.ts';
import { TreeCursor } from '../tree/cursor.ts';
import { overwriteItem } from './overwrite.ts';
import { type InodeName, refsAt, refsIn } from './refs.ts';
import type { LogItem } from './replay.ts';
import type { Replay } from './state.ts';
import { linkName, unlinkName } from './unlink.ts';

/** What an entry of a directory leads to. */
interface Target {
  readonly location: Key;
  readonly type: number;
}

/** Replays one entry of a logged directory. @throws FsError EUCLEAN */
export function replayEntry(replay: Replay, item: LogItem): void {
  const dir = replay.inode(item.key.objectid);
  const { at, nameAt, nameLength } = firstEntry(item);
  const name = bytesAt(item.view, nameAt, nameLength).slice();
  const location = new Key().read(item.view, at + DirItem.at.location);
  const type = DirItem.get.type(item.view, at);
  const ip = location.type === ItemType.INODE_ITEM ? replay.find(location.objectid) : null;
  const position = item.key.offset;

  const byName = entryByName(dir, name);
  if (byName !== null && !leadsTo(byName, location, type) && ip !== null) dropEntry(replay, dir, byName, name);
  const byPosition = entryAt(dir, position, name);
  if (byPosition !== null && !leadsTo(byPosition, location, type) && ip !== null)
    dropEntry(replay, dir, byPosition, name);
  const [same, samePlace] = [entryByName(dir, name), entryAt(dir, position, name)];
  if (same !== null && samePlace !== null && leadsTo(same, location, type) && leadsTo(samePlace, location, type))
    return;
  // Entries of inodes that were not logged lead nowhere; those with a reference in the log come with it.
  if (ip === null || refIsLogged(replay, location.objectid, dir.ino, name)) return;
  if (same !== null || hasRef(ip, dir.ino, name)) return;
  linkName(dir, ip, name, position, true);
  if ((type & ~FileType.ENCRYPTED) !== FileType.DIR) replay.touched.add(ip.ino);
}

function firstEntry(item: LogItem) {
  const place = { key: item.key, view: item.view, at: 0, size: item.bytes.length };
  const entry = namedEntries(place).next().value;
  if (entry === undefined) throw new RangeError('an item without entries passed the checks');
  return entry;
}

function leadsTo(target: Target, location: Key, type: number): boolean {
  return target.location.compare(location) === 0 && target.type === type;
}

function refIsLogged(replay: Replay, ino: number, dirid: number, name: Uint8Array): boolean {
  if (replay.logHasRef(new Key(ino, ItemType.INODE_REF, dirid), dirid, name)) return true;
  return replay.logHasRef(new Key(ino, ItemType.INODE_EXTREF, extrefHash(dirid, name)), dirid, name);
}

function hasRef(ip: BtrfsInode, dirid: number, name: Uint8Array): boolean {
  const same = (ref: InodeName) => ref.parent === dirid && Buffer.compare(ref.name, name) === 0;
  return (
    refsAt(ip.root, new Key(ip.ino, ItemType.INODE_REF, dirid)).some(same) ||
    refsAt(ip.root, new Key(ip.ino, ItemType.INODE_EXTREF, extrefHash(dirid, name))).some(same)
  );
}

function readEntry(dir: BtrfsInode, key: Key, name: Uint8Array): Target | null {
  const cursor = new TreeCursor(dir.root);
  try {
    const entry = cursor.search(key) ? findEntry(cursor, name) : null;
    if (entry === null) return null;
    const location = new Key().read(cursor.view, entry.at + DirItem.at.location);
    return { location, type: DirItem.get.type(cursor.view, entry.at) };
  } finally {
    cursor.close();
  }
}

function entryByName(dir: BtrfsInode, name: Uint8Array): Target | null {
  return readEntry(dir, new Key(dir.ino, ItemType.DIR_ITEM, nameHash(name)), name);
}

function entryAt(dir: BtrfsInode, position: number, name: Uint8Array): Target | null {
  return readEntry(dir, new Key(dir.ino, ItemType.DIR_INDEX, position), name);
}

/** The inode that an entry leads to loses this name. */
function dropEntry(replay: Replay, dir: BtrfsInode, target: Target, name: Uint8Array): void {
  const ip = replay.inode(target.location.objectid);
  replay.touched.add(ip.ino);
  unlinkName(dir, ip, name);
}

/** Replays one item of references. @throws FsError EUCLEAN */
export function replayRefs(replay: Replay, item: LogItem): void {
  const logged = refsIn(item.key, item.view, 0, item.bytes.length);
  const first = logged[0];
  // Not every directory was logged: counting links will show what is missing.
  if (first === undefined || replay.find(first.parent) === null) return;
  const ip = replay.inode(item.key.objectid);
  for (const ref of logged) {
    const dir = replay.find(ref.parent);
    if (dir === null || isInDir(dir, ip, ref)) continue;
    if (dir.ino === ip.ino) return;
    dropUnlogged(replay, dir, ip, ref);
    dropConflicts(replay, dir, ref);
    linkName(dir, ip, ref.name, ref.index, false);
  }
  dropOldRefs(replay, ip, item, logged);
  overwriteItem(replay, item);
}

/** True if the directory has the name, at its position, for this inode. */
function isInDir(dir: BtrfsInode, ip: BtrfsInode, ref: InodeName): boolean {
  const found = [entryAt(dir, ref.index, ref.name), entryByName(dir, ref.name)];
  return found.every((target) => target?.location.objectid === ip.ino);
}

/** Names of the inode in this directory that the log does not have are gone. */
function dropUnlogged(replay: Replay, dir: BtrfsInode, ip: BtrfsInode, ref: InodeName): void {
  const plain = new Key(ip.ino, ItemType.INODE_REF, dir.ino);
  for (const { name } of refsAt(replay.root, plain))
    if (!replay.logHasRef(plain, dir.ino, name)) unlinkName(dir, ip, name);
  const extended = new Key(ip.ino, ItemType.INODE_EXTREF, extrefHash(dir.ino, ref.name));
  for (const { parent, name } of refsAt(replay.root, extended))
    if (parent === dir.ino && !replay.logHasRef(extended, parent, name)) unlinkName(dir, ip, name);
}

/** Whoever holds the name or the position loses it. */
function dropConflicts(replay: Replay, dir: BtrfsInode, ref: InodeName): void {
  const atPosition = entryAt(dir, ref.index, ref.name);
  if (atPosition !== null) dropEntry(replay, dir, atPosition, ref.name);
  const sameName = entryByName(dir, ref.name);
  if (sameName !== null) dropEntry(replay, dir, sameName, ref.name);
}

/** Names in the subvolume's item that the log's does not have are unlinked before it is overwritten. */
function dropOldRefs(replay: Replay, ip: BtrfsInode, item: LogItem, logged: readonly InodeName[]): void {
  for (const { parent, name } of refsAt(replay.root, item.key)) {
    const kept = logged.some((ref) => ref.parent === parent && Buffer.compare(ref.name, name) === 0);
    if (!kept) unlinkName(replay.inode(parent), ip, name);
  }
}
