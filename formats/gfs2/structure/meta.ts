/**
 * What every block of metadata begins with, and how blocks are named (kernel: gfs2_ondisk.h). Numbers are big-endian;
 * an inode is known by two: its formal number, which is never given again, and the block where it lies.
 */
import { be32, be32x, be64big, type FieldType, struct, writeBe64 } from '../../../core/struct.ts';

export const GFS2_MAGIC = 0x01161970;

/** Types of metadata blocks. */
export const MetaType = {
  NONE: 0,
  SB: 1,
  RG: 2,
  RB: 3,
  DI: 4,
  IN: 5,
  LF: 6,
  JD: 7,
  LH: 8,
  LD: 9,
  EA: 10,
  ED: 11,
  LB: 12,
  QC: 14,
} as const;

/** Bytes before the content of a block of metadata. */
export const META_SIZE = 24;

/** The fields that structures begin with. */
export const metaFields = {
  mh_magic: be32x,
  mh_type: be32,
  mh_pad0: be64big,
  mh_format: be32,
  mh_jid: be32,
} as const;

/** The beginning of every block of metadata. */
export const MetaHeader = struct('gfs2_meta_header', META_SIZE, metaFields);

/** A block's number, Infinity beyond 2^53 - 1: no block of any image, for the check of bounds to meet. */
export function readBlockNumber(view: DataView, at: number): number {
  const high = view.getUint32(at);
  return high > 0x1fffff ? Number.POSITIVE_INFINITY : high * 0x1_0000_0000 + view.getUint32(at + 4);
}

/** A field with the number of a block, or of an inode. */
export const blockNumber: FieldType<number> = {
  size: 8,
  getter: (offset) => (view, base) => readBlockNumber(view, base + offset),
  setter: (offset) => (view, base, value) => writeBe64(view, base + offset, value),
  format: String,
};

/** A signed 64-bit field; beyond what a number holds it rounds, and whoever reads it takes it for nonsense. */
export const signed64: FieldType<number> = {
  size: 8,
  getter: (offset) => (view, base) => view.getInt32(base + offset) * 0x1_0000_0000 + view.getUint32(base + offset + 4),
  setter: (offset) => (view, base, value) => view.setBigInt64(base + offset, BigInt(value)),
  format: String,
};
