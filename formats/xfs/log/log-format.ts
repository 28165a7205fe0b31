/**
 * Numbers of the XFS log: record and operation headers (big-endian on disk), item types and flags (the item formats
 * themselves are in the byte order of the machine that wrote them). Kernel: libxfs/xfs_log_format.h.
 */
import { be32, be32x, be64big, bytes, le32x, struct, uuid } from '../../../core/struct.ts';

/** A basic block: the log is addressed in these. */
export const BB = 512;
export const RECORD_MAGIC = 0xfeedbabe;
/** Bytes of record data whose first words one header sector keeps. */
export const CYCLE_DATA_BYTES = 32 * 1024;
/** Words of cycle data in one header sector. */
export const CYCLE_WORDS = 64;
/** Largest record data of a v1 log, and of a v2 log. */
export const MAX_RECORD_V1 = 32 * 1024;
export const MAX_RECORD_V2 = 256 * 1024;
/** How many records Linux has in flight at once: what recovery takes for possibly torn at the head. */
export const MAX_ICLOGS = 8;
export const FMT_LINUX_LE = 1;
export const FMT_LINUX_BE = 2;

/** Header of a log record: the first sector (kernel: struct xlog_rec_header). */
export const RecordHeader = struct('xlog_rec_header', 328, {
  magicno: be32x,
  cycle: be32,
  version: be32,
  len: be32,
  lsn: be64big,
  tail_lsn: be64big,
  crc: le32x,
  prev_block: be32,
  num_logops: be32,
  cycle_data: bytes(4 * CYCLE_WORDS),
  fmt: be32,
  fs_uuid: uuid,
  size: be32,
  pad0: be32,
});

/** Bytes of the header that its checksum covers on 64-bit machines, and on i386. */
export const RECORD_CRC_SIZE = 328;
export const RECORD_CRC_SIZE_I386 = 324;

/** Header of an operation (kernel: struct xlog_op_header): 12 bytes. */
export const OP_HEADER_SIZE = 12;

/** Operation clients. */
export const Client = { TRANSACTION: 0x69, LOG: 0xaa } as const;

/** Operation flags. */
export const OpFlag = { START: 0x01, COMMIT: 0x02, CONTINUE: 0x04, WAS_CONT: 0x08, END: 0x10, UNMOUNT: 0x20 } as const;

export const UNMOUNT_MAGIC = 0x556e;
export const TRANS_HEADER_MAGIC = 0x5452414e;
export const TRANS_CHECKPOINT = 40;

/** Log item types. */
export const LogItem = {
  EFI: 0x1236,
  EFD: 0x1237,
  IUNLINK: 0x1238,
  INODE: 0x123b,
  BUF: 0x123c,
  DQUOT: 0x123d,
  QUOTAOFF: 0x123e,
  ICREATE: 0x123f,
  RUI: 0x1240,
  RUD: 0x1241,
  CUI: 0x1242,
  CUD: 0x1243,
  BUI: 0x1244,
  BUD: 0x1245,
  ATTRI: 0x1246,
  ATTRD: 0x1247,
  XMI: 0x1248,
  XMD: 0x1249,
  EFI_RT: 0x124a,
  EFD_RT: 0x124b,
  RUI_RT: 0x124c,
  RUD_RT: 0x124d,
  CUI_RT: 0x124e,
  CUD_RT: 0x124f,
} as const;

/** What a logged buffer holds (kernel: XFS_BLFT_*): the top five bits of its flags. */
export const Blft = {
  UNKNOWN: 0,
  UDQUOT: 1,
  PDQUOT: 2,
  GDQUOT: 3,
  BTREE: 4,
  AGF: 5,
  AGFL: 6,
  AGI: 7,
  DINO: 8,
  SYMLINK: 9,
  DIR_BLOCK: 10,
  DIR_DATA: 11,
  DIR_FREE: 12,
  DIR_LEAF1: 13,
  DIR_LEAFN: 14,
  DA_NODE: 15,
  ATTR_LEAF: 16,
  ATTR_RMT: 17,
  SB: 18,
  RTBITMAP: 19,
  RTSUMMARY: 20,
} as const;
export const BLFT_SHIFT = 11;

/** Flags of a logged buffer (kernel: XFS_BLF_*). */
export const BufFlag = { INODE_BUF: 1, CANCEL: 2, UDQUOT: 4, PDQUOT: 8, GDQUOT: 16 } as const;
/** Bytes that one bit of a logged buffer's map stands for. */
export const BLF_CHUNK = 128;

/** Fields of a logged inode (kernel: XFS_ILOG_*). */
export const Ilog = {
  CORE: 0x001,
  DDATA: 0x002,
  DEXT: 0x004,
  DBROOT: 0x008,
  DEV: 0x010,
  UUID: 0x020,
  ADATA: 0x040,
  AEXT: 0x080,
  ABROOT: 0x100,
  DOWNER: 0x200,
  AOWNER: 0x400,
} as const;

/** Buf.logFlags: holds newly allocated inodes that no checkpoint has yet. */
export const LogFlag = { INODE_ALLOC: 1 } as const;

/** An LSN: the cycle in the high word, the basic block in the low one. */
export function makeLsn(cycle: number, block: number): bigint {
  return (BigInt(cycle) << 32n) | BigInt(block);
}

export function lsnCycle(lsn: bigint): number {
  return Number(BigInt.asUintN(64, lsn) >> 32n);
}

export function lsnBlock(lsn: bigint): number {
  return Number(lsn & 0xffffffffn);
}
