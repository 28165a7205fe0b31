/**
 * Resource groups: a header, bitmaps with two bits for each block, and the blocks. The first block has the header and
 * the beginning of the bitmap, the others (`ri_length` in all) only more of it (kernel: struct gfs2_rgrp, gfs2_rindex).
 */
import { be32, be32x, be64big, bytes, struct } from '../../../core/struct.ts';
import { blockNumber, metaFields } from './meta.ts';

export const RGRP_SIZE = 128;

export const Rgrp = struct('gfs2_rgrp', RGRP_SIZE, {
  ...metaFields,
  rg_flags: be32,
  rg_free: be32,
  rg_dinodes: be32,
  rg_skip: be32,
  rg_igeneration: be64big,
  rg_data0: blockNumber,
  rg_data: be32,
  rg_bitbytes: be32,
  rg_crc: be32x,
  rg_reserved: bytes(60),
});

/** An entry of the file `rindex`. */
export const Rindex = struct('gfs2_rindex', 96, {
  ri_addr: blockNumber,
  ri_length: be32,
  pad: be32,
  ri_data0: blockNumber,
  ri_data: be32,
  ri_bitbytes: be32,
  ri_reserved: bytes(64),
});

/** What two bits say of a block. */
export const BlockState = { FREE: 0, USED: 1, UNLINKED: 2, DINODE: 3 } as const;

/** Blocks that a byte of a bitmap tells of. */
export const BLOCKS_PER_BYTE = 4;
