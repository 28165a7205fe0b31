/** The root tree's items: roots of trees, links between subvolumes. */
import { bytes, le16, le32, le32x, struct, u8, uuid } from '../../../core/struct.ts';
import { diskKey, timespec, u64 } from './fields.ts';
import { InodeItem } from './inode.ts';

/**
 * ROOT_ITEM (kernel: struct btrfs_root_item). Old kernels wrote only the part before `generation_v2`
 * (ROOT_ITEM_LEGACY_SIZE); what follows counts only while generation_v2 = generation. `flags` is the low half of the
 * kernel's u64.
 */
export const RootItem = struct('btrfs_root_item', 439, {
  inode: bytes(InodeItem.size),
  generation: u64,
  root_dirid: u64,
  bytenr: u64,
  byte_limit: u64,
  bytes_used: u64,
  last_snapshot: u64,
  flags: le32x,
  flags_high: le32x,
  refs: le32,
  drop_progress: diskKey,
  drop_level: u8,
  level: u8,
  generation_v2: u64,
  uuid,
  parent_uuid: uuid,
  received_uuid: uuid,
  ctransid: u64,
  otransid: u64,
  stransid: u64,
  rtransid: u64,
  ctime: timespec,
  otime: timespec,
  stime: timespec,
  rtime: timespec,
  reserved: bytes(64),
});

/** Size of ROOT_ITEM as kernels before 3.6 wrote it. */
export const ROOT_ITEM_LEGACY_SIZE: number = RootItem.at.generation_v2;

/** `flags`: the subvolume is read-only. */
export const ROOT_SUBVOL_RDONLY = 1;
/** `flags_high`: the subvolume is being deleted (the kernel's bit 48). */
export const ROOT_SUBVOL_DEAD_HIGH = 0x10000;

/** ROOT_REF, ROOT_BACKREF; the name follows (kernel: struct btrfs_root_ref). */
export const RootRef = struct('btrfs_root_ref', 18, {
  dirid: u64,
  sequence: u64,
  name_len: le16,
});
