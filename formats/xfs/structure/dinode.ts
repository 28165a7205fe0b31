/**
 * The on-disk inode (kernel: struct xfs_dinode). v1 and v2 inodes are the first 100 bytes; v3 adds 76 more. Two
 * unions depend on `flags2`: with NREXT64 the extent counters are 64 and 32 bits wide and lie elsewhere
 * (DinodeLarge); with BIGTIME the four timestamps are nanoseconds since the smallest 32-bit time.
 */

import { exactPos, labelHigh, realHigh } from '../../../core/positions.ts';
import {
  be16,
  be16x,
  be32,
  be32null,
  be32x,
  be64,
  be64big,
  bytes,
  type FieldType,
  i8,
  le32x,
  struct,
  u8,
  uuid,
} from '../../../core/struct.ts';
import type { Timestamp } from '../../../core/vfs/inode.ts';

export const DINODE_MAGIC = 0x494e;
/** Bytes before the data fork: v1/v2 and v3. */
export const DINODE_V2_SIZE = 100;
export const DINODE_V3_SIZE = 176;
export const MAXLINK = 0x7fffffff;
/** Largest symlink target in bytes. */
export const SYMLINK_MAXLEN = 1024;

/** A position or size in a file, as a label (core/positions.ts). @throws FsError EFBIG where it has none */
const position: FieldType<number> = {
  size: 8,
  getter: (offset) => (view, base) =>
    labelHigh(view.getUint32(base + offset), view.getUint32(base + offset + 4)) * 0x1_0000_0000 +
    view.getUint32(base + offset + 4),
  setter: (offset) => (view, base, value) => {
    view.setUint32(base + offset, realHigh(value));
    view.setUint32(base + offset + 4, value % 0x1_0000_0000);
  },
  format: (value) => String(exactPos(value)),
};

/** Values of `format` and `aformat`. */
export const ForkFormat = { DEV: 0, LOCAL: 1, EXTENTS: 2, BTREE: 3, UUID: 4, META_BTREE: 5 } as const;

/** The inode with 32/16-bit extent counters; fields from `crc` on exist only in v3. */
export const Dinode = struct('xfs_dinode', DINODE_V3_SIZE, {
  magic: be16x,
  mode: be16,
  version: u8,
  format: u8,
  onlink: be16,
  uid: be32,
  gid: be32,
  nlink: be32,
  projid_lo: be16,
  projid_hi: be16,
  v2_pad: bytes(6),
  flushiter: be16,
  atime: be64big,
  mtime: be64big,
  ctime: be64big,
  size: position,
  nblocks: be64,
  extsize: be32,
  nextents: be32,
  anextents: be16,
  forkoff: u8,
  aformat: i8,
  dmevmask: be32x,
  dmstate: be16,
  flags: be16x,
  gen: be32,
  next_unlinked: be32null,
  crc: le32x,
  changecount: be64big,
  lsn: be64big,
  flags2: be64big,
  cowextsize: be32,
  pad2: bytes(12),
  crtime: be64big,
  ino: be64,
  uuid,
});

/** The same bytes on an inode with NREXT64: only the fields that differ are named, the rest is raw. */
export const DinodeLarge = struct('xfs_dinode_nrext64', DINODE_V3_SIZE, {
  head: bytes(24),
  big_nextents: be64,
  middle: bytes(44),
  big_anextents: be32,
  nrext64_pad: be16,
  tail: bytes(94),
});

/** Bits of `flags`. */
export const DiFlag = {
  REALTIME: 1 << 0,
  PREALLOC: 1 << 1,
  NEWRTBM: 1 << 2,
  IMMUTABLE: 1 << 3,
  APPEND: 1 << 4,
  SYNC: 1 << 5,
  NOATIME: 1 << 6,
  NODUMP: 1 << 7,
  RTINHERIT: 1 << 8,
  PROJINHERIT: 1 << 9,
  NOSYMLINKS: 1 << 10,
  EXTSIZE: 1 << 11,
  EXTSZINHERIT: 1 << 12,
  NODEFRAG: 1 << 13,
  FILESTREAM: 1 << 14,
} as const;

/** Bits of the low 32-bit word of `flags2`. */
export const DiFlag2 = {
  DAX: 1 << 0,
  REFLINK: 1 << 1,
  COWEXTSIZE: 1 << 2,
  BIGTIME: 1 << 3,
  NREXT64: 1 << 4,
  METADATA: 1 << 5,
} as const;

/** Low 32 bits of flags2, 0 for v1 and v2 inodes. */
export function dinodeFlags2(view: DataView, base: number): number {
  return view.getUint8(base + Dinode.at.version) < 3 ? 0 : view.getUint32(base + Dinode.at.flags2 + 4);
}

/** True if the inode belongs to the metadata directory tree. */
export function dinodeIsMetadata(view: DataView, base: number): boolean {
  return (dinodeFlags2(view, base) & DiFlag2.METADATA) !== 0;
}

/** A time as inodes hold it: no encoding reaches beyond 2^53 seconds. */
export interface InodeTime extends Timestamp {
  readonly seconds: number;
}

const BIGTIME_EPOCH = 0x80000000;
const NANOS = 1_000_000_000;

/** The time at byte `at`, in the encoding that the inode's BIGTIME flag says. */
export function readTimestamp(view: DataView, at: number, bigtime: boolean): InodeTime {
  if (!bigtime) return { seconds: view.getInt32(at), nanoseconds: view.getInt32(at + 4) };
  // 64 bits by 10^9, as in writing by hand: 32 bits, then twice 16 more to what is left; every part is exact.
  const high = view.getUint32(at);
  const low = view.getUint32(at + 4);
  const first = Math.floor(high / NANOS);
  const middle = (high - first * NANOS) * 0x10000 + (low >>> 16);
  const second = Math.floor(middle / NANOS);
  const rest = (middle - second * NANOS) * 0x10000 + (low & 0xffff);
  const third = Math.floor(rest / NANOS);
  const seconds = first * 0x1_0000_0000 + second * 0x10000 + third;
  return { seconds: seconds - BIGTIME_EPOCH, nanoseconds: rest - third * NANOS };
}

/** Stores a time, clamped to what the encoding can say as Linux clamps it. */
export function writeTimestamp(view: DataView, at: number, bigtime: boolean, time: Timestamp): void {
  if (!bigtime) {
    const seconds = Math.min(Math.max(Number(time.seconds), -0x80000000), 0x7fffffff);
    view.setInt32(at, seconds);
    view.setInt32(at + 4, seconds === time.seconds ? time.nanoseconds : 0);
    return;
  }
  const max = 18446744072 - BIGTIME_EPOCH;
  const seconds = Math.min(Math.max(Number(time.seconds), -BIGTIME_EPOCH), max);
  // Linux's timestamp_truncate() drops the nanoseconds of a time at or beyond either limit.
  const nanoseconds = seconds === -BIGTIME_EPOCH || seconds === max ? 0 : time.nanoseconds;
  // (seconds + epoch) * 10^9 + nanoseconds in 64 bits, from parts that are exact: seconds = high * 2^16 + low.
  const raised = seconds + BIGTIME_EPOCH;
  const high = Math.floor(raised / 0x10000) * 1e9;
  const rest = (high % 0x10000) * 0x10000 + (raised % 0x10000) * 1e9 + nanoseconds;
  view.setUint32(at, Math.floor(high / 0x10000) + Math.floor(rest / 0x1_0000_0000));
  view.setUint32(at + 4, rest % 0x1_0000_0000);
}
