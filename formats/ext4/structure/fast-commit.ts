/**
 * Fast commits (kernel: fs/ext4/fast_commit.h): what changed since the last commit, in the part of the journal behind the
 * ring, as a row of tags that may not reach across a block. All little-endian.
 *
 *     tag:2 len:2 value…    HEAD, then what was done, PAD to the end of a block, TAIL with a checksum of all since HEAD
 */
import { bytes, le32, le32x, struct } from '../../../core/struct.ts';

export const FcTag = {
  ADD_RANGE: 1,
  DEL_RANGE: 2,
  CREAT: 3,
  LINK: 4,
  UNLINK: 5,
  INODE: 6,
  PAD: 7,
  TAIL: 8,
  HEAD: 9,
} as const;

/** Bytes before a tag's value. */
export const FC_TAG_SIZE = 4;

export const FcHead = struct('ext4_fc_head', 8, { features: le32x, tid: le32 });
export const FcTail = struct('ext4_fc_tail', 8, { tid: le32, crc: le32x });
/** `ex` is an entry of an extent tree's leaf. */
export const FcAddRange = struct('ext4_fc_add_range', 16, { ino: le32, ex: bytes(12) });
export const FcDelRange = struct('ext4_fc_del_range', 12, { ino: le32, lblk: le32, len: le32 });
/** The name follows. */
export const FcDentry = struct('ext4_fc_dentry_info', 8, { parent_ino: le32, ino: le32 });
/** The inode's bytes follow, as the table has them. */
export const FcInode = struct('ext4_fc_inode', 4, { ino: le32 });
