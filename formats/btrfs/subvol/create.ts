/**
 * New subvolumes: an empty one with its root directory, or a snapshot, which shares all blocks of another (kernel:
 * create_subvol, create_pending_snapshot).
 */

import { FsError } from '../../../core/errors.ts';
import { writeback } from '../../../core/iomap/writeback.ts';
import { decodeAcl, inheritAcl } from '../../../core/vfs/acl.ts';
import { S_IFDIR } from '../../../core/vfs/mode.ts';
import type { BtrfsInode } from '../inode.ts';
import type { BtrfsMount } from '../mount.ts';
import { takeIndex } from '../names/dir-edit.ts';
import { takeNumber } from '../names/free-number.ts';
import { putBytes } from '../names/item-edit.ts';
import { mayCreate } from '../names/may.ts';

import { inheritedCompression, putCompression } from '../names/properties.ts';
import { InodeFlag, InodeItem, InodeRef } from '../structure/inode.ts';
import { ItemType, Key, Objectid } from '../structure/key.ts';
import { ROOT_SUBVOL_RDONLY, RootItem } from '../structure/root.ts';
import { insertRootItem } from '../trans/root-items.ts';
import { copyRoot } from '../trans/snapshot.ts';
import { addUuid } from '../trans/uuid-tree.ts';
import { TreeCursor } from '../tree/cursor.ts';
import { type RootItemValues, TreeRoot } from '../tree/root.ts';
import { settle, withRoom } from '../write-state.ts';
import { getXattr } from '../xattr.ts';
import { addSubvolumeName } from './names.ts';
import { withValidFlags } from './settings.ts';

const CREATE_ITEMS = 16;
/** Promised to the quota groups of the directory's tree. */
const QUOTA_ITEMS = 8;
const UUID_SIZE = 16;
const TOP = Objectid.FIRST_FREE;
const DOT_DOT = Buffer.from('..');

/** Random bytes with the marks of a random UUID. */
function randomUuid(mp: BtrfsMount): Uint8Array {
  const uuid = Uint8Array.from({ length: UUID_SIZE }, () => Math.floor(mp.options.random() * 256));
  uuid[6] = ((uuid[6] as number) & 0x0f) | 0x40;
  uuid[8] = ((uuid[8] as number) & 0x3f) | 0x80;
  return uuid;
}

function timeOf(mp: BtrfsMount): { sec: number | bigint; nsec: number } {
  const { seconds, nanoseconds } = mp.now();
  return { sec: seconds, nsec: nanoseconds };
}

/** Creates an empty subvolume with permission bits `mode` less the umask; answers its root directory. */
export function createSubvolume(dir: BtrfsInode, name: string, mode: number): BtrfsInode {
  const bytes = mayCreate(dir, name, 'ENOTTY');
  const { mp } = dir;
  return withRoom(mp, () => {
    mp.trans.quotas.limits.reserveItems(dir.root.id, QUOTA_ITEMS);
    return mp.change('create subvolume', CREATE_ITEMS, () => makeSubvolume(dir, bytes, mode));
  });
}

function makeSubvolume(dir: BtrfsInode, name: Uint8Array, mode: number): BtrfsInode {
  const { mp } = dir;
  const id = takeNumber(mp.treeRoot);
  mp.trans.quotas.createGroup(id, dir.root.id);
  const root = new TreeRoot(mp, id, { bytenr: 0, level: 0, generation: mp.trans.id }, newRootItem(mp), 0);
  mp.trans.setRootNode(root, mp.trans.allocTreeBlock(root, 0));
  insertRootItem(mp.trans, root);
  mp.addRoot(root);
  mp.trans.onUndo(() => mp.forgetRoot(id));
  addUuid(mp, (root.item as RootItemValues).uuid, id);
  makeTop(dir, root, mode);
  const top = mp.inodes.get(root, TOP);
  // A subvolume inherits from the subvolume that it is made in, not from the directory.
  const compression = inheritedCompression(mp.inodes.get(dir.root, TOP));
  if (compression !== null) putCompression(top, compression);
  addSubvolumeName(dir, name, root, takeIndex(dir));
  return top;
}

