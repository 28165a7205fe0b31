/**
 * A btrfs image as the commands see it. Opening checks superblock, features, chunks and roots; a log tree is replayed in
 * memory before anything is shown, or the user is told that it was not. Paths start in one subvolume: the image's
 * default one, or the one asked for.
 */
import type { Device } from '../../core/device/device.ts';
import { corrupt, FsError } from '../../core/errors.ts';
import type { Tracer } from '../../core/iomap/trace.ts';
import type { Filesystem, MountOptions, StatFs } from '../../core/vfs/filesystem.ts';
import type { Timestamp } from '../../core/vfs/inode.ts';
import type { SpaceMap } from '../../core/vfs/space-map.ts';
import { olderFiles } from './backup-roots.ts';
import { cleanUp } from './cleanup.ts';
import type { BtrfsInode } from './inode.ts';
import { InodeTable } from './inode-table.ts';
import { btrfsSpaceMap } from './inspect/space-map.ts';
import { readLabel, writeLabel } from './label.ts';
import { replayLog } from './log-replay/replay.ts';
import { type BtrfsMount, openMount } from './mount.ts';
import { btrfsStatfs } from './statfs.ts';
import { defaultSubvolume, subvolumeNamed, subvolumeTop } from './subvolume.ts';
import type { DeviceEntry } from './words/mount-of.ts';
import { btrfsWords } from './words/words.ts';
import { writeBackAll } from './write-state.ts';

export class BtrfsFilesystem implements Filesystem {
  readonly type = 'btrfs';
  readonly mp: BtrfsMount;
  readonly blockSize: number;
  readonly words = btrfsWords;
  readonly now: () => Timestamp;
  tracer: Tracer | null = null;
  /** The id of the subvolume that paths start from. */
  private readonly opened: number;

  constructor(mp: BtrfsMount) {
    this.mp = mp;
    this.blockSize = mp.sectorSize;
    this.now = mp.options.now;
    mp.inodes = new InodeTable(mp, this);
    // A log belongs to the newest state; an older one that was asked for has none.
    if (mp.sb.log_root !== 0 && mp.treeRoot.bytenr === mp.sb.root) openLog(mp);
    this.opened = mp.options.subvol === undefined ? defaultSubvolume(mp) : subvolumeNamed(mp, mp.options.subvol);
  }

  get readOnly(): boolean {
    return this.mp.readOnly;
  }

  get status(): string | null {
    return this.mp.notes.length === 0 ? null : this.mp.notes.join('; ');
  }

  get devices(): readonly DeviceEntry[] {
    return this.mp.space.members.all;
  }

  get devid(): number {
    return this.mp.sb.dev_item.devid;
  }

  takeNotices(): string[] {
    const { blocks, space } = this.mp;
    return [...blocks.healed.splice(0), ...space.data.healed.splice(0)];
  }

  spaceMap(): SpaceMap {
    return btrfsSpaceMap(this.mp);
  }

  root(): BtrfsInode {
    return subvolumeTop(this.mp, this.opened);
  }

  iget(ino: number): BtrfsInode {
    return this.mp.inodes.get(this.mp.root(this.opened), ino);
  }

  statfs(): StatFs {
    return btrfsStatfs(this.mp, this.opened);
  }

  label(): string {
    return readLabel(this.mp);
  }

  setLabel(label: string): void {
    writeLabel(this.mp, label);
  }

  sync(): void {
    const failure = writeBackAll(this.mp);
    if (this.mp.trans.running) this.mp.trans.commit();
    if (failure !== null) throw failure;
  }

  unmount(): void {
    try {
      this.sync();
      if (this.mp.trans.written) {
        cleanUp(this.mp);
        this.sync();
        this.mp.trans.quotas.rescan();
        this.sync();
        this.mp.groups.removeUnused();
        this.sync();
      }
    } finally {
      this.mp.members.close();
    }
  }
}

/** A log tree is replayed in memory before anything is shown, or the user is told that it was not. */
function openLog(mp: BtrfsMount): void {
  if (mp.options.norecovery) mp.notes.push('read-only: log not replayed: shown is the last commit without it');
  else replayLog(mp);
}

/** ENOENT: the subvolume is there, but its directory is not. */
const UNREADABLE: ReadonlySet<string> = new Set(['EUCLEAN', 'EIO', 'ENOENT']);

/**
 * Without its top directory an image is still worth looking at, through dump-tree or another subvolume; whoever asks
 * for a path hears what is wrong.
 */
function checkTop(fs: BtrfsFilesystem): void {
  const { mp } = fs;
  try {
    if (fs.root().kind === 'dir') return;
    throw corrupt({ structure: `subvolume ${fs.root().root.id}`, rule: 'its root is no directory' });
  } catch (error) {
    if (!(error instanceof FsError) || !UNREADABLE.has(error.code)) throw error;
    mp.readOnly = true;
    const hint = mp.options.backupRoot === true ? null : olderFiles(mp);
    mp.notes.push(`read-only: ${error.message}${hint === null ? '' : `; ${hint}`}`);
  }
}

/** Opens a btrfs image. @throws FsError EINVAL unknown features, EUCLEAN damaged, EIO devices missing, ENOENT no such subvolume */
export function mountBtrfs(device: Device, options: MountOptions): BtrfsFilesystem {
  const mp = openMount(device, options);
  try {
    const fs = new BtrfsFilesystem(mp);
    checkTop(fs);
    return fs;
  } catch (error) {
    mp.members.close();
    throw error;
  }
}
