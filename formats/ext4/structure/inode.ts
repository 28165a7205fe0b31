/** An inode (kernel: struct ext4_inode): 128 bytes, and behind them as much more as `extra_isize` says. */
import { bytes, le16, le32, le32x, struct } from '../../../core/struct.ts';
import { le16x } from './fields.ts';

export const GOOD_OLD_INODE_SIZE = 128;

export const ROOT_INO = 2;
/** Its blocks are those that descriptors may grow into. */
export const RESIZE_INO = 7;
/** The first number that is not the file system's own, where the superblock does not say. */
export const GOOD_OLD_FIRST_INO = 11;

/** `flags`: EXT4_*_FL. */
export const InodeFlag = {
  SECRM: 0x1,
  UNRM: 0x2,
  COMPR: 0x4,
  SYNC: 0x8,
  IMMUTABLE: 0x10,
  APPEND: 0x20,
  NODUMP: 0x40,
  NOATIME: 0x80,
  DIRTY: 0x100,
  COMPRBLK: 0x200,
  NOCOMPR: 0x400,
  ENCRYPT: 0x800,
  INDEX: 0x1000,
  IMAGIC: 0x2000,
  JOURNAL_DATA: 0x4000,
  NOTAIL: 0x8000,
  DIRSYNC: 0x10000,
  TOPDIR: 0x20000,
  HUGE_FILE: 0x40000,
  EXTENTS: 0x80000,
  VERITY: 0x100000,
  EA_INODE: 0x200000,
  DAX: 0x2000000,
  INLINE_DATA: 0x10000000,
  PROJINHERIT: 0x20000000,
  CASEFOLD: 0x40000000,
} as const;

export const DiskInode = struct('ext4_inode', GOOD_OLD_INODE_SIZE, {
  mode: le16x,
  uid: le16,
  size_lo: le32,
  atime: le32,
  ctime: le32,
  mtime: le32,
  dtime: le32,
  gid: le16,
  links_count: le16,
  blocks_lo: le32,
  flags: le32x,
  version: le32,
  block: bytes(60),
  generation: le32,
  file_acl_lo: le32,
  size_high: le32,
  obso_faddr: le32,
  blocks_high: le16,
  file_acl_high: le16,
  uid_high: le16,
  gid_high: le16,
  checksum_lo: le16x,
  reserved: le16,
});

/** What follows at offset 128, each field there only if `extra_isize` reaches behind it. */
export const InodeExtra = struct('ext4_inode_extra', 32, {
  extra_isize: le16,
  checksum_hi: le16x,
  ctime_extra: le32x,
  mtime_extra: le32x,
  atime_extra: le32x,
  crtime: le32,
  crtime_extra: le32x,
  version_hi: le32,
  projid: le32,
});
