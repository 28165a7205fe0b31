/**
 * Tree blocks, `nodesize` bytes each.
 *
 *     leaf: | header | item 0 | item 1 | …   free   … | data 1 | data 0 |     item.offset counts from the header's end
 *     node: | header | keyptr 0 | keyptr 1 | …                            |
 */
import { bytes, le32, le32x, struct, u8, uuid } from '../../../core/struct.ts';
import { diskKey, u64 } from './fields.ts';

/** Trees are at most this high: levels 0 (leaf) to 7. */
export const MAX_LEVEL = 8;
/** Bytes kept for a checksum in headers and superblocks, whatever its kind. */
export const CSUM_SIZE = 32;

/** What every tree block begins with (kernel: struct btrfs_header). */
export const Header = struct('btrfs_header', 101, {
  csum: bytes(CSUM_SIZE),
  fsid: uuid,
  bytenr: u64,
  flags: le32x,
  flags_reserved: bytes(3),
  backref_rev: u8,
  chunk_tree_uuid: uuid,
  generation: u64,
  owner: u64,
  nritems: le32,
  level: u8,
});

/** Header of an item in a leaf (kernel: struct btrfs_item). */
export const Item = struct('btrfs_item', 25, {
  key: diskKey,
  offset: le32,
  size: le32,
});

/** Pointer to a block of the level below (kernel: struct btrfs_key_ptr). */
export const KeyPtr = struct('btrfs_key_ptr', 33, {
  key: diskKey,
  blockptr: u64,
  generation: u64,
});

export const HEADER_SIZE: number = Header.size;
export const ITEM_SIZE: number = Item.size;
export const KEY_PTR_SIZE: number = KeyPtr.size;

/** Header flags, the low 32 bits. */
export const HeaderFlag = { WRITTEN: 1, RELOC: 2 } as const;

export const MIXED_BACKREF_REV = 1;

/** Bytes of a leaf for item headers and data. */
export function leafDataSize(nodeSize: number): number {
  return nodeSize - HEADER_SIZE;
}

/** How many pointers a node holds. */
export function nodePtrsPerBlock(nodeSize: number): number {
  return Math.floor((nodeSize - HEADER_SIZE) / KEY_PTR_SIZE);
}

/** The largest item of a leaf. */
export function maxItemSize(nodeSize: number): number {
  return nodeSize - HEADER_SIZE - ITEM_SIZE;
}
