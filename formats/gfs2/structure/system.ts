/** What the files of the system directory hold (kernel: struct gfs2_statfs_change, gfs2_quota, …). */
import { struct } from '../../../core/struct.ts';
import { signed64 } from './meta.ts';

/** Blocks and dinodes: of the whole file system, or what a node's journal adds. Signed. */
export const StatfsChange = struct('gfs2_statfs_change', 24, {
  sc_total: signed64,
  sc_free: signed64,
  sc_dinodes: signed64,
});
