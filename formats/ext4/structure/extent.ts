/** Nodes of the extent tree (kernel: ext4_extents.h): a header, then entries of 12 bytes; a block ends with a checksum. */
import { le16, le32, le32x, struct } from '../../../core/struct.ts';
import { le16x } from './fields.ts';

export const EXTENT_MAGIC = 0xf30a;
/** The tree of the largest file is not deeper. */
export const MAX_EXTENT_DEPTH = 5;
/** Lengths above this mean that the extent is unwritten. */
export const MAX_EXTENT_LENGTH = 32768;

export const ExtentHeader = struct('ext4_extent_header', 12, {
  magic: le16x,
  entries: le16,
  max: le16,
  depth: le16,
  generation: le32,
});

/** An entry of a leaf. */
export const Extent = struct('ext4_extent', 12, {
  block: le32,
  len: le16,
  start_hi: le16,
  start_lo: le32,
});

/** An entry of a node above the leaves. */
export const ExtentIndex = struct('ext4_extent_idx', 12, {
  block: le32,
  leaf_lo: le32,
  leaf_hi: le16,
  unused: le16,
});

/** Behind the last place for an entry, with metadata_csum. */
export const ExtentTail = struct('ext4_extent_tail', 4, {
  checksum: le32x,
});

/** Bytes of the header and of every entry. */
export const ENTRY = 12;
/** Bytes of the node in the inode, and entries that it holds. */
export const ROOT_SIZE = 60;
export const ROOT_ENTRIES = ROOT_SIZE / ENTRY - 1;

/** Blocks of a leaf's entry. */
export function extentLength(view: DataView, entry: number): number {
  const length = Extent.get.len(view, entry);
  return length > MAX_EXTENT_LENGTH ? length - MAX_EXTENT_LENGTH : length;
}

/** True if the blocks of a leaf's entry read as zeros. */
export function isUnwritten(view: DataView, entry: number): boolean {
  return Extent.get.len(view, entry) > MAX_EXTENT_LENGTH;
}
