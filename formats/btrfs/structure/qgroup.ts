/** The quota tree. Ids of groups are level << 48 | id, kept in key halves. */
import { struct } from '../../../core/struct.ts';
import { u64 } from './fields.ts';

/** QGROUP_STATUS (kernel: struct btrfs_qgroup_status_item); without `enable_gen` before Linux 6.7. */
export const QgroupStatusItem = struct('btrfs_qgroup_status_item', 40, {
  version: u64,
  generation: u64,
  flags: u64,
  rescan: u64,
  enable_gen: u64,
});

/** Size of QGROUP_STATUS without `enable_gen`. */
export const QGROUP_STATUS_LEGACY_SIZE: number = QgroupStatusItem.at.enable_gen;

export const QgroupStatusFlag = { ON: 1, RESCAN: 2, INCONSISTENT: 4, SIMPLE_MODE: 8 } as const;

/** QGROUP_INFO (kernel: struct btrfs_qgroup_info_item). */
export const QgroupInfoItem = struct('btrfs_qgroup_info_item', 40, {
  generation: u64,
  rfer: u64,
  rfer_cmpr: u64,
  excl: u64,
  excl_cmpr: u64,
});

/** Which limits of a QGROUP_LIMIT hold. */
export const QgroupLimitFlag = { MAX_RFER: 1, MAX_EXCL: 2 } as const;

/** QGROUP_LIMIT (kernel: struct btrfs_qgroup_limit_item). */
export const QgroupLimitItem = struct('btrfs_qgroup_limit_item', 40, {
  flags: u64,
  max_rfer: u64,
  max_excl: u64,
  rsv_rfer: u64,
  rsv_excl: u64,
});
