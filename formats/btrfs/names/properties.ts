/**
 * Properties: attributes of the namespace `btrfs` that mean something. There is one, btrfs.compression: how new data of
 * a file, or of files made in a directory, is compressed (kernel: fs/btrfs/props.c).
 */
import { FsError } from '../../../core/errors.ts';
import { setIncompat } from '../incompat.ts';
import type { BtrfsInode } from '../inode.ts';
import { updateInode } from '../inode-write.ts';
import { Incompat } from '../structure/features.ts';
import { InodeFlag, InodeItem } from '../structure/inode.ts';
import { getXattr } from '../xattr.ts';
import { dropXattr, putXattr } from './xattr-edit.ts';

export const COMPRESSION = 'btrfs.compression';
const KINDS = ['zlib', 'lzo', 'zstd'] as const;
const OFF: readonly string[] = ['no', 'none'];

/** The kind of compression that a value begins with (`zlib:9` has a level too), or null. */
function kindOf(value: string): (typeof KINDS)[number] | null {
  return KINDS.find((kind) => value === kind || value.startsWith(`${kind}:`)) ?? null;
}

/** What files made in `dir` shall be compressed with, or null. */
export function inheritedCompression(dir: BtrfsInode): string | null {
  const value = getXattr(dir, 'btrfs', 'compression');
  return value === null ? null : kindOf(Buffer.from(value).toString('latin1'));
}

/** @throws FsError EINVAL for a value that is no compression, or a file that cannot be compressed */
export function checkCompression(flags: number, value: string): void {
  if (value === '') return;
  if ((flags & (InodeFlag.NODATACOW | InodeFlag.NODATASUM)) !== 0) throw new FsError('EINVAL');
  if (kindOf(value) === null && !OFF.includes(value)) throw new FsError('EINVAL');
}

/** The inode flags that go with a value of the property. */
export function compressionFlags(flags: number, value: string): number {
  const plain = flags & ~(InodeFlag.COMPRESS | InodeFlag.NOCOMPRESS);
  if (value === '') return plain;
  return plain | (OFF.includes(value) ? InodeFlag.NOCOMPRESS : InodeFlag.COMPRESS);
}

/** Sets the property, or removes it (''), and flags with it; what else changes in the item, `change` does. Inside mp.change(). */
export function putCompression(ip: BtrfsInode, value: string, change?: (view: DataView) => void): void {
  if (value === '') dropXattr(ip, COMPRESSION);
  else putXattr(ip, COMPRESSION, Buffer.from(value, 'latin1'));
  const kind = kindOf(value);
  if (kind === 'lzo') setIncompat(ip.mp, Incompat.COMPRESS_LZO);
  else if (kind === 'zstd') setIncompat(ip.mp, Incompat.COMPRESS_ZSTD);
  updateInode(ip, (view) => {
    InodeItem.set.flags(view, 0, compressionFlags(InodeItem.get.flags(view, 0), value) >>> 0);
    change?.(view);
  });
}
