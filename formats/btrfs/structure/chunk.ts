/** Chunk tree, device tree and block groups: where logical addresses lie. */
import { array, bytes, le16, le32, le32x, struct, u8, uuid } from '../../../core/struct.ts';
import { s64, u64 } from './fields.ts';

/** DEV_ITEM, also in the superblock (kernel: struct btrfs_dev_item). */
export const DevItem = struct('btrfs_dev_item', 98, {
  devid: u64,
  total_bytes: u64,
  bytes_used: u64,
  io_align: le32,
  io_width: le32,
  sector_size: le32,
  type: s64,
  generation: u64,
  start_offset: u64,
  dev_group: le32,
  seek_speed: u8,
  bandwidth: u8,
  uuid,
  fsid: uuid,
});

/** One device's part of a chunk (kernel: struct btrfs_stripe). */
export const Stripe = struct('btrfs_stripe', 32, {
  devid: u64,
  offset: u64,
  dev_uuid: uuid,
});

/** CHUNK_ITEM without its stripes, of which `num_stripes` follow (kernel: struct btrfs_chunk). */
export const ChunkItem = struct('btrfs_chunk', 48, {
  length: u64,
  owner: u64,
  stripe_len: u64,
  type: u64,
  io_align: le32,
  io_width: le32,
  sector_size: le32,
  num_stripes: le16,
  sub_stripes: le16,
});

/** Bytes of a CHUNK_ITEM with so many stripes. */
export function chunkItemSize(stripes: number): number {
  return ChunkItem.size + stripes * Stripe.size;
}

/** The only stripe length there is. */
export const STRIPE_LEN = 65536;

/** DEV_EXTENT (kernel: struct btrfs_dev_extent). */
export const DevExtent = struct('btrfs_dev_extent', 48, {
  chunk_tree: u64,
  chunk_objectid: u64,
  chunk_offset: u64,
  length: u64,
  chunk_tree_uuid: uuid,
});

/** BLOCK_GROUP_ITEM (kernel: struct btrfs_block_group_item). */
export const BlockGroupItem = struct('btrfs_block_group_item', 24, {
  used: u64,
  chunk_objectid: u64,
  flags: u64,
});

/** Types and profiles of chunks and block groups. No profile bit means single. */
export const BlockGroupFlag = {
  DATA: 1,
  SYSTEM: 2,
  METADATA: 4,
  RAID0: 8,
  RAID1: 16,
  DUP: 32,
  RAID10: 64,
  RAID5: 128,
  RAID6: 256,
  RAID1C3: 512,
  RAID1C4: 1024,
  REMAPPED: 2048,
  METADATA_REMAP: 4096,
} as const;

export const BLOCK_GROUP_TYPE_MASK = 7;
export const BLOCK_GROUP_PROFILE_MASK = 0x7f8;

/** DEV_STATS in the device tree: write, read, flush, corruption and generation errors. */
export const DevStatsItem = struct('btrfs_dev_stats_item', 40, {
  values: array(u64, 5),
});

/** DEV_REPLACE in the device tree (kernel: struct btrfs_dev_replace_item). */
export const DevReplaceItem = struct('btrfs_dev_replace_item', 72, {
  src_devid: u64,
  cursor_left: u64,
  cursor_right: u64,
  cont_reading_from_srcdev_mode: u64,
  replace_state: u64,
  time_started: u64,
  time_stopped: u64,
  num_write_errors: u64,
  num_uncorrectable_read_errors: u64,
});

/** RAID_STRIPE is a row of these (kernel: struct btrfs_raid_stride). */
export const RaidStride = struct('btrfs_raid_stride', 16, {
  devid: u64,
  physical: u64,
});

/** Filters of one kind of chunks in a balance (kernel: struct btrfs_disk_balance_args). */
export const DiskBalanceArgs = struct('btrfs_disk_balance_args', 136, {
  profiles: u64,
  usage_min: le32,
  usage_max: le32,
  devid: u64,
  pstart: u64,
  pend: u64,
  vstart: u64,
  vend: u64,
  target: u64,
  flags: u64,
  limit_min: le32,
  limit_max: le32,
  stripes_min: le32,
  stripes_max: le32,
  unused: bytes(48),
});

/** BALANCE_ITEM in the root tree, objectid BALANCE (kernel: struct btrfs_balance_item). */
export const BalanceItem = struct('btrfs_balance_item', 448, {
  flags: u64,
  data: bytes(DiskBalanceArgs.size),
  meta: bytes(DiskBalanceArgs.size),
  sys: bytes(DiskBalanceArgs.size),
  unused: bytes(32),
});

/** FREE_SPACE_INFO of the free-space tree (kernel: struct btrfs_free_space_info). */
export const FreeSpaceInfo = struct('btrfs_free_space_info', 8, {
  extent_count: le32,
  flags: le32x,
});

/** `flags` of FREE_SPACE_INFO: the group's free space is in bitmaps. */
export const FREE_SPACE_USING_BITMAPS = 1;
/** Bytes of one FREE_SPACE_BITMAP item: 2048 bits, a sector each. */
export const FREE_SPACE_BITMAP_SIZE = 256;
