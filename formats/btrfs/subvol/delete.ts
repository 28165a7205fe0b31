/**
 * Deleting a subvolume: its name goes, and its tree becomes an orphan of the root tree in one transaction; then its
 * blocks are dropped in a chain of others, which Linux would resume after a crash (kernel: btrfs_delete_subvolume).
 */
import { FsError } from '../../../core/errors.ts';
import type { BtrfsInode } from '../inode.ts';
import type { BtrfsMount } from '../mount.ts';
import { mayRemoveInode, nameBytes } from '../names/may.ts';
import { deleteOrphanItem, insertOrphanItem, orphanNumbers } from '../names/orphans.ts';
import { ItemType, Key, Objectid } from '../structure/key.ts';
import { ROOT_SUBVOL_DEAD_HIGH } from '../structure/root.ts';
import { defaultSubvolume } from '../subvolume.ts';
import { TreeDrop } from '../trans/drop-tree.ts';
import { deleteRootItem } from '../trans/root-items.ts';
import { removeUuid } from '../trans/uuid-tree.ts';
import { TreeCursor } from '../tree/cursor.ts';
import type { TreeRoot } from '../tree/root.ts';
import { withRoom } from '../write-state.ts';
import { dropSubvolumeName, isSubvolumeTop } from './names.ts';

const DELETE_ITEMS = 12;

/** Deletes the subvolume whose root directory is `top`. @throws FsError EPERM the default one, ENOTEMPTY others inside, EBUSY */
export function deleteSubvolume(dir: BtrfsInode, name: Uint8Array, top: BtrfsInode): void {
  const { mp } = dir;
  const { root } = top;
  if (defaultSubvolume(mp) === root.id) throw new FsError('EPERM', { detail: 'the default subvolume' });
  if (holdsSubvolumes(mp, root.id)) throw new FsError('ENOTEMPTY', { detail: 'holds other subvolumes' });
  for (const ip of mp.inodes.all())
    if (ip.root === root && ip.inUse) throw new FsError('EBUSY', { detail: `inode ${ip.ino} of it is open` });
  withRoom(mp, () => mp.change('delete subvolume', DELETE_ITEMS, () => bury(dir, name, top)));
  mp.inodes.forgetTree(root.id);
  dropDeadTree(mp, root);
}

/** True if a ROOT_REF says that another subvolume is inside. */
function holdsSubvolumes(mp: BtrfsMount, id: number): boolean {
  const cursor = new TreeCursor(mp.treeRoot);
  try {
    cursor.search(new Key(id, ItemType.ROOT_REF, 0));
    return cursor.valid && cursor.key.objectid === id && cursor.key.type === ItemType.ROOT_REF;
  } finally {
    cursor.close();
  }
}

/** The subvolume loses its name and becomes an orphan, to be dropped. Inside an operation. @throws FsError */
export function bury(dir: BtrfsInode, name: Uint8Array, top: BtrfsInode): void {
  const { mp } = dir;
  const { root } = top;
  const { item } = root;
  if (item === null) throw new FsError('EINVAL');
  dropSubvolumeName(dir, name, top);
  const before = { ...item };
  mp.trans.onUndo(() => Object.assign(item, before));
  item.drop_progress = new Key();
  item.drop_level = 0;
  item.refs = 0;
  item.flags_high |= ROOT_SUBVOL_DEAD_HIGH;
  mp.trans.markRoot(root);
  insertOrphanItem(mp.treeRoot, root.id);
  removeUuid(mp, item.uuid, root.id);
  if (item.received_uuid.some((byte) => byte !== 0))
    removeUuid(mp, item.received_uuid, root.id, ItemType.UUID_KEY_RECEIVED_SUBVOL);
}

/** Blocks looked at in one transaction. */
const STEP = 64;

/** Takes the tree of a deleted subvolume apart, and its ROOT_ITEM and orphan away. @throws FsError */
export function dropDeadTree(mp: BtrfsMount, root: TreeRoot): void {
  const drop = new TreeDrop(mp.trans, root, root.keyOffset);
  // A step only drops references; the trees of extents and checksums are changed at commit, out of the space set aside.
  while (!mp.change('drop tree', 1, () => drop.step(STEP)));
  mp.change('drop tree', 4, () => {
    deleteRootItem(mp.trans, root.id);
    deleteOrphanItem(mp.treeRoot, root.id);
  });
  mp.forgetRoot(root.id);
}

/** Takes apart what earlier sessions, or Linux, deleted and did not finish. */
export function dropDeadTrees(mp: BtrfsMount): void {
  for (const id of orphanNumbers(mp.treeRoot)) {
    if (id < Objectid.FIRST_FREE) continue;
    const root = deadRoot(mp, id);
    if (root !== null) dropDeadTree(mp, root);
  }
}

function deadRoot(mp: BtrfsMount, id: number): TreeRoot | null {
  try {
    const root = mp.root(id);
    return root.refs === 0 ? root : null;
  } catch (error) {
    if (error instanceof FsError && error.code === 'ENOENT') return null;
    throw error;
  }
}

/** Deletes the subvolume `top` behind `name` in `dir`. @throws FsError as deleteSubvolume(), EPERM, EROFS, ENOTDIR, EINVAL no subvolume */
export function deleteNamed(dir: BtrfsInode, name: string, top: BtrfsInode): void {
  mayRemoveInode(dir, top);
  if (top.kind !== 'dir') throw new FsError('ENOTDIR');
  if (!isSubvolumeTop(top)) throw new FsError('EINVAL');
  deleteSubvolume(dir, nameBytes(name), top);
}
