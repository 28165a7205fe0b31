/** The superblock (kernel: struct xfs_dsb), v4 and v5, with the fields of metadir, rtgroups and zoned up to 6.18. */
import { be16, be16x, be32, be32x, be64, be64big, be64null, bytes, le32x, struct, text, u8, uuid } from '../../../core/struct.ts';

export const SB_MAGIC = 0x58465342;
/** Offset of `crc`: also where the part that v4 superblocks do not have begins with the feature masks before it. */
export const SB_V4_SIZE = 208;
/** Size of a superblock without metadir (up to meta_uuid), as kernels before 6.13 write it. */
export const SB_V5_SIZE = 264;

/** Bits of `qflags`: accounting, enforcement, and "checked" which makes Linux skip a quota check on mount. */
export const QuotaFlag = {
  UQUOTA_ACCT: 0x0001,
  UQUOTA_ENFD: 0x0002,
  UQUOTA_CHKD: 0x0004,
  PQUOTA_ACCT: 0x0008,
  OQUOTA_ENFD: 0x0010,
  OQUOTA_CHKD: 0x0020,
  GQUOTA_ACCT: 0x0040,
  GQUOTA_ENFD: 0x0080,
  GQUOTA_CHKD: 0x0100,
  PQUOTA_ENFD: 0x0200,
  PQUOTA_CHKD: 0x0400,
} as const;

/** `flags`: XFS_SBF_READONLY. */
export const SBF_READONLY = 1;

export const Superblock = struct('xfs_dsb', 304, {
  magicnum: be32x,
  blocksize: be32,
  dblocks: be64,
  rblocks: be64,
  rextents: be64,
  uuid,
  logstart: be64,
  rootino: be64null,
  rbmino: be64null,
  rsumino: be64null,
  rextsize: be32,
  agblocks: be32,
  agcount: be32,
  rbmblocks: be32,
  logblocks: be32,
  versionnum: be16x,
  sectsize: be16,
  inodesize: be16,
  inopblock: be16,
  fname: text(12),
  blocklog: u8,
  sectlog: u8,
  inodelog: u8,
  inopblog: u8,
  agblklog: u8,
  rextslog: u8,
  inprogress: u8,
  imax_pct: u8,
  icount: be64,
  ifree: be64,
  fdblocks: be64,
  frextents: be64,
  uquotino: be64null,
  gquotino: be64null,
  qflags: be16x,
  flags: u8,
  shared_vn: u8,
  inoalignmt: be32,
  unit: be32,
  width: be32,
  dirblklog: u8,
  logsectlog: u8,
  logsectsize: be16,
  logsunit: be32,
  features2: be32x,
  bad_features2: be32x,
  features_compat: be32x,
  features_ro_compat: be32x,
  features_incompat: be32x,
  features_log_incompat: be32x,
  crc: le32x,
  spino_align: be32,
  pquotino: be64null,
  lsn: be64big,
  meta_uuid: uuid,
  metadirino: be64null,
  rgcount: be32,
  rgextents: be32,
  rgblklog: u8,
  pad: bytes(7),
  rtstart: be64,
  rtreserved: be64,
});
