/** Items of an inode in a file tree: the inode itself, its names backwards, orphans, log marks, verity. */
import { bytes, le16, le32, le32x, struct, u8 } from '../../../core/struct.ts';
import { position, timespec, u64 } from './fields.ts';

/** INODE_ITEM (kernel: struct btrfs_inode_item). `flags` is the low half of the kernel's u64, `ro_flags` the high. */
export const InodeItem = struct('btrfs_inode_item', 160, {
  generation: u64,
  transid: u64,
  size: position,
  nbytes: u64,
  block_group: u64,
  nlink: le32,
  uid: le32,
  gid: le32,
  mode: le32,
  rdev: u64,
  flags: le32x,
  ro_flags: le32x,
  sequence: u64,
  reserved: bytes(32),
  atime: timespec,
  ctime: timespec,
  mtime: timespec,
  otime: timespec,
});

/** Bits of an inode's `flags`. */
export const InodeFlag = {
  NODATASUM: 1,
  NODATACOW: 2,
  READONLY: 4,
  NOCOMPRESS: 8,
  PREALLOC: 16,
  SYNC: 32,
  IMMUTABLE: 64,
  APPEND: 128,
  NODUMP: 256,
  NOATIME: 512,
  DIRSYNC: 1024,
  COMPRESS: 2048,
  ROOT_ITEM_INIT: 0x80000000,
} as const;

/** All known bits of `flags`, and of `ro_flags` (verity). */
export const INODE_FLAG_MASK = 0x80000fff;
export const INODE_RO_VERITY = 1;
export const INODE_RO_FLAG_MASK = 1;

/** INODE_REF: one or more of these, each followed by its name (kernel: struct btrfs_inode_ref). */
export const InodeRef = struct('btrfs_inode_ref', 10, {
  index: u64,
  name_len: le16,
});

/** INODE_EXTREF: one or more, each followed by its name (kernel: struct btrfs_inode_extref). */
export const InodeExtref = struct('btrfs_inode_extref', 18, {
  parent_objectid: u64,
  index: u64,
  name_len: le16,
});

/** DIR_LOG_ITEM, DIR_LOG_INDEX of log trees: the logged range ends here (kernel: struct btrfs_dir_log_item). */
export const DirLogItem = struct('btrfs_dir_log_item', 8, {
  end: u64,
});

/** VERITY_DESC_ITEM at offset 0 (kernel: struct btrfs_verity_descriptor_item). */
export const VerityDescriptorItem = struct('btrfs_verity_descriptor_item', 25, {
  size: u64,
  reserved: bytes(16),
  encryption: u8,
});

/** Length of a name. */
export const NAME_MAX = 255;
