/** The superblock: one sector at 64 KiB (kernel: struct gfs2_sb). */
import { be32, bytes, struct, text, uuid } from '../../../core/struct.ts';
import { blockNumber, metaFields } from './meta.ts';

/** Device byte address of the superblock. */
export const SUPER_ADDR = 128 * 512;

export const Superblock = struct('gfs2_sb', 272, {
  ...metaFields,
  sb_fs_format: be32,
  sb_multihost_format: be32,
  pad0: be32,
  sb_bsize: be32,
  sb_bsize_shift: be32,
  pad1: be32,
  master_formal: blockNumber,
  master_addr: blockNumber,
  pad2: bytes(16),
  root_formal: blockNumber,
  root_addr: blockNumber,
  sb_lockproto: text(64),
  sb_locktable: text(64),
  pad3: bytes(32),
  sb_uuid: uuid,
});
