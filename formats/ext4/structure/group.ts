/** Descriptors of block groups (kernel: struct ext4_group_desc): 32 bytes, and more with the feature 64bit. */
import { bytes, le16, le32, struct } from '../../../core/struct.ts';
import { le16x } from './fields.ts';

/** `flags`: what mkfs left for later. */
export const GroupFlag = { INODE_UNINIT: 0x1, BLOCK_UNINIT: 0x2, INODE_ZEROED: 0x4 } as const;

export const GroupDesc = struct('ext4_group_desc', 32, {
  block_bitmap_lo: le32,
  inode_bitmap_lo: le32,
  inode_table_lo: le32,
  free_blocks_count_lo: le16,
  free_inodes_count_lo: le16,
  used_dirs_count_lo: le16,
  flags: le16x,
  exclude_bitmap_lo: le32,
  block_bitmap_csum_lo: le16x,
  inode_bitmap_csum_lo: le16x,
  itable_unused_lo: le16,
  checksum: le16x,
});

/** What follows a descriptor of 64 bytes and more. */
export const GroupDescHigh = struct('ext4_group_desc_high', 32, {
  block_bitmap_hi: le32,
  inode_bitmap_hi: le32,
  inode_table_hi: le32,
  free_blocks_count_hi: le16,
  free_inodes_count_hi: le16,
  used_dirs_count_hi: le16,
  itable_unused_hi: le16,
  exclude_bitmap_hi: le32,
  block_bitmap_csum_hi: le16x,
  inode_bitmap_csum_hi: le16x,
  reserved: bytes(4),
});
