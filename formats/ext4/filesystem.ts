/**
 * An ext2, ext3 or ext4 image as the commands see it. Opening checks the superblock and the features before anything is
 * shown: an unknown incompatible feature is refused by name, an unknown read-only-compatible one allows reading only.
 */
import type { Device } from '../../core/device/device.ts';
import { corrupt, FsError } from '../../core/errors.ts';
import type { Tracer } from '../../core/iomap/trace.ts';
import type { Filesystem, MountOptions, StatFs } from '../../core/vfs/filesystem.ts';
import type { Timestamp } from '../../core/vfs/inode.ts';
import { decodeToNul } from '../../core/vfs/names.ts';
import type { SpaceMap } from '../../core/vfs/space-map.ts';
import { refuseChange } from '../../core/vfs/unwritable.ts';
import type { Word } from '../../core/vfs/word.ts';
import { judgeFeatures, typeName } from './features.ts';
import type { Ext4Inode } from './inode.ts';
import { InodeTable } from './inode-table.ts';
import { ext4SpaceMap } from './inspect/space-map.ts';
import { needsRecovery, replayJournal, unreplayed } from './journal/recover.ts';
import { superblockAddress } from './magic.ts';
import { Ext4Mount } from './mount.ts';
import { finishRecovery } from './recover/finish.ts';
import { hasOrphans } from './recover/orphans.ts';
import { ext4Statfs } from './statfs.ts';
import { ROOT_INO } from './structure/inode.ts';
import { readSuperblock } from './superblock.ts';
import { ext4Words } from './words/words.ts';

export class Ext4Filesystem implements Filesystem {
  readonly type: string;
  readonly mp: Ext4Mount;
  /** The image as it was found, before recovery. */
  found: Ext4Mount;
  readonly blockSize: number;
  readonly readOnly = true;
  readonly unwritable = 'writing to ext2, ext3 and ext4 is not built yet';
  readonly mapsDirectories = true;
  readonly now: () => Timestamp;
  tracer: Tracer | null = null;
  readonly notes: string[];

  constructor(mp: Ext4Mount, notes: string[]) {
    this.mp = mp;
    this.found = mp;
    this.type = typeName(mp.sb);
    this.blockSize = mp.blockSize;
    this.now = mp.options.now;
    this.notes = notes;
    mp.inodes = new InodeTable(mp, this);
  }

  get words(): readonly Word[] {
    return ext4Words();
  }

  get status(): string | null {
    return this.notes.length === 0 ? null : this.notes.join('; ');
  }

  spaceMap(): SpaceMap {
    return ext4SpaceMap(this.mp);
  }

  root(): Ext4Inode {
    return this.iget(ROOT_INO);
  }

  iget(ino: number): Ext4Inode {
    return this.mp.inodes.get(ino);
  }

  statfs(): StatFs {
    return ext4Statfs(this.mp);
  }

  label(): string {
    return decodeToNul(this.mp.sb.volume_name);
  }

  setLabel(_label: string): void {
    refuseChange({ fs: this });
  }

  /** Nothing is ever dirty. */
  sync(): void {}

  unmount(): void {}
}

/**
 * Opens an ext2, ext3 or ext4 image.
 * @throws FsError EINVAL none of these or unknown features, EUCLEAN damaged, ENODEV device missing
 */
export function mountExt4(device: Device, options: MountOptions): Ext4Filesystem {
  const fs = recovered(open(device, options), options);
  checkRoot(fs);
  return fs;
}

function open(device: Device, options: MountOptions): Ext4Filesystem {
  const copy = options.superblock ?? 0;
  const addr = superblockAddress(device, copy);
  if (addr === null) throw new FsError('EINVAL', { detail: `no superblock in block ${copy}` });
  const sb = readSuperblock(device, addr);
  const notes: string[] = [];
  if (copy > 0) notes.push(`read only: the copy of the superblock in block ${copy} is believed`);
  const mp = new Ext4Mount(sb, addr, device, options, judgeFeatures(sb, notes));
  if (device.size < mp.blocks * mp.blockSize)
    throw new FsError('EINVAL', {
      detail: `the file system needs ${mp.blocks * mp.blockSize} bytes, ${device.name} has ${device.size}: truncated?`,
    });
  checkDevices(mp);
  return new Ext4Filesystem(mp, notes);
}

/** Beside the image there may be one device, with its journal. */
function checkDevices({ sb, options: { devices } }: Ext4Mount): void {
  const unused = devices[sb.journal_inum === 0 && sb.journal_dev !== 0 ? 1 : 0];
  if (unused !== undefined)
    throw new FsError('EINVAL', { detail: `${unused.name}: the image has no use for this device` });
}

/** A dirty journal is replayed in memory before anything is shown, or the user is told that it was not. */
function recovered(fs: Ext4Filesystem, options: MountOptions): Ext4Filesystem {
  const dirty = needsRecovery(fs.mp);
  if (options.norecovery) {
    if (dirty) fs.notes.push('read only: journal not replayed: shown is the state without it');
    return fs;
  }
  if (!dirty && !hasOrphans(fs.mp)) return fs;
  const { device, fastTags } = dirty ? replayJournal(fs.mp) : unreplayed(fs.mp);
  const replayed = open(device, options);
  finishRecovery(replayed.mp, fastTags);
  // What was looked at on the way is to be looked at for the first time.
  const after = open(device, options);
  after.found = fs.mp;
  return after;
}

function checkRoot(fs: Ext4Filesystem): void {
  const root = fs.root();
  if (root.kind !== 'dir' || root.size === 0)
    throw corrupt({ structure: `root inode ${ROOT_INO}`, rule: 'not a directory with entries' });
}
