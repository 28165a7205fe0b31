/**
 * Directories (kernel: struct ext4_dir_entry_2, dx_root, dx_node). A block is a row of entries that fills it; with
 * metadata_csum the last of them is no name and has the checksum.
 *
 *     leaf   | entry name | entry name …        | tail 12 |
 *     root   | . | .. to the block's end: | info 8 | limit count block | hash block | …
 *     node   | nothing to the block's end:         | limit count block | hash block | …
 */
import { le16, le32, le32x, struct, u8 } from '../../../core/struct.ts';

/** An entry; the name follows. `inode` 0: nobody's, its space is free. */
export const DirEntryHeader = struct('ext4_dir_entry_2', 8, {
  inode: le32,
  rec_len: le16,
  name_len: u8,
  file_type: u8,
});

export const NAME_MAX = 255;
export const DOT_LENGTH = 12;

/** The end of a leaf with metadata_csum. */
export const DirTail = struct('ext4_dir_entry_tail', 12, {
  reserved_zero1: le32,
  rec_len: le16,
  reserved_zero2: u8,
  reserved_ft: u8,
  checksum: le32x,
});
export const DIR_TAIL_FILE_TYPE = 0xde;

/** Where the root of an index has what follows the entries `.` and `..`. */
export const DX_INFO_AT = 24;

export const DxRootInfo = struct('dx_root_info', 8, {
  reserved_zero: le32,
  hash_version: u8,
  info_length: u8,
  indirect_levels: u8,
  unused_flags: u8,
});

/** Instead of the first entry's hash; its block is there. */
export const DxCountLimit = struct('dx_countlimit', 8, { limit: le16, count: le16, block: le32 });
export const DxEntry = struct('dx_entry', 8, { hash: le32x, block: le32 });
/** The upper bits of a block number are nobody's. */
export const DX_BLOCK_MASK = 0x0fffffff;

/** Behind the last place for an entry, with metadata_csum. */
export const DxTail = struct('dx_tail', 8, { reserved: le32, checksum: le32x });
