/** Extended attributes (kernel: fs/ext4/xattr.h): in the inode behind its extra fields, in one block, values in inodes. */
import { bytes, le16, le32, le32x, struct, u8 } from '../../../core/struct.ts';

export const XATTR_MAGIC = 0xea020000;

/** Before the entries in an inode. */
export const XattrInodeHeader = struct('ext4_xattr_ibody_header', 4, { magic: le32x });

/** Before the entries in a block, which several inodes may share. */
export const XattrBlockHeader = struct('ext4_xattr_header', 32, {
  magic: le32x,
  refcount: le32,
  blocks: le32,
  hash: le32x,
  checksum: le32x,
  reserved: bytes(12),
});

/** An entry; its name follows, and the next one begins at a multiple of 4. Four zero bytes end the row. */
export const XattrEntry = struct('ext4_xattr_entry', 16, {
  name_len: u8,
  name_index: u8,
  value_offs: le16,
  /** The inode that has the value, 0 if it lies beside the entries. */
  value_inum: le32,
  value_size: le32,
  hash: le32x,
});

/** The attributes' namespaces, and names that are told by a number alone. */
export const XattrIndex = {
  USER: 1,
  POSIX_ACL_ACCESS: 2,
  POSIX_ACL_DEFAULT: 3,
  TRUSTED: 4,
  LUSTRE: 5,
  SECURITY: 6,
  SYSTEM: 7,
  RICHACL: 8,
  ENCRYPTION: 9,
  HURD: 10,
} as const;

/** The version of access control lists on disk. */
export const ACL_VERSION = 1;
