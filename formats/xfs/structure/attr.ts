/**
 * Extended attributes: shortform in the inode, leaf blocks sorted by hash, values too large for a leaf in blocks of
 * their own (kernel: xfs_da_format.h).
 */
import { array, be16, be16x, be32, be32x, be64, be64big, le32x, struct, u8, uuid } from '../../../core/struct.ts';

/** Flags of an attribute entry. */
export const AttrFlag = { LOCAL: 0x01, ROOT: 0x02, SECURE: 0x04, PARENT: 0x08, INCOMPLETE: 0x80 } as const;
export const ATTR_NSP_MASK: number = AttrFlag.ROOT | AttrFlag.SECURE | AttrFlag.PARENT;
/** Largest value in bytes. */
export const XATTR_SIZE_MAX = 65536;

export const AttrShortHeader = struct('xfs_attr_sf_hdr', 4, { totsize: be16, count: u8, padding: u8 });
/** Start of a shortform entry: the name and the value follow. */
export const AttrShortEntry = struct('xfs_attr_sf_entry', 3, { namelen: u8, valuelen: u8, flags: u8 });

/** Leaf header without CRC; freemap is three (base, size) pairs. */
export const AttrLeafHeader = struct('xfs_attr_leaf_hdr', 32, {
  forw: be32,
  back: be32,
  magic: be16x,
  pad: be16,
  count: be16,
  usedbytes: be16,
  firstused: be16,
  holes: u8,
  pad1: u8,
  freemap: array(be16, 6),
});

/** Leaf header with CRC. */
export const Attr3LeafHeader = struct('xfs_attr3_leaf_hdr', 80, {
  forw: be32,
  back: be32,
  magic: be16x,
  pad: be16,
  crc: le32x,
  blkno: be64,
  lsn: be64big,
  uuid,
  owner: be64,
  count: be16,
  usedbytes: be16,
  firstused: be16,
  holes: u8,
  pad1: u8,
  freemap: array(be16, 6),
  pad2: be32,
});

export const AttrLeafEntry = struct('xfs_attr_leaf_entry', 8, { hashval: be32x, nameidx: be16, flags: u8, pad2: u8 });
/** Name and value in the leaf: name, then value follow. */
export const AttrLeafLocal = struct('xfs_attr_leaf_name_local', 3, { valuelen: be16, namelen: u8 });
/** Name in the leaf, value in blocks of the attribute fork from `valueblk` on. */
export const AttrLeafRemote = struct('xfs_attr_leaf_name_remote', 9, { valueblk: be32, valuelen: be32, namelen: u8 });

export const ATTR3_RMT_MAGIC = 0x5841524d;
/** Header of every block of a remote value on v5; v4 blocks are all value. */
export const AttrRemoteHeader = struct('xfs_attr3_rmt_hdr', 56, {
  magic: be32x,
  offset: be32,
  bytes: be32,
  crc: le32x,
  uuid,
  owner: be64,
  blkno: be64,
  lsn: be64big,
});

/** Value of a parent pointer attribute; its name is the file's name in that directory. */
export const ParentRecord = struct('xfs_parent_rec', 12, { ino: be64, gen: be32 });
