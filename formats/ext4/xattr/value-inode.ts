/**
 * Attribute values too large for a block, in inodes of their own (feature ea_inode), which equal values share. Such an
 * inode keeps the hash of its bytes where others have the time of the last access.
 */
import { corrupt } from '../../../core/errors.ts';
import { crc32cRaw } from '../checksum.ts';
import type { Ext4Inode } from '../inode.ts';
import { readWhole } from '../read-whole.ts';
import { DiskInode } from '../structure/inode.ts';

export interface InodeValue {
  readonly value: Uint8Array;
  /** The hash of the value. */
  readonly hash: number;
  /** False for what Lustre wrote: there the inode belongs to one file and has no hash. */
  readonly checked: boolean;
}

/** The value of `size` bytes in inode `ino`, for an attribute of `ip`. @throws FsError EUCLEAN, EIO */
export function readValueInode(ip: Ext4Inode, ino: number, size: number): InodeValue {
  const bad = (field: string, value: number | string, rule: string): Error =>
    corrupt({ structure: `inode ${ino} with an attribute of inode ${ip.ino}`, field, value: String(value), rule });
  if (ino === ip.ino) throw bad('value_inum', ino, 'the file itself');
  const holder = ip.mp.inodes.getValueInode(ino);
  if (holder.size !== size) throw bad('size', holder.size, `should be ${size}`);
  const value = readWhole(holder, size);
  const hash = crc32cRaw(ip.mp.csumSeed, value);
  const kept = DiskInode.get.atime(holder.view, holder.base);
  const lustre =
    hash !== kept && DiskInode.get.mtime(holder.view, holder.base) === ip.ino && holder.generation === ip.generation;
  if (!lustre && hash !== kept) throw bad('hash', `0x${kept.toString(16)}`, `is 0x${hash.toString(16)} of the value`);
  return { value, hash, checked: !lustre };
}
