/** The formats, tried in order. A new format joins by one line. */
import type { Device } from '../core/device/device.ts';
import { FsError } from '../core/errors.ts';
import type { ByteRange, DescribeChanges, ImageState, StructureChange } from '../core/vfs/changes.ts';
import type { Filesystem, MountOptions } from '../core/vfs/filesystem.ts';
import { openBtrfs } from './btrfs/bare.ts';
import { describeBtrfsChanges } from './btrfs/changes/describe.ts';
import { hasBtrfsMagic } from './btrfs/superblock.ts';
import { mountExt4 } from './ext4/filesystem.ts';
import { hasExt4Magic } from './ext4/magic.ts';
import { foreignContent } from './foreign.ts';
import { mountGfs2 } from './gfs2/filesystem.ts';
import { hasGfs2Magic } from './gfs2/magic.ts';
import { describeXfsChanges } from './xfs/changes/describe.ts';
import { mountXfs } from './xfs/filesystem.ts';
import { hasXfsMagic } from './xfs/superblock.ts';

interface Format {
  readonly name: string;
  /** Knows what MountOptions.subvol means. */
  readonly subvolumes?: true;
  /** `superblock`: the copy that was asked for. */
  probe(device: Device, superblock?: number): boolean;
  mount(device: Device, options: MountOptions): Filesystem;
  changes?: DescribeChanges;
}

const FORMATS: readonly Format[] = [
  { name: 'xfs', probe: hasXfsMagic, mount: mountXfs, changes: describeXfsChanges },
  // Before btrfs, whose superblocks mkfs.ext4 leaves where they are; mkfs.btrfs wipes ext4's.
  { name: 'ext4', probe: hasExt4Magic, mount: mountExt4 },
  // mkfs.gfs2 wipes the superblocks of those before; they may leave its own.
  { name: 'gfs2', probe: hasGfs2Magic, mount: mountGfs2, subvolumes: true },
  { name: 'btrfs', probe: hasBtrfsMagic, mount: openBtrfs, subvolumes: true, changes: describeBtrfsChanges },
];

/** The name of the format of what is on a device, or null if it is none that we know. @throws FsError EIO */
export function formatName(device: Device): string | null {
  return FORMATS.find((format) => format.probe(device))?.name ?? null;
}

/** Opens the file system on a device. @throws FsError EINVAL if it is none that we know, and what the format refuses */
export function mount(device: Device, options: MountOptions): Filesystem {
  for (const format of FORMATS) {
    if (!format.probe(device, options.superblock)) continue;
    if (options.subvol !== undefined && format.subvolumes !== true)
      throw new FsError('EINVAL', { detail: `${format.name} has no subvolumes` });
    return format.mount(device, options);
  }
  const known = FORMATS.map((format) => format.name).join(', ');
  const what = foreignContent(device);
  const detail = `no file system that fsio knows (${known}) on ${device.name}${what === null ? '' : `: ${what}`}`;
  throw new FsError('EINVAL', { detail });
}

/**
 * What differs between two states of an image, as core's DescribeChanges. @throws FsError EINVAL for different formats,
 * EOPNOTSUPP for one that cannot tell
 */
export function describeChanges(
  before: ImageState,
  after: ImageState,
  ranges: readonly ByteRange[] | null,
): Iterable<StructureChange> {
  const [was, is] = [formatName(before.device), formatName(after.device)];
  if (was !== is)
    throw new FsError('EINVAL', { detail: `${was ?? 'nothing known'} and ${is ?? 'nothing known'} are not compared` });
  const format = FORMATS.find(({ name }) => name === is);
  if (format?.changes === undefined) throw new FsError('EOPNOTSUPP', { detail: `changes of ${is} are not told` });
  return format.changes(before, after, ranges);
}
