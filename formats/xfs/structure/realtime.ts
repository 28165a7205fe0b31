/** Structures of the realtime device with realtime groups (Linux 6.13 on), and quota records. */
import { be16, be16x, be32, be32x, be64, be64big, bytes, le32x, struct, text, u8, uuid } from '../../../core/struct.ts';

export const RTSB_MAGIC = 0x46726f67;
export const RTBITMAP_MAGIC = 0x424d505a;
export const RTSUMMARY_MAGIC = 0x53554d59;
export const DQUOT_MAGIC = 0x4451;

/** Superblock of the realtime device. */
export const RtSuperblock = struct('xfs_rtsb', 56, {
  magicnum: be32x,
  crc: le32x,
  pad: be32,
  fname: text(12),
  uuid,
  meta_uuid: uuid,
});

/** Header of bitmap and summary blocks with realtime groups. */
export const RtBufHeader = struct('xfs_rtbuf_blkinfo', 48, {
  magic: be32x,
  crc: le32x,
  owner: be64,
  blkno: be64,
  lsn: be64big,
  uuid,
});

/** A quota record as it lies on disk, with its v5 tail (kernel: struct xfs_dqblk). */
export const DquotBlock = struct('xfs_dqblk', 136, {
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
