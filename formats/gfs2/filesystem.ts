/**
 * A gfs2 image as the commands see it. Opening checks the superblock and replays dirty journals in memory, all of them,
 * before anything is shown. The image is read, never written.
 */
import type { Device } from '../../core/device/device.ts';
import { corrupt, FsError } from '../../core/errors.ts';
import type { Tracer } from '../../core/iomap/trace.ts';
import type { Filesystem, MountOptions, StatFs } from '../../core/vfs/filesystem.ts';
import type { Timestamp } from '../../core/vfs/inode.ts';
import type { SpaceMap } from '../../core/vfs/space-map.ts';
import { refuseChange } from '../../core/vfs/unwritable.ts';
import type { Word } from '../../core/vfs/word.ts';
import type { Gfs2Inode } from './inode.ts';
import { InodeTable } from './inode-table.ts';
import { gfs2SpaceMap } from './inspect/space-map.ts';
import { openJournals } from './journal/open.ts';
import { Gfs2Mount } from './mount.ts';
import { gfs2Statfs } from './statfs.ts';
import { BlockState } from './structure/rgrp.ts';
import { readSuperblock } from './superblock.ts';
import { gfs2Words } from './words/words.ts';

/** The name, as of a subvolume, of the system directory: what Linux mounts as the type gfs2meta. */
const META = 'gfs2meta';

export class Gfs2Filesystem implements Filesystem {
  readonly type = 'gfs2';
  readonly mp: Gfs2Mount;
  readonly blockSize: number;
  readonly readOnly = true;
  readonly unwritable = 'writing gfs2 is not built yet';
  readonly now: () => Timestamp;
  tracer: Tracer | null = null;
  private readonly notes: readonly string[];

  constructor(mp: Gfs2Mount, notes: readonly string[]) {
    this.mp = mp;
    this.blockSize = mp.blockSize;
    this.now = mp.options.now;
    this.notes = notes;
    mp.inodes = new InodeTable(mp, this);
  }

  get status(): string | null {
    return this.notes.length === 0 ? null : this.notes.join('; ');
  }

  root(): Gfs2Inode {
    if (this.mp.options.subvol === META) return this.mp.system.master;
    const { root_addr, root_formal } = this.mp.sb;
    const root = this.mp.iget(root_addr);
    if (root.kind === 'dir' && root.formal === root_formal) return root;
    throw corrupt({ structure: `root directory ${root_addr}`, rule: 'another inode than the superblock says' });
  }

  /** The inode in a block that somebody named: the bitmaps say whether there is one, though it may have lost its name. */
  iget(ino: number): Gfs2Inode {
    const state = Number.isInteger(ino) && ino >= 0 ? this.mp.rgrps.state(ino) : null;
    if (state === BlockState.DINODE || state === BlockState.UNLINKED) return this.mp.iget(ino);
    throw new FsError('ENOENT', { detail: `no inode lies in block ${ino}` });
  }

  statfs(): StatFs {
    return gfs2Statfs(this.mp);
  }

  get words(): readonly Word[] {
    return gfs2Words();
  }

  spaceMap(): SpaceMap {
    return gfs2SpaceMap(this.mp);
  }

  /** What Linux calls the label: the table of locks, `CLUSTER:NAME`. */
  label(): string {
    return this.mp.sb.sb_locktable;
  }

  setLabel(): void {
    refuseChange({ fs: this });
  }

  /** Nothing is ever dirty. */
  sync(): void {}

  unmount(): void {}
}

/** Opens a gfs2 image. @throws FsError EINVAL not gfs2 or an unknown version, EUCLEAN damaged, EIO */
export function mountGfs2(device: Device, options: MountOptions): Gfs2Filesystem {
  const { subvol } = options;
  if (subvol !== undefined && subvol !== META)
    throw new FsError('EINVAL', { detail: `gfs2 has no subvolumes; ${META} stands for its system directory` });
  if (options.devices.length > 0)
    throw new FsError('EINVAL', { detail: `${options.devices[0]?.name}: the image has no use for this device` });
  const sb = readSuperblock(device);
  const notes: string[] = [];
  const { sb_lockproto: protocol, sb_locktable: table } = sb;
  if (protocol === 'lock_dlm')
    notes.push(
      `of the cluster ${table.split(':')[0] || 'without a name'} (lock_dlm): another node may have it mounted`,
    );
  const open = (over: Device): Gfs2Filesystem => new Gfs2Filesystem(new Gfs2Mount(sb, over, options), notes);
  const fs = openJournals(open(device), open, notes);
  fs.root();
  return fs;
}
