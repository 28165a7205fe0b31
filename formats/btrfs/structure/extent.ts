/**
 * The extent tree: who uses which bytes.
 *
 *     EXTENT_ITEM (bytenr, length):    ExtentItem [TreeBlockInfo] inline references …
 *     METADATA_ITEM (bytenr, level):   ExtentItem inline references …
 *     inline reference:                type u8, then an offset (root or parent), an ExtentDataRef, or parent + count
 */
import { le32, struct, u8 } from '../../../core/struct.ts';
import { coarse, diskKey, u64 } from './fields.ts';

/** EXTENT_ITEM and METADATA_ITEM (kernel: struct btrfs_extent_item). */
export const ExtentItem = struct('btrfs_extent_item', 24, {
  refs: u64,
  generation: u64,
  flags: u64,
});

export const ExtentFlag = { DATA: 1, TREE_BLOCK: 2, FULL_BACKREF: 256 } as const;

/** Follows the ExtentItem of a tree block in an EXTENT_ITEM (kernel: struct btrfs_tree_block_info). */
export const TreeBlockInfo = struct('btrfs_tree_block_info', 18, {
  key: diskKey,
  level: u8,
});

/** EXTENT_DATA_REF (kernel: struct btrfs_extent_data_ref). Inline, it follows the type byte. */
export const ExtentDataRef = struct('btrfs_extent_data_ref', 28, {
  root: u64,
  objectid: u64,
  offset: coarse,
  count: le32,
});

/** SHARED_DATA_REF (kernel: struct btrfs_shared_data_ref). Inline, it follows type and parent. */
export const SharedDataRef = struct('btrfs_shared_data_ref', 4, {
  count: le32,
});

/** EXTENT_OWNER_REF of simple quotas (kernel: struct btrfs_extent_owner_ref). */
export const ExtentOwnerRef = struct('btrfs_extent_owner_ref', 8, {
  root_id: u64,
});

/** Start of an inline reference (kernel: struct btrfs_extent_inline_ref). */
export const ExtentInlineRef = struct('btrfs_extent_inline_ref', 9, {
  type: u8,
  offset: u64,
});
