/** Hashes by which names are found: offsets of DIR_ITEM, XATTR_ITEM and INODE_EXTREF keys (kernel: btrfs_name_hash). */
import { crc32c } from '../../core/checksum.ts';

/** Offset of the DIR_ITEM or XATTR_ITEM that has this name. */
export function nameHash(name: Uint8Array): number {
  // The kernel's crc32c neither inverts its start (here 2^32 - 2) nor its result; the library does both.
  return ~crc32c(name, 1) >>> 0;
}

/** Offset of the INODE_EXTREF that has this name in directory `parent`. */
export function extrefHash(parent: number, name: Uint8Array): number {
  return ~crc32c(name, ~parent >>> 0) >>> 0;
}
