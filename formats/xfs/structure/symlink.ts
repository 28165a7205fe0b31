/** Blocks of a symlink target too long for its inode (kernel: struct xfs_dsymlink_hdr); v4 blocks have no header. */
import { be32, be32x, be64, be64big, le32x, struct, uuid } from '../../../core/struct.ts';

export const SYMLINK_MAGIC = 0x58534c4d;

export const SymlinkHeader = struct('xfs_dsymlink_hdr', 56, {
  magic: be32x,
  offset: be32,
  bytes: be32,
  crc: le32x,
  uuid,
  owner: be64,
  blkno: be64,
  lsn: be64big,
});
