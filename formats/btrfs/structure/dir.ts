/** DIR_ITEM, DIR_INDEX and XATTR_ITEM: one or more of these headers, each followed by name and data. */
import { le16, struct, u8 } from '../../../core/struct.ts';
import { diskKey, u64 } from './fields.ts';

/** Kernel: struct btrfs_dir_item; `name_len` bytes of name and `data_len` of data (xattr value) follow. */
export const DirItem = struct('btrfs_dir_item', 30, {
  location: diskKey,
  transid: u64,
  data_len: le16,
  name_len: le16,
  type: u8,
});

/** File types in directory items. */
export const FileType = {
  UNKNOWN: 0,
  REG_FILE: 1,
  DIR: 2,
  CHRDEV: 3,
  BLKDEV: 4,
  FIFO: 5,
  SOCK: 6,
  SYMLINK: 7,
  XATTR: 8,
  MAX: 9,
  /** Bit beside the type: the directory's names are encrypted. */
  ENCRYPTED: 0x80,
} as const;
