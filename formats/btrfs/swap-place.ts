/** Where swap space in a file would lie on a device, and what stands against it (kernel: btrfs_swap_activate). */
import { FsError } from '../../core/errors.ts';
import { IomapFlag, IomapType, type Mapping } from '../../core/iomap/iomap.ts';
import type { SwapPlace } from '../../core/iomap/swapfile.ts';
import type { BtrfsInode } from './inode.ts';
import { InodeFlag } from './structure/inode.ts';

/** Why no extent of the file would do, or null. */
export function swapfileProblem({ flags }: BtrfsInode): string | null {
  if ((flags & InodeFlag.COMPRESS) !== 0) return 'must not be compressed';
  if ((flags & InodeFlag.NODATACOW) === 0) return 'must not be copy-on-write';
  return (flags & InodeFlag.NODATASUM) === 0 ? 'must not be checksummed' : null;
}

/** The device address of what `iomap` maps at `pos`, to the end of its chunk. @throws FsError EINVAL with Linux's reason */
export function swapPlace({ mp }: BtrfsInode, { type, flags, addr, offset, length }: Mapping, pos: number): SwapPlace {
  if (type === IomapType.INLINE) refuse('must not be inline');
  if (type !== IomapType.MAPPED && type !== IomapType.UNWRITTEN) refuse('must not have holes');
  if ((flags & IomapFlag.ENCODED) !== 0) refuse('must not be compressed');
  if ((flags & IomapFlag.SHARED) !== 0) refuse('must not be copy-on-write');
  const bytenr = addr + (pos - offset);
  const chunk = mp.space.chunks.get(bytenr, 1);
  if (chunk.profile.name !== 'single') refuse('must have single data profile');
  const { member, addr: start } = chunk.stripes[0] as (typeof chunk.stripes)[number];
  const left = Math.min(offset + length - pos, chunk.end - bytenr);
  return { device: member, addr: start + (bytenr - chunk.logical), length: left, elsewhere: 'must be on one device' };
}

function refuse(reason: string): never {
  throw new FsError('EINVAL', { detail: reason });
}
