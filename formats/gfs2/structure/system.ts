/** What the files of the system directory hold (kernel: struct gfs2_statfs_change, gfs2_quota, …). */
import { be32, be32x, be64big, bytes, struct } from '../../../core/struct.ts';
import { signed64 } from './meta.ts';

/** Blocks and dinodes: of the whole file system, or what a node's journal adds. Signed. */
export const StatfsChange = struct('gfs2_statfs_change', 24, {
  sc_total: signed64,
  sc_free: signed64,
  sc_dinodes: signed64,
});

export const Quota = struct('gfs2_quota', 88, {
  qu_limit: be64big,
  qu_warn: be64big,
  qu_value: be64big,
  qu_reserved: bytes(64),
});

export const QuotaChange = struct('gfs2_quota_change', 16, { qc_change: signed64, qc_flags: be32x, qc_id: be32 });
