/** EXTENT_DATA of files. */
import { bytes, le16, struct, u8 } from '../../../core/struct.ts';
import { u64 } from './fields.ts';

/**
 * EXTENT_DATA of a regular or preallocated extent (kernel: struct btrfs_file_extent_item). An inline one has its bytes
 * from FILE_EXTENT_INLINE_START on, in place of `disk_bytenr` and the rest.
 */
export const FileExtentItem = struct('btrfs_file_extent_item', 53, {
  generation: u64,
  ram_bytes: u64,
  compression: u8,
  encryption: u8,
  other_encoding: le16,
  type: u8,
  disk_bytenr: u64,
  disk_num_bytes: u64,
  offset: u64,
  num_bytes: u64,
});

/** Where the data of an inline extent begin. */
export const FILE_EXTENT_INLINE_START: number = FileExtentItem.at.disk_bytenr;

export const FileExtentType = { INLINE: 0, REG: 1, PREALLOC: 2 } as const;

export const Compression = { NONE: 0, ZLIB: 1, LZO: 2, ZSTD: 3 } as const;

/** STRING_ITEM, EXTENT_CSUM and others without structure have no declaration: their items are bytes. */
export const FreeSpaceHeader = struct('btrfs_free_space_header', 41, {
  location: bytes(17),
  generation: u64,
  num_entries: u64,
  num_bitmaps: u64,
});
