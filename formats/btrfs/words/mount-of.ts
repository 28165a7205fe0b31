import type { Device } from '../../../core/device/device.ts';
import type { WordContext } from '../../../core/vfs/word.ts';
import type { BtrfsMount } from '../mount.ts';

/** A device of the file system; null if it is missing. */
export interface DeviceEntry {
  readonly devid: number;
  readonly device: Device | null;
}

/** What words see of an image, also of one that cannot be mounted. */
interface BtrfsImage {
  /** @throws FsError if nothing but the superblocks can be read */
  readonly mp: BtrfsMount;
  readonly devices: readonly DeviceEntry[];
  /** The device that was opened. */
  readonly devid: number;
}

/** The image behind a word's context: a word of btrfs is only ever run on a btrfs image. */
export function imageOf(context: WordContext): BtrfsImage {
  return context.fs as unknown as BtrfsImage;
}

/** The mount behind a word's context. @throws FsError if nothing but the superblocks can be read */
export function mountOf(context: WordContext): BtrfsMount {
  return imageOf(context).mp;
}
