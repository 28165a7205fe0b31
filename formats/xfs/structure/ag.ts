/**
 * Allocation group headers: AGF (free space), AGI (inodes), AGFL (blocks kept for the btrees). Each is one sector,
 * the second, third and fourth of its group.
 */
import { array, be32, be32null, be32x, be64big, bytes, le32x, struct, uuid } from '../../../core/struct.ts';

export const AGF_MAGIC = 0x58414746;
export const AGI_MAGIC = 0x58414749;
export const AGFL_MAGIC = 0x5841464c;
export const AGF_VERSION = 1;
export const AGI_VERSION = 1;
export const NULLAGBLOCK = 0xffffffff;
export const NULLAGINO = 0xffffffff;
/** Heads of unlinked-inode chains in an AGI. */
export const AGI_UNLINKED_BUCKETS = 64;

/** Free-space header of a group (kernel: struct xfs_agf). Without CRCs it ends after `refcount_level`'s spares. */
export const Agf = struct('xfs_agf', 224, {
  magicnum: be32x,
  versionnum: be32,
  seqno: be32,
  length: be32,
  bno_root: be32null,
  cnt_root: be32null,
  rmap_root: be32null,
  bno_level: be32,
  cnt_level: be32,
  rmap_level: be32,
  flfirst: be32,
  fllast: be32,
  flcount: be32,
  freeblks: be32,
  longest: be32,
  btreeblks: be32,
  uuid,
  rmap_blocks: be32,
  refcount_blocks: be32,
  refcount_root: be32null,
  refcount_level: be32,
  spare64: bytes(112),
  lsn: be64big,
  crc: le32x,
  spare2: be32,
});

/** Inode header of a group (kernel: struct xfs_agi). */
export const Agi = struct('xfs_agi', 344, {
  magicnum: be32x,
  versionnum: be32,
  seqno: be32,
  length: be32,
  count: be32,
  root: be32null,
  level: be32,
  freecount: be32,
  newino: be32null,
  dirino: be32null,
  unlinked: array(be32null, AGI_UNLINKED_BUCKETS),
  uuid,
  crc: le32x,
  pad32: be32,
  lsn: be64big,
  free_root: be32null,
  free_level: be32,
  iblocks: be32,
  fblocks: be32,
});

/** Header of the v5 free list; the block numbers (big-endian u32) follow. v4 lists have no header. */
export const Agfl = struct('xfs_agfl', 36, {
  magicnum: be32x,
  seqno: be32,
  uuid,
  lsn: be64big,
  crc: le32x,
});
