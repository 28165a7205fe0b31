/**
 * Block groups of which nothing is used any more go, and their chunks with them, so that the devices' bytes can become
 * a group of another kind. As in Linux the last group of its kind and profile stays, and so do mixed ones
 * and those whose space is spoken for (kernel: btrfs_delete_unused_bgs, btrfs_remove_block_group).
 *
 * Nothing in the group is of use to the committed state when this runs: what was freed in it has been released by a
 * commit. So its bytes may be written again before the commit that removes it.
 */
import { FsError } from '../../../core/errors.ts';
import type { BtrfsMount } from '../mount.ts';
import { BLOCK_GROUP_PROFILE_MASK, BlockGroupFlag, ChunkItem, chunkItemSize } from '../structure/chunk.ts';
import { ItemType, KEY_SIZE, Key, Objectid } from '../structure/key.ts';
import { TreeCursor } from '../tree/cursor.ts';
import type { TreeRoot } from '../tree/root.ts';
import { profileOf } from '../volumes/profile.ts';
import type { BlockGroup } from './block-group.ts';
import { updateDevice } from './chunk-items.ts';
import { globalReserve } from './global-reserve.ts';
import type { SpaceKind } from './space-kind.ts';

const GIB = 1024 * 1024 * 1024;
/** Bytes that a bitmap of free space covers, at least: an item each. */
const BITMAP_SPAN = 64 * 1024 * 1024;

/** Removes `group`'s items from the trees, in one operation. False: there was no space for that. @throws FsError */
export function removeGroup(mp: BtrfsMount, group: BlockGroup): boolean {
  const { chunk } = group;
  const items = 16 + 2 * chunk.stripes.length + Math.ceil(group.length / BITMAP_SPAN);
  try {
    mp.change('remove group', items, () => removeItems(mp, group));
    return true;
  } catch (error) {
    if (error instanceof FsError && error.code === 'ENOSPC') return false;
    throw error;
  }
}

/** True if `kind` can do without `group`, which is unused. */
export function isDispensable(mp: BtrfsMount, kind: SpaceKind, group: BlockGroup): boolean {
  if (group.readOnly || group.isNew || group.used !== 0) return false;
  if (group.freeBytes !== group.length - group.superBytes) return false;
  const isData = group.holds(BlockGroupFlag.DATA);
  if (isData && group.holds(BlockGroupFlag.METADATA)) return false;
  const profile = (each: BlockGroup): number => each.flags & BLOCK_GROUP_PROFILE_MASK;
  if (!kind.groups.some((other) => other !== group && profile(other) === profile(group))) return false;
  if (hasCache(mp, group)) return false;
  const reserve = group.isSystem || isData ? 0 : globalReserve(mp);
  const spare = kind.totalBytes - kind.usedBytes - kind.reserved - reserve - group.length;
  return spare >= 0 && (isData || spare + overcommit(mp, group.flags) > 0);
}

/** Metadata that could still get chunks: half of what is unallocated beyond a chunk of data. */
function overcommit(mp: BtrfsMount, flags: number): number {
  const members = mp.space.members.all.filter(({ seed, device }) => !seed && device !== null);
  const total = members.reduce((sum, { totalBytes }) => sum + totalBytes, 0);
  const free = members.reduce((sum, { totalBytes, bytesUsed }) => sum + totalBytes - bytesUsed, 0);
  const dataChunk = Math.min(GIB, total / 10);
  return Math.max(0, (free / (profileOf(flags)?.copies ?? 1) - dataChunk) / 2);
}

/** A cache of version 1 is a file with extents of its own, which Linux removes along. */
function hasCache(mp: BtrfsMount, group: BlockGroup): boolean {
  const cursor = new TreeCursor(mp.treeRoot);
  const found = cursor.search(new Key(Objectid.FREE_SPACE, 0, group.start));
  cursor.close();
  return found;
}

function removeItems(mp: BtrfsMount, group: BlockGroup): void {
  const { chunk } = group;
  removeItem(mp.blockGroupRoot(), new Key(group.start, ItemType.BLOCK_GROUP_ITEM, group.length));
  const freeSpace = mp.freeSpaceRoot();
  if (freeSpace !== null) removeRange(freeSpace, group);
  for (const { member, addr } of chunk.stripes) {
    removeItem(mp.devRoot, new Key(member.devid, ItemType.DEV_EXTENT, addr));
    member.bytesUsed -= chunk.stripeBytes;
    mp.trans.onUndo(() => {
      member.bytesUsed += chunk.stripeBytes;
    });
  }
  for (const member of new Set(chunk.stripes.map((stripe) => stripe.member))) updateDevice(mp, member);
  removeItem(mp.chunkRoot, new Key(Objectid.FIRST_CHUNK_TREE, ItemType.CHUNK_ITEM, chunk.logical));
  if (group.isSystem) removeSystemChunk(mp, chunk.logical);
}

function removeItem(root: TreeRoot, key: Key): void {
  const cursor = new TreeCursor(root);
  try {
    if (!cursor.search(key)) throw new FsError('EUCLEAN', { detail: `item ${key} is missing` });
    cursor.delete();
  } finally {
    cursor.close();
  }
}

/** All items of the free-space tree that lie in the group. */
function removeRange(root: TreeRoot, group: BlockGroup): void {
  const cursor = new TreeCursor(root);
  try {
    cursor.search(new Key(group.start, 0, 0));
    while (cursor.valid && cursor.key.objectid < group.end) cursor.delete();
  } finally {
    cursor.close();
  }
}

/** Takes a chunk out of the superblock's array. */
function removeSystemChunk(mp: BtrfsMount, logical: number): void {
  const { sb } = mp;
  const array = sb.sys_chunk_array;
  const view = new DataView(array.buffer, array.byteOffset, array.byteLength);
  const key = new Key();
  for (let at = 0; at < sb.sys_chunk_array_size; ) {
    key.read(view, at);
    const end = at + KEY_SIZE + chunkItemSize(ChunkItem.get.num_stripes(view, at + KEY_SIZE));
    if (key.offset === logical) {
      array.copyWithin(at, end, sb.sys_chunk_array_size);
      sb.sys_chunk_array_size -= end - at;
      array.fill(0, sb.sys_chunk_array_size);
      return;
    }
    at = end;
  }
}
