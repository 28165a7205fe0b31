/**
 * The journal's structures (kernel: include/linux/jbd2.h), all big-endian. Every block that is not a copy of a block of
 * the file system begins with a header:
 *
 *     | superblock | descriptor: tag tag … | copy | copy | … | revoke: block block … | commit | descriptor …
 */
import { array, be32, be32x, be64, bytes, struct, u8, uuid } from '../../../core/struct.ts';

export const JOURNAL_MAGIC = 0xc03b3998;

/** What a block of the journal is, by its header. */
export const JournalBlockType = { DESCRIPTOR: 1, COMMIT: 2, SUPERBLOCK_V1: 3, SUPERBLOCK_V2: 4, REVOKE: 5 } as const;

/** Features of the journal's superblock. */
export const JournalCompat = { CHECKSUM: 0x1 } as const;
export const JournalIncompat = {
  REVOKE: 0x1,
  '64BIT': 0x2,
  ASYNC_COMMIT: 0x4,
  CSUM_V2: 0x8,
  CSUM_V3: 0x10,
  FAST_COMMIT: 0x20,
} as const;

/** The only checksum type of a journal: crc32c. */
export const JOURNAL_CRC32C = 4;

export const JournalHeader = struct('journal_header', 12, { magic: be32x, blocktype: be32, sequence: be32 });

export const JournalSuperblock = struct('journal_superblock', 1024, {
  magic: be32x,
  blocktype: be32,
  sequence_of_header: be32,
  blocksize: be32,
  maxlen: be32,
  first: be32,
  /** The first commit that is expected in the journal. */
  sequence: be32,
  /** Where it begins; 0: nothing is to be replayed. */
  start: be32,
  errno: be32,
  feature_compat: be32x,
  feature_incompat: be32x,
  feature_ro_compat: be32x,
  uuid: uuid,
  nr_users: be32,
  dynsuper: be32,
  max_transaction: be32,
  max_trans_data: be32,
  checksum_type: u8,
  padding2: bytes(3),
  num_fc_blks: be32,
  head: be32,
  padding: bytes(160),
  checksum: be32x,
  users: array(uuid, 48),
});

/** Flags of a tag. */
export const TagFlag = { ESCAPE: 1, SAME_UUID: 2, DELETED: 4, LAST_TAG: 8 } as const;

/** Bytes of the checksum at the end of descriptor and revoke blocks. */
export const BLOCK_TAIL = 4;

/** A revoke block: `count` bytes of it are in use, this header included. */
export const RevokeHeader = struct('journal_revoke_header', 16, {
  magic: be32x,
  blocktype: be32,
  sequence: be32,
  count: be32,
});

export const CommitHeader = struct('commit_header', 60, {
  magic: be32x,
  blocktype: be32,
  sequence: be32,
  chksum_type: u8,
  chksum_size: u8,
  padding: bytes(2),
  chksum: array(be32x, 8),
  commit_sec: be64,
  commit_nsec: be32,
});
