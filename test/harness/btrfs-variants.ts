/** The kinds of btrfs on which random operations are judged. */
import { ENABLE_SIMPLE_QUOTAS, moveBlockGroups } from './btrfs-convert.ts';
import type { BtrfsVariant } from './btrfs-judge.ts';

/** How a kind is used, beside how it is made. */
export interface UsedVariant extends BtrfsVariant {
  /** Linux's mount options, and fsio's options that say the same. */
  readonly mount: string;
  readonly fsio: readonly string[];
  /** Between two sessions a snapshot is taken. */
  readonly snapshots: boolean;
  /** Writes of noise too, which do not compress. */
  readonly noise: boolean;
  /** False: the shapes of files are not compared. */
  readonly shapes?: false;
  /** What the installed mkfs cannot make, made of the fresh image. */
  readonly convert?: (path: string) => void;
  /**
   * Who judges in place of btrfs check: scrub where data are rebuilt from parity, our own sums of simple quotas, which
   * the installed check refuses.
   */
  readonly judge?: 'scrub' | 'simple quotas';
}

const words = (text: string): string[] => text.split(' ').filter((word) => word !== '');

function variant(name: string, args: string, more: Partial<UsedVariant> = {}): UsedVariant {
  const usual = { mount: '', fsio: [], snapshots: false, noise: false, bytes: 256 * 2 ** 20 };
  return { ...usual, name, args: words(args), ...more };
}

/** A folder for the files, made before the copy is taken. */
export const FOLDER = '/d';

/**
 * Whether an extent may be overwritten Linux asks the last commit: our fsync is one, Linux's is one without a log tree.
 */
const FSYNC_COMMITS = 'notreelog';

const OLD = '-n 4096 -O ^no-holes,^extref,^skinny-metadata -R ^free-space-tree';

/** Takes all space for data, and gives a sixth of it back, in pieces of 1 MiB. */
const FILL = `cd {}; i=0; while fallocate -l 1m fill$i 2>/dev/null; do i=$((i+1)); done; rm -f fill$i; sync
while [ $i -gt 0 ]; do i=$((i-6)); rm -f fill$i; done; sync`;

/** The first ones matter most. */
export const USED_VARIANTS: readonly UsedVariant[] = [
  variant('default', ''),
  variant('old', OLD),
  variant('nodatacow', '', { mount: FSYNC_COMMITS, setup: [['chattr', '+C', `{}${FOLDER}`]] }),
  variant('compress-force', '', { mount: 'compress-force=zstd', fsio: ['--compress-force', 'zstd'], noise: true }),
  variant('raid1', '-d raid1 -m raid1', { devices: 2 }),
  variant('snapshots', '', { snapshots: true }),
  variant('snapshots of nodatacow', '', {
    mount: FSYNC_COMMITS,
    snapshots: true,
    setup: [['chattr', '+C', `{}${FOLDER}`]],
  }),
  variant('xxhash', '--csum xxhash -n 4096'),
  variant('compress by chattr', '--csum sha256', { noise: true, setup: [['chattr', '+c', `{}${FOLDER}`]] }),
  variant('lzo property', OLD, {
    noise: true,
    // Our compressor is not Linux's: it may differ where noise stops being worth compressing.
    shapes: false,
    setup: [['btrfs', 'property', 'set', `{}${FOLDER}`, 'compression', 'lzo']],
  }),
  variant('mixed', '--mixed --csum blake2 -n 4096'),
  variant('nearly full', '', { setup: [['sh', '-c', FILL]] }),
  variant('raid5', '-d raid5 -m raid1', { devices: 3, judge: 'scrub' }),
  variant('raid6', '-d raid6 -m raid1c3', { devices: 4, judge: 'scrub' }),
  variant('raid10', '-d raid10 -m raid10', { devices: 4 }),
  variant('quotas', '', { snapshots: true, setup: [['btrfs', 'quota', 'enable', '{}']] }),
  variant('simple quotas', '', { snapshots: true, setup: [ENABLE_SIMPLE_QUOTAS], judge: 'simple quotas' }),
  variant('block-group tree', '', { convert: moveBlockGroups }),
  variant('64 KiB nodes, dup', '-n 65536 -d dup -m dup --csum sha256'),
];
