/** Directory entries, in a dinode or in leaves (kernel: struct gfs2_dirent, gfs2_leaf). */
import { be16, be32, be32x, be64big, bytes, struct } from '../../../core/struct.ts';
import { blockNumber, metaFields } from './meta.ts';

export const LEAF_SIZE = 104;
export const DIRENT_SIZE = 40;
/** Most bits of a hash that a table takes. */
export const MAX_DEPTH = 17;

export const Leaf = struct('gfs2_leaf', LEAF_SIZE, {
  ...metaFields,
  lf_depth: be16,
  lf_entries: be16,
  lf_dirent_format: be32,
  lf_next: blockNumber,
  lf_inode: blockNumber,
  lf_dist: be32,
  lf_nsec: be32,
  lf_sec: be64big,
  lf_reserved2: bytes(40),
});

export const Dirent = struct('gfs2_dirent', DIRENT_SIZE, {
  no_formal_ino: blockNumber,
  no_addr: blockNumber,
  de_hash: be32x,
  de_rec_len: be16,
  de_name_len: be16,
  de_type: be16,
  de_rahead: be16,
  pad: bytes(12),
});
