/**
 * The hash btree that large directories and attribute forks share (kernel: xfs_da_format.h). Blocks are linked by
 * `forw` and `back` and know their type by a 16-bit magic; v5 blocks carry CRC, address and owner.
 */
import { be16, be16x, be32, be32x, be64, be64big, le32x, struct, uuid } from '../../../core/struct.ts';

/** 16-bit block magics, [v4, v5]. */
export const DaMagic = {
  node: [0xfebe, 0x3ebe],
  attrLeaf: [0xfbee, 0x3bee],
  leaf1: [0xd2f1, 0x3df1],
  leafn: [0xd2ff, 0x3dff],
} as const;

/** A deeper tree is damage (kernel: XFS_DA_NODE_MAXDEPTH). */
export const DA_NODE_MAXDEPTH = 5;

/** Start of every da block without CRC. */
export const DaBlkinfo = struct('xfs_da_blkinfo', 12, { forw: be32, back: be32, magic: be16x, pad: be16 });

/** Start of every v5 da block. `blkno` is in 512-byte sectors. */
export const Da3Blkinfo = struct('xfs_da3_blkinfo', 56, {
  forw: be32,
  back: be32,
  magic: be16x,
  pad: be16,
  crc: le32x,
  blkno: be64,
  lsn: be64big,
  uuid,
  owner: be64,
});

/** Interior node without CRC: `count` entries follow. */
export const DaNodeHeader = struct('xfs_da_node_hdr', 16, {
  forw: be32,
  back: be32,
  magic: be16x,
  pad: be16,
  count: be16,
  level: be16,
});

/** Interior node with CRC. */
export const Da3NodeHeader = struct('xfs_da3_node_hdr', 64, {
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
  level: be16,
  pad32: be32,
});

/** Entry of a node: the highest hash below `before`, a block of the same fork. */
export const DaNodeEntry = struct('xfs_da_node_entry', 8, { hashval: be32x, before: be32 });
