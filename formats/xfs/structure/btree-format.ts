/**
 * Btree blocks: headers with short pointers (allocation group trees) and long pointers (bmbt, realtime trees), in
 * the v4 form without and the v5 form with CRC, and the records and keys of each tree.
 *
 *     header | records …                                  leaf, level 0
 *     header | keys … (room for maxrecs) | pointers …     node
 */
import {
  be16,
  be16x,
  be32,
  be32null,
  be32x,
  be64,
  be64big,
  be64null,
  bytes,
  le32x,
  struct,
  u8,
  uuid,
} from '../../../core/struct.ts';

/** Block magics, [v4, v5]; 0 where a tree exists only with CRCs. */
export const BtreeMagic = {
  bnobt: [0x41425442, 0x41423342],
  cntbt: [0x41425443, 0x41423343],
  inobt: [0x49414254, 0x49414233],
  finobt: [0x46494254, 0x46494233],
  rmapbt: [0, 0x524d4233],
  refcountbt: [0, 0x52334643],
  bmbt: [0x424d4150, 0x424d4133],
  rtrmapbt: [0, 0x4d415052],
  rtrefcountbt: [0, 0x434e5452],
} as const;

/** Header sizes in bytes. */
export const SHORT_V4_SIZE = 16;
export const SHORT_V5_SIZE = 56;
export const LONG_V4_SIZE = 24;
export const LONG_V5_SIZE = 72;

/** No tree of any kind is higher (kernel: XFS_BTREE_MAXLEVELS, widened for the largest bmbt). */
export const BTREE_MAX_LEVELS = 16;

/** Header of a v5 allocation group btree block; the first 16 bytes are the v4 header. */
export const BtreeShortHeader = struct('xfs_btree_sblock_crc', SHORT_V5_SIZE, {
  magic: be32x,
  level: be16,
  numrecs: be16,
  leftsib: be32null,
  rightsib: be32null,
  blkno: be64,
  lsn: be64big,
  uuid,
  owner: be32,
  crc: le32x,
});

/** Header of a v5 bmbt block; the first 24 bytes are the v4 header. */
export const BtreeLongHeader = struct('xfs_btree_lblock_crc', LONG_V5_SIZE, {
  magic: be32x,
  level: be16,
  numrecs: be16,
  leftsib: be64null,
  rightsib: be64null,
  blkno: be64,
  lsn: be64big,
  uuid,
  owner: be64,
  crc: le32x,
  pad: bytes(4),
});

/** Free extent; record and key of bnobt (by block) and cntbt (by length, block). Pointers are be32. */
export const AllocRecord = struct('xfs_alloc_rec', 8, { startblock: be32, blockcount: be32 });

/** Inode chunk without sparse inodes: `freecount` is 32 bits wide. */
export const InobtRecord = struct('xfs_inobt_rec', 16, { startino: be32, freecount: be32, free: be64big });

/** Inode chunk on a file system with sparse inodes: each holemask bit stands for four absent inodes. */
export const InobtSparseRecord = struct('xfs_inobt_rec_sp', 16, {
  startino: be32,
  holemask: be16x,
  count: u8,
  freecount: u8,
  free: be64big,
});
export const InobtKey = struct('xfs_inobt_key', 4, { startino: be32 });
export const INODES_PER_CHUNK = 64;
export const INODES_PER_HOLEMASK_BIT = 4;

/** Reverse mapping record; `offset` carries three flags in its top bits. */
export const RmapRecord = struct('xfs_rmap_rec', 24, {
  startblock: be32,
  blockcount: be32,
  owner: be64big,
  offset: be64big,
});
/** Rmap key; nodes hold a low and a high key for each pointer. */
export const RmapKey = struct('xfs_rmap_key', 20, { startblock: be32, owner: be64big, offset: be64big });

/** Special owners of rmap records: value minus 2^64, so OWN_FS is -3. */
export const RmapOwner = {
  NULL: -1,
  UNKNOWN: -2,
  FS: -3,
  LOG: -4,
  AG: -5,
  INOBT: -6,
  INODES: -7,
  REFC: -8,
  COW: -9,
} as const;
/** Flags of a rmap offset, as bits of its high 32-bit word. */
export const RmapFlagHigh = { ATTR_FORK: 0x80000000, BMBT_BLOCK: 0x40000000, UNWRITTEN: 0x20000000 } as const;

/** Shared extent; the top bit of `startblock` marks CoW staging. */
export const RefcountRecord = struct('xfs_refcount_rec', 12, { startblock: be32, blockcount: be32, refcount: be32 });
export const RefcountKey = struct('xfs_refcount_key', 4, { startblock: be32 });
export const REFC_COWFLAG = 0x80000000;

export const BMBT_RECORD_SIZE = 16;
export const BmbtKey = struct('xfs_bmbt_key', 8, { startoff: be64 });