/** The ROOT_ITEM of a tree that begins now. Its inode part says what Linux says there, which nobody reads. */
function newRootItem(mp: BtrfsMount): RootItemValues {
  const view = new DataView(new ArrayBuffer(RootItem.size));
  const now = timeOf(mp);
  InodeItem.encode(view, RootItem.at.inode, {
    generation: 1,
    size: 3,
    nlink: 1,
    nbytes: mp.nodeSize,
    mode: S_IFDIR | 0o755,
    flags: InodeFlag.ROOT_ITEM_INIT,
  });
  RootItem.encode(view, 0, {
    root_dirid: TOP,
    refs: 1,
    uuid: randomUuid(mp),
    ctransid: mp.trans.id,
    otransid: mp.trans.id,
    ctime: now,
    otime: now,
  });
  return RootItem.decode(view, 0);
}

/** The root directory: its only name is `..`, in itself. */
function makeTop(dir: BtrfsInode, root: TreeRoot, mode: number): void {
  const { mp } = root;
  const now = timeOf(mp);
  const { owner } = mp.options;
  // The directory's set-group-id bit does not count here; its default list shapes the mode, but is not inherited.
  const acl = getXattr(dir, 'system', 'posix_acl_default');
  const allowed = S_IFDIR | (mode & 0o777 & ~owner.umask);
  const cursor = new TreeCursor(root);
  try {
    cursor.insert(new Key(TOP, ItemType.INODE_ITEM, 0), InodeItem.size);
    InodeItem.encode(cursor.view, cursor.at, {
      generation: mp.trans.id,
      transid: mp.trans.id,
      nlink: 1,
      uid: owner.uid,
      gid: owner.gid,
      mode: inheritAcl(acl === null ? null : decodeAcl(acl), 'dir', allowed, 0).mode,
      atime: now,
      ctime: now,
      mtime: now,
      otime: now,
    });
    cursor.insert(new Key(TOP, ItemType.INODE_REF, TOP), InodeRef.size + DOT_DOT.length);
    InodeRef.set.name_len(cursor.view, cursor.at, DOT_DOT.length);
    putBytes(cursor, InodeRef.size, DOT_DOT);
  } finally {
    cursor.close();
  }
}

/** Makes a snapshot of the subvolume of `source` in `dir`; answers its root directory. @throws FsError EINVAL */
export function createSnapshot(dir: BtrfsInode, name: string, source: TreeRoot, readOnly: boolean): BtrfsInode {
  const bytes = mayCreate(dir, name, 'ENOTTY');
  const { mp } = dir;
  if (!source.shareable || source.refs === 0) throw new FsError('EINVAL');
  writeBackTree(mp, source);
  return withRoom(mp, () => {
    mp.trans.quotas.limits.reserveItems(dir.root.id, QUOTA_ITEMS);
    return mp.change('snapshot', CREATE_ITEMS, () => {
      const id = takeNumber(mp.treeRoot);
      mp.trans.quotas.createGroup(id, dir.root.id);
      const root = copyRoot(mp.trans, source, id, snapshotChanges(mp, source, readOnly));
      const item = root.item as RootItemValues;
      addSubvolumeName(dir, bytes, root, takeIndex(dir), -1);
      addUuid(mp, item.uuid, id);
      if (item.received_uuid.some((byte) => byte !== 0))
        addUuid(mp, item.received_uuid, id, ItemType.UUID_KEY_RECEIVED_SUBVOL);
      return mp.inodes.get(root, TOP);
    });
  });
}

/** What was written to the source's files before belongs into the snapshot. */
function writeBackTree(mp: BtrfsMount, source: TreeRoot): void {
  for (const ip of mp.inodes.changed()) {
    if (ip.root !== source) continue;
    writeback(ip);
    settle(ip);
  }
}

const NEVER = { sec: 0, nsec: 0 };

function snapshotChanges(mp: BtrfsMount, source: TreeRoot, readOnly: boolean): Partial<RootItemValues> {
  const item = source.item as RootItemValues;
  const flags = readOnly ? item.flags | ROOT_SUBVOL_RDONLY : item.flags & ~ROOT_SUBVOL_RDONLY;
  const changes: Partial<RootItemValues> = {
    flags,
    inode: withValidFlags(item.inode),
    uuid: randomUuid(mp),
    parent_uuid: item.uuid,
    otime: timeOf(mp),
    otransid: mp.trans.id,
  };
  if (readOnly) return changes;
  // What can be written to is not what was received any more.
  return { ...changes, received_uuid: new Uint8Array(UUID_SIZE), stime: NEVER, rtime: NEVER, stransid: 0, rtransid: 0 };
}
