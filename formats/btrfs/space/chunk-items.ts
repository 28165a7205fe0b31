/**
 * The items of a new chunk: itself and its devices' used bytes in the chunk tree, a device extent for every stripe,
 * the block group, its free space; a system chunk also stands in the superblock
 * (kernel: btrfs_create_pending_block_groups, btrfs_chunk_alloc_add_chunk_item).
 */
import { corrupt, FsError } from '../../../core/errors.ts';
import type { BtrfsMount } from '../mount.ts';
import {
  BlockGroupItem,
  ChunkItem,
  chunkItemSize,
  DevExtent,
  DevItem,
  STRIPE_LEN,
  Stripe,
} from '../structure/chunk.ts';
import { ItemType, KEY_SIZE, Key, Objectid } from '../structure/key.ts';
import { SYSTEM_CHUNK_ARRAY_SIZE } from '../structure/superblock.ts';
import { TreeCursor } from '../tree/cursor.ts';
import type { TreeRoot } from '../tree/root.ts';
import type { Chunk } from '../volumes/chunk.ts';
import type { Member } from '../volumes/member.ts';
import type { BlockGroup } from './block-group.ts';

/** Enters a new group into the trees, its free space excepted. @throws FsError */
export function insertChunk(mp: BtrfsMount, group: BlockGroup): void {
  const { chunk } = group;
  const item = encodeChunk(mp, chunk);
  const key = new Key(Objectid.FIRST_CHUNK_TREE, ItemType.CHUNK_ITEM, chunk.logical);
  insertItem(mp.chunkRoot, key, item);
  if (group.isSystem) appendSystemChunk(mp, key, item);
  for (const member of new Set(chunk.stripes.map((stripe) => stripe.member))) updateDevice(mp, member);
  for (const { member, addr } of chunk.stripes) insertDeviceExtent(mp, chunk, member, addr);
  const bytes = new Uint8Array(BlockGroupItem.size);
  const values = { used: group.used, chunk_objectid: Objectid.FIRST_CHUNK_TREE, flags: group.flags };
  BlockGroupItem.encode(new DataView(bytes.buffer), 0, values);
  insertItem(mp.blockGroupRoot(), new Key(group.start, ItemType.BLOCK_GROUP_ITEM, group.length), bytes);
  group.writtenUsed = group.used;
}

/** True if the superblock's array has room for one more system chunk with so many stripes. */
export function hasSystemRoom(mp: BtrfsMount, stripes: number): boolean {
  return mp.sb.sys_chunk_array_size + KEY_SIZE + chunkItemSize(stripes) <= SYSTEM_CHUNK_ARRAY_SIZE;
}

/** Writes a group's `used` to its item. @throws FsError EUCLEAN if the item is not there */
export function writeUsed(mp: BtrfsMount, group: BlockGroup): void {
  const cursor = new TreeCursor(mp.blockGroupRoot());
  try {
    if (!cursor.search(new Key(group.start, ItemType.BLOCK_GROUP_ITEM, group.length))) {
      throw corrupt({ structure: `block group ${group.start}`, rule: 'its item is missing' });
    }
    cursor.edit();
    group.writtenUsed = group.used;
    BlockGroupItem.set.used(cursor.view, cursor.at, group.used);
  } finally {
    cursor.close();
  }
}

function encodeChunk(mp: BtrfsMount, chunk: Chunk): Uint8Array {
  const bytes = new Uint8Array(chunkItemSize(chunk.stripes.length));
  const view = new DataView(bytes.buffer);
  ChunkItem.encode(view, 0, {
    length: chunk.length,
    owner: Objectid.EXTENT_TREE,
    stripe_len: STRIPE_LEN,
    type: chunk.type,
    io_align: STRIPE_LEN,
    io_width: STRIPE_LEN,
    sector_size: mp.sectorSize,
    num_stripes: chunk.stripes.length,
    sub_stripes: chunk.profile.subStripes,
  });
  for (const [i, { member, addr }] of chunk.stripes.entries()) {
    const uuid = Buffer.from(member.uuid, 'hex');
    Stripe.encode(view, ChunkItem.size + i * Stripe.size, { devid: member.devid, offset: addr, dev_uuid: uuid });
  }
  return bytes;
}

function appendSystemChunk(mp: BtrfsMount, key: Key, item: Uint8Array): void {
  const { sb } = mp;
  const at = sb.sys_chunk_array_size;
  if (at + KEY_SIZE + item.length > SYSTEM_CHUNK_ARRAY_SIZE) {
    throw new FsError('EFBIG', { detail: 'the superblock has no room for another system chunk' });
  }
  const array = sb.sys_chunk_array;
  key.write(new DataView(array.buffer, array.byteOffset, array.byteLength), at);
  array.set(item, at + KEY_SIZE);
  sb.sys_chunk_array_size = at + KEY_SIZE + item.length;
}

/** Writes a device's used bytes to its item. @throws FsError EUCLEAN if the item is not there */
export function updateDevice(mp: BtrfsMount, member: Member): void {
  const cursor = new TreeCursor(mp.chunkRoot);
  try {
    if (!cursor.search(new Key(Objectid.DEV_ITEMS, ItemType.DEV_ITEM, member.devid))) {
      throw corrupt({ structure: `device ${member.devid}`, rule: 'its item is missing' });
    }
    cursor.edit();
    DevItem.set.bytes_used(cursor.view, cursor.at, member.bytesUsed);
  } finally {
    cursor.close();
  }
}

function insertDeviceExtent(mp: BtrfsMount, chunk: Chunk, member: Member, addr: number): void {
  const bytes = new Uint8Array(DevExtent.size);
  DevExtent.encode(new DataView(bytes.buffer), 0, {
    chunk_tree: Objectid.CHUNK_TREE,
    chunk_objectid: Objectid.FIRST_CHUNK_TREE,
    chunk_offset: chunk.logical,
    length: chunk.stripeBytes,
  });
  insertItem(mp.devRoot, new Key(member.devid, ItemType.DEV_EXTENT, addr), bytes);
}

function insertItem(root: TreeRoot, key: Key, bytes: Uint8Array): void {
  const cursor = new TreeCursor(root);
  try {
    cursor.insert(key, bytes.length);
    const { view, at } = cursor;
    new Uint8Array(view.buffer, view.byteOffset + at, bytes.length).set(bytes);
  } finally {
    cursor.close();
  }
}
