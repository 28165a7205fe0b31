/**
 * A btrfs that cannot be mounted: no good superblock, features that are not known, a chunk tree or root tree that is
 * damaged. It can be looked at all the same, by the words that need no files: the superblock always, and trees and
 * chunks as far as they can be read. Everything else answers with what is wrong.
 */
import type { Device } from '../../core/device/device.ts';
import { FsError } from '../../core/errors.ts';
import type { Tracer } from '../../core/iomap/trace.ts';
import type { Filesystem, MountOptions, StatFs } from '../../core/vfs/filesystem.ts';
import type { Inode, Timestamp } from '../../core/vfs/inode.ts';
import { mountBtrfs } from './filesystem.ts';
import { readLabel } from './label.ts';
import { type BtrfsMount, rescueMount } from './mount.ts';
import { judgeFeatures } from './structure/features.ts';
import { readSuperblock } from './superblock.ts';
import type { DeviceEntry } from './words/mount-of.ts';
import { btrfsWords } from './words/words.ts';

class BareBtrfs implements Filesystem {
  readonly type = 'btrfs';
  readonly blockSize: number;
  readonly readOnly = true;
  readonly words = btrfsWords;
  readonly now: () => Timestamp;
  tracer: Tracer | null = null;
  private readonly failure: FsError;
  private readonly rescued: BtrfsMount | null;
  private readonly given: readonly Device[];

  constructor(failure: FsError, rescued: BtrfsMount | null, given: readonly Device[], now: () => Timestamp) {
    this.failure = failure;
    this.rescued = rescued;
    this.given = given;
    this.now = now;
    this.blockSize = rescued?.sectorSize ?? 4096;
  }

  get status(): string {
    const { code, damage, detail } = this.failure;
    // Whoever shows it names the image.
    const plain = new FsError(code, { ...(damage && { damage }), ...(detail !== undefined && { detail }) });
    return `read-only: ${plain.message}`;
  }

  /** What can be read. @throws FsError why there is nothing beside the superblocks */
  get mp(): BtrfsMount {
    if (this.rescued === null) throw this.failure;
    return this.rescued;
  }

  get devices(): readonly DeviceEntry[] {
    return this.rescued?.space.members.all ?? this.given.map((device, i) => ({ devid: i + 1, device }));
  }

  get devid(): number {
    return this.rescued?.sb.dev_item.devid ?? 1;
  }

  takeNotices(): string[] {
    return this.rescued?.blocks.healed.splice(0) ?? [];
  }

  root(): Inode {
    throw this.failure;
  }

  iget(): Inode {
    throw this.failure;
  }

  statfs(): StatFs {
    throw this.failure;
  }

  label(): string {
    return readLabel(this.mp);
  }

  sync(): void {}

  unmount(): void {
    this.rescued?.members.close();
  }
}

/**
 * Opens a btrfs image, or what can be looked at of it. @throws FsError EINVAL for devices that do not belong together,
 * ENOENT no such subvolume
 */
export function openBtrfs(device: Device, options: MountOptions): Filesystem {
  try {
    return mountBtrfs(device, options);
  } catch (error) {
    if (!(error instanceof FsError) || !mayBeLookedAt(error, device)) throw error;
    return new BareBtrfs(error, rescued(device, options), [device, ...options.devices], options.now);
  }
}

/** True for damage, and for features that are not known; what is wrong with the user's choice is another matter. */
function mayBeLookedAt({ code }: FsError, device: Device): boolean {
  if (code === 'EUCLEAN' || code === 'EIO') return true;
  if (code !== 'EINVAL') return false;
  const { incompat_flags, compat_ro_flags } = readSuperblock(device).values;
  return judgeFeatures(incompat_flags, compat_ro_flags).refused !== null;
}

function rescued(device: Device, options: MountOptions): BtrfsMount | null {
  try {
    return rescueMount(device, options);
  } catch (error) {
    if (error instanceof FsError) return null;
    throw error;
  }
}
