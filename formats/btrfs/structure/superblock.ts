/** The superblock: 4096 bytes at 64 KiB, 64 MiB and 256 GiB of every device. */
import {
  array,
  bytes,
  type Decoded,
  type FieldType,
  le16,
  le32,
  le64big,
  struct,
  text,
  u8,
  uuid,
} from '../../../core/struct.ts';
import { CSUM_SIZE } from './block.ts';
import { DevItem } from './chunk.ts';
import { capped, s64, u64 } from './fields.ts';

export const SUPER_SIZE = 4096;
/** Where its copies are, bytes. */
export const SUPER_OFFSETS: readonly number[] = [0x10000, 0x4000000, 0x4000000000];
/** `_BHRfS_M`. */
export const SUPER_MAGIC = 0x4d5f53665248425fn;
export const SYSTEM_CHUNK_ARRAY_SIZE = 2048;
export const LABEL_SIZE = 256;

/** One of four older sets of roots (kernel: struct btrfs_root_backup). Nobody vouches for these: any number is one. */
export const RootBackup = struct('btrfs_root_backup', 168, {
  tree_root: s64,
  tree_root_gen: s64,
  chunk_root: s64,
  chunk_root_gen: s64,
  extent_root: s64,
  extent_root_gen: s64,
  fs_root: s64,
  fs_root_gen: s64,
  dev_root: s64,
  dev_root_gen: s64,
  csum_root: s64,
  csum_root_gen: s64,
  total_bytes: s64,
  bytes_used: s64,
  num_devices: s64,
  unused_64: bytes(32),
  tree_root_level: u8,
  chunk_root_level: u8,
  extent_root_level: u8,
  fs_root_level: u8,
  dev_root_level: u8,
  csum_root_level: u8,
  unused_8: bytes(10),
});

interface Nestable<V> {
  readonly size: number;
  decode(view: DataView, base: number): V;
  encode(view: DataView, base: number, values: Partial<V>): void;
}

/** A structure as a field of another, decoded with it. */
function nested<S extends Nestable<object>>(inner: S): FieldType<ReturnType<S['decode']>> {
  return {
    size: inner.size,
    getter: (offset) => (view, base) => inner.decode(view, base + offset) as ReturnType<S['decode']>,
    setter: (offset) => (view, base, value) => inner.encode(view, base + offset, value),
    format: (value) => JSON.stringify(value),
  };
}

/** Kernel: struct btrfs_super_block. */
export const SuperBlock = struct('btrfs_super_block', SUPER_SIZE, {
  csum: bytes(CSUM_SIZE),
  fsid: uuid,
  bytenr: u64,
  flags: le64big,
  magic: le64big,
  generation: u64,
  root: u64,
  chunk_root: u64,
  log_root: u64,
  log_root_transid: u64,
  total_bytes: u64,
  bytes_used: capped,
  root_dir_objectid: u64,
  num_devices: u64,
  sectorsize: le32,
  nodesize: le32,
  leafsize: le32,
  stripesize: le32,
  sys_chunk_array_size: le32,
  chunk_root_generation: u64,
  compat_flags: le64big,
  compat_ro_flags: le64big,
  incompat_flags: le64big,
  csum_type: le16,
  root_level: u8,
  chunk_root_level: u8,
  log_root_level: u8,
  dev_item: nested(DevItem),
  label: text(LABEL_SIZE),
  cache_generation: u64,
  uuid_tree_generation: u64,
  metadata_uuid: uuid,
  nr_global_roots: u64,
  remap_root: u64,
  remap_root_generation: u64,
  remap_root_level: u8,
  reserved: bytes(199),
  sys_chunk_array: bytes(SYSTEM_CHUNK_ARRAY_SIZE),
  super_roots: array(nested(RootBackup), 4),
  padding: bytes(565),
});

/** A decoded superblock; the transaction's commit changes it and encodes it. */
export type SuperValues = Decoded<typeof SuperBlock>;

/** Bits of the superblock's `flags`. */
export const SuperFlag = {
  WRITTEN: 1n << 0n,
  RELOC: 1n << 1n,
  ERROR: 1n << 2n,
  SEEDING: 1n << 32n,
  METADUMP: 1n << 33n,
  METADUMP_V2: 1n << 34n,
  CHANGING_FSID: 1n << 35n,
  CHANGING_FSID_V2: 1n << 36n,
  CHANGING_BG_TREE: 1n << 38n,
  CHANGING_DATA_CSUM: 1n << 39n,
  CHANGING_META_CSUM: 1n << 40n,
} as const;

/** The `flags` that Linux knows (BTRFS_SUPER_FLAG_SUPP). */
export const SUPER_FLAGS_KNOWN: bigint =
  SuperFlag.WRITTEN |
  SuperFlag.RELOC |
  SuperFlag.ERROR |
  SuperFlag.SEEDING |
  SuperFlag.METADUMP |
  SuperFlag.METADUMP_V2;
