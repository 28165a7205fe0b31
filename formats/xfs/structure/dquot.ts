/** A quota record as it lies in the blocks of a quota file (kernel: struct xfs_dqblk around struct xfs_disk_dquot). */
import { be16, be16x, be32, be64, be64big, bytes, le32x, struct, u8, uuid } from '../../../core/struct.ts';

export const DQUOT_MAGIC = 0x4451;
export const DQUOT_VERSION = 1;
/** In `type`: timers count units of four seconds. */
export const DQTYPE_BIGTIME = 0x80;
/** Bytes of a record that the log holds: all before the filling. */
export const DISK_DQUOT_SIZE = 104;

/** Limits and counts are blocks; timers are seconds, 0 while no soft limit is passed, of id 0 the time that is given. */
export const Dquot = struct('xfs_dqblk', 136, {
  magic: be16x,
  version: u8,
  type: u8,
  id: be32,
  blk_hardlimit: be64,
  blk_softlimit: be64,
  ino_hardlimit: be64,
  ino_softlimit: be64,
  bcount: be64,
  icount: be64,
  itimer: be32,
  btimer: be32,
  iwarns: be16,
  bwarns: be16,
  pad0: be32,
  rtb_hardlimit: be64,
  rtb_softlimit: be64,
  rtbcount: be64,
  rtbtimer: be32,
  rtbwarns: be16,
  pad: be16,
  fill: bytes(4),
  crc: le32x,
  lsn: be64big,
  uuid,
});
