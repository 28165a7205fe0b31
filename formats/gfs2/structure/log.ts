/** What a journal is made of (kernel: struct gfs2_log_header, gfs2_log_descriptor). */
import { be32, be32x, be64big, bytes, struct } from '../../../core/struct.ts';
import { blockNumber, metaFields, signed64 } from './meta.ts';

/** Bytes that `lh_hash` is of, itself as zero; what follows `lh_crc` is what that is of. */
export const LOG_HEADER_V1_SIZE = 48;

export const LogHeader = struct('gfs2_log_header', 120, {
  ...metaFields,
  lh_sequence: be64big,
  lh_flags: be32x,
  lh_tail: be32,
  lh_blkno: be32,
  lh_hash: be32x,
  lh_crc: be32x,
  lh_nsec: be32,
  lh_sec: be64big,
  lh_addr: blockNumber,
  lh_jinode: blockNumber,
  lh_statfs_addr: blockNumber,
  lh_quota_addr: blockNumber,
  lh_local_total: signed64,
  lh_local_free: signed64,
  lh_local_dinodes: signed64,
});

/** The log is clean. */
export const LOG_HEAD_UNMOUNT = 0x1;

export const LogDescriptor = struct('gfs2_log_descriptor', 72, {
  ...metaFields,
  ld_type: be32,
  ld_length: be32,
  ld_data1: be32,
  ld_data2: be32,
  ld_reserved: bytes(32),
});

export const DescriptorType = { METADATA: 300, REVOKE: 301, JDATA: 302 } as const;
