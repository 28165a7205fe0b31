/**
 * Directory blocks v2 and v3 (kernel: xfs_da_format.h). A directory's file offsets fall into three spaces of 32 GiB:
 * entries from 0, the hash index from DIR_LEAF_OFFSET, the free-space index from DIR_FREE_OFFSET. An entry's place
 * is its byte offset divided by 8 (`dataptr`).
 *
 *     block form   data header | entries and free space | leaf entries | block tail
 *     data block   data header | entries and free space
 *     leaf1        leaf header | leaf entries … bests | leaf tail        leafn: without bests and tail
 *     free         free header | bests
 */
import { array, be16, be16x, be32, be32s, be32x, be64, be64big, le32x, struct, uuid } from '../../../core/struct.ts';

/** 32-bit block magics, [v2, v3]. */
export const DirMagic = {
  block: [0x58443242, 0x58444233],
  data: [0x58443244, 0x58444433],
  free: [0x58443246, 0x58444633],
} as const;

export const DIR_DATA_ALIGN = 8;
export const DIR_DATA_FREE_TAG = 0xffff;
export const DIR_LEAF_OFFSET = 0x8_0000_0000;
export const DIR_FREE_OFFSET = 0x10_0000_0000;
export const NULLDATAOFF = 0xffff;
/** Address of a leaf entry whose name is gone. */
export const DIR_NULL_DATAPTR = 0;
export const MAX_NAME_LENGTH = 255;

/** File types in directory entries; index is the on-disk value. */
export const DirFtype = {
  UNKNOWN: 0,
  REG_FILE: 1,
  DIR: 2,
  CHRDEV: 3,
  BLKDEV: 4,
  FIFO: 5,
  SOCK: 6,
  SYMLINK: 7,
  WHT: 8,
  MAX: 9,
} as const;

/** Header of data and block-form blocks without CRC; bestfree is three (offset, length) pairs. */
export const DirDataHeader = struct('xfs_dir2_data_hdr', 16, { magic: be32x, bestfree: array(be16, 6) });

/** Header of v3 data and block-form blocks. */
export const Dir3DataHeader = struct('xfs_dir3_data_hdr', 64, {
  magic: be32x,
  crc: le32x,
  blkno: be64,
  lsn: be64big,
  uuid,
  owner: be64,
  bestfree: array(be16, 6),
  pad: be32,
});

/** Header of hash-index blocks without CRC. */
export const DirLeafHeader = struct('xfs_dir2_leaf_hdr', 16, {
  forw: be32,
  back: be32,
  magic: be16x,
  pad: be16,
  count: be16,
  stale: be16,
});

/** Header of v3 hash-index blocks. */
export const Dir3LeafHeader = struct('xfs_dir3_leaf_hdr', 64, {
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
  stale: be16,
  pad32: be32,
});

/** Hash of a name and the place of its entry. */
export const DirLeafEntry = struct('xfs_dir2_leaf_entry', 8, { hashval: be32x, address: be32x });
/** End of a leaf1 block: how many bests lie before it. */
export const DirLeafTail = struct('xfs_dir2_leaf_tail', 4, { bestcount: be32 });
/** End of a block-form block. */
export const DirBlockTail = struct('xfs_dir2_block_tail', 8, { count: be32, stale: be32 });

/** Header of free-space index blocks without CRC. */
export const DirFreeHeader = struct('xfs_dir2_free_hdr', 16, {
  magic: be32x,
  firstdb: be32s,
  nvalid: be32s,
  nused: be32s,
});

/** Header of v3 free-space index blocks. */
export const Dir3FreeHeader = struct('xfs_dir3_free_hdr', 64, {
  magic: be32x,
  crc: le32x,
  blkno: be64,
  lsn: be64big,
  uuid,
  owner: be64,
  firstdb: be32s,
  nvalid: be32s,
  nused: be32s,
  pad: be32,
});
