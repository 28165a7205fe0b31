/** The outside judges of ext2, ext3 and ext4: Linux through loop mounts, mke2fs, debugfs. */
import { truncateSync, writeFileSync } from 'node:fs';
import { missingTools, must } from './kernel.ts';

const MIB = 2 ** 20;

/** A kind of image that mke2fs makes and Linux mounts. */
export interface Ext4Variant {
  readonly name: string;
  readonly args: readonly string[];
  readonly bytes: number;
}

const variant = (name: string, args: string, mib = 48): Ext4Variant => ({
  name,
  args: args.split(' ').filter((word) => word !== ''),
  bytes: mib * MIB,
});

/** Every part of the format that the mapping of files, groups and inodes depends on. */
export const EXT4_VARIANTS: readonly Ext4Variant[] = [
  variant('ext4', '-t ext4 -b 4096'),
  variant('ext4, 1 KiB blocks', '-t ext4 -b 1024 -O ^64bit'),
  variant('ext4, 2 KiB blocks, small inodes', '-t ext4 -b 2048 -I 128 -O ^metadata_csum,uninit_bg'),
  variant('ext3', '-t ext3 -b 4096'),
  variant('ext3, 1 KiB blocks', '-t ext3 -b 1024'),
  variant('ext2', '-t ext2 -b 1024 -I 128'),
  variant('ext2, revision 0', '-t ext2 -r 0 -b 1024'),
  variant('bigalloc', '-t ext4 -b 4096 -O bigalloc -C 65536', 96),
  variant('bigalloc, 1 KiB blocks', '-t ext4 -b 1024 -O bigalloc -C 16384', 64),
  variant('inline data', '-t ext4 -O inline_data -I 1024'),
  variant('inline data, 1 KiB blocks', '-t ext4 -b 1024 -O inline_data -I 256'),
  variant('meta groups', '-t ext4 -b 1024 -O meta_bg,^resize_inode', 64),
  variant('no flex groups', '-t ext4 -b 1024 -O ^flex_bg,^has_journal,sparse_super2', 64),
  variant('own seed, value inodes', '-t ext4 -O metadata_csum_seed,ea_inode,large_dir,stable_inodes'),
  variant('fast commits, orphan file', '-t ext4 -O fast_commit,orphan_file,encrypt,verity,mmp'),
];

/** Why ext4 cannot be judged here, or null. */
export function missingExt4Judges(): string | null {
  return missingTools(['mke2fs', 'debugfs', 'xfs_io', 'mount', 'umount', 'python3'], 'ext4');
}

/** Makes a fresh image. */
export function makeExt4(image: string, { args, bytes }: Pick<Ext4Variant, 'args' | 'bytes'>): string {
  writeFileSync(image, '');
  truncateSync(image, bytes);
  must('mke2fs', '-q', '-F', ...args, image);
  return image;
}
