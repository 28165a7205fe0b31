/**
 * Whether and how a file's new data are to be compressed: by its property btrfs.compression first, then by chattr +c
 * and by what the run was told (--compress, as Linux's mount options compress and compress-force).
 *
 * Mirrors: fs/btrfs/inode.c (inode_need_compress), fs/btrfs/props.c (prop_compression_apply).
 */
import { FsError } from '../../core/errors.ts';
import type { MountOptions } from '../../core/vfs/filesystem.ts';
import type { BtrfsInode } from './inode.ts';
import { Compression } from './structure/file-extent.ts';
import { InodeFlag } from './structure/inode.ts';

/** What the user wants of one file. */
export interface CompressionWish {
  /** Compression.ZLIB, LZO or ZSTD. */
  readonly kind: number;
  /** 0: the kind's usual level. */
  readonly level: number;
  /** Try even where it does not look worth while. */
  readonly force: boolean;
  /** By a property of the file: what does not compress does not change that. */
  readonly named: boolean;
}

const KINDS: Readonly<Record<string, number>> = {
  zlib: Compression.ZLIB,
  lzo: Compression.LZO,
  zstd: Compression.ZSTD,
};

/** The kind and level in a word such as `zstd:5`; null if it is none. */
export function parseCompression(word: string): { kind: number; level: number } | null {
  const match = /^(zlib|lzo|zstd)(?::(\d{1,2}))?$/.exec(word);
  if (match === null) return null;
  return { kind: KINDS[match[1] as string] as number, level: Number(match[2] ?? 0) };
}

/** What the run was told (--compress), or null. @throws FsError EINVAL for what is no compression */
export function compressOption(options: MountOptions): Omit<CompressionWish, 'named'> | null {
  const { compress } = options;
  if (compress === undefined) return null;
  const parsed = parseCompression(compress.method);
  if (parsed === null) throw new FsError('EINVAL', { detail: `no compression: ${compress.method}` });
  return { ...parsed, force: compress.force };
}

/** How new data of a file are to be compressed, or null. */
export function compressionWish(ip: BtrfsInode): CompressionWish | null {
  if ((ip.flags & (InodeFlag.NODATACOW | InodeFlag.NODATASUM)) !== 0) return null;
  const option = compressOption(ip.mp.options);
  const property = namedCompression(ip);
  const asked = option !== null || property !== null || (ip.flags & InodeFlag.COMPRESS) !== 0;
  if (!asked) return null;
  if ((ip.flags & InodeFlag.NOCOMPRESS) !== 0 && option?.force !== true) return null;
  return {
    kind: property ?? option?.kind ?? Compression.ZLIB,
    level: property === null ? (option?.level ?? 0) : 0,
    force: option?.force ?? false,
    named: property !== null,
  };
}

/** The kind that the property btrfs.compression names, or null. */
function namedCompression(ip: BtrfsInode): number | null {
  if ((ip.flags & InodeFlag.COMPRESS) === 0) return null;
  const value = ip.getXattr('btrfs', 'compression');
  if (value === null) return null;
  return parseCompression(Buffer.from(value).toString('latin1'))?.kind ?? null;
}
