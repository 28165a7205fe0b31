/**
 * An XFS image as the commands see it. Opening checks the superblock, the features and the log before anything is
 * shown: an unknown incompatible feature is refused by name, an unknown read-only-compatible one allows reading only,
 * and an unclean log is never passed over in silence.
 */

import { BufferCache } from '../../core/buffer-cache.ts';
import type { Device } from '../../core/device/device.ts';
import { describeDamage, FsError } from '../../core/errors.ts';
import type { Tracer } from '../../core/iomap/trace.ts';
import { writeback, writebackFiles } from '../../core/iomap/writeback.ts';
import type { Filesystem, MountOptions, StatFs } from '../../core/vfs/filesystem.ts';
import type { Timestamp } from '../../core/vfs/inode.ts';
import type { SpaceMap } from '../../core/vfs/space-map.ts';
import type { Word } from '../../core/vfs/word.ts';
import type { XfsInode } from './inode.ts';
import { InodeTable } from './inode-table.ts';
import { xfsSpaceMap } from './inspect/space-map.ts';
import { readLabel, writeLabel } from './label.ts';
import { attachLog } from './log/log.ts';
import { finishRecovery, recoverMount } from './log/recover/open.ts';
import { type MountDevices, XfsMount } from './mount.ts';
import { freeOrphans } from './names/inactive.ts';
import { inactivateInode } from './release.ts';
import { xfsStatfs } from './statfs.ts';
import { Incompat, LogIncompat, RoCompat, unknownBits, VersionBit } from './structure/features.ts';
import { SBF_READONLY, Superblock } from './structure/sb.ts';
import { readSuperblock, type SuperblockValues } from './superblock.ts';
import { checkLsn } from './verify/header.ts';
import { xfsWords } from './words/words.ts';

const CACHE_BYTES = 64 * 1024 * 1024;

export class XfsFilesystem implements Filesystem {
  readonly type = 'xfs';
  readonly mp: XfsMount;
  readonly blockSize: number;
  readonly readOnly: boolean;
  readonly now: () => Timestamp;
  tracer: Tracer | null = null;
  private readonly notes: readonly string[];

  constructor(mp: XfsMount, notes: readonly string[]) {
    this.mp = mp;
    this.blockSize = mp.blockSize;
    this.readOnly = mp.readOnly;
    this.now = mp.options.now;
    this.notes = notes;
    mp.inodes = new InodeTable(mp, this);
  }

  get sectorSize(): number {
    return this.mp.sectorSize;
  }

  get words(): readonly Word[] {
    return xfsWords();
  }

  get status(): string | null {
    return this.notes.length === 0 ? null : this.notes.join('; ');
  }

  root(): XfsInode {
    return this.iget(this.mp.rootIno);
  }

  iget(ino: number): XfsInode {
    return this.mp.inodes.get(ino);
  }

  statfs(inode?: XfsInode): StatFs {
    return xfsStatfs(this.mp, inode ?? null);
  }

  spaceMap(): SpaceMap {
    return xfsSpaceMap(this.mp);
  }

  label(): string {
    return readLabel(this.mp);
  }

  setLabel(label: string): void {
    writeLabel(this.mp, label);
  }

  sync(): void {
    const files = [...this.mp.inodes.changed()];
    if (files.length > 0) writebackFiles(files);
    for (const ip of files) {
      writeback(ip);
      ip.pages.marked = false;
    }
    if (this.mp.log.active) this.mp.log.force();
  }

  get stopped(): boolean {
    return this.mp.log.stopped;
  }

  shutdown(flushLog: boolean): void {
    if (flushLog && this.mp.log.active) this.mp.log.force();
    this.mp.log.stop();
  }

  unmount(): void {
    if (this.mp.log.abandoned || this.stopped) return;
    // Whoever only read has made no orphans: their part of the program need not be loaded.
    if (this.mp.log.active) freeOrphans(this.mp);
    this.sync();
    // What only memory knew (CoW staging, speculative blocks) ends with the use of the image.
    for (const ip of this.mp.inodes.changed()) inactivateInode(ip);
    this.mp.log.cleanUnmount();
  }
}

/**
 * Opens an XFS image.
 * @throws FsError EINVAL not XFS or unknown features, EUCLEAN damaged or a log that needs recovery, ENODEV device missing
 */
export function mountXfs(device: Device, options: MountOptions): XfsFilesystem {
  const sb = readSuperblock(device);
  const notes: string[] = [];
  const readOnly = mustBeReadOnly(sb, options, notes);
  const devices = assignDevices(sb, device, options);
  checkSizes(sb, devices);
  const mount = (data: Device): XfsMount => {
    const over = { ...devices, data, log: devices.log === device ? data : devices.log };
    const cache = new BufferCache(data, CACHE_BYTES);
    const mp = new XfsMount(data === device ? sb : readSuperblock(data), over, cache, options, readOnly);
    attachLog(mp);
    return mp;
  };
  const mp = openLog(mount(device), mount, notes);
  const fs = new XfsFilesystem(mp, notes);
  if (mp.log.recovered !== null) finishRecovery(mp);
  checkRoot(fs);
  return fs;
}

/** @throws FsError EINVAL for features that nobody here can read, EROFS for those that forbid asked-for writing */
function mustBeReadOnly(sb: SuperblockValues, options: MountOptions, notes: string[]): boolean {
  let readOnly = options.readOnly;
  if ((sb.versionnum & VersionBit.NUMBITS) === 5) {
    const incompat = unknownBits(sb.features_incompat, Incompat);
    if (incompat.length > 0)
      throw new FsError('EINVAL', { detail: `unknown incompatible features: ${incompat.join(', ')}` });
    const roCompat = unknownBits(sb.features_ro_compat, RoCompat);
    if (roCompat.length > 0) {
      notes.push(`read only: unknown read-only-compatible features: ${roCompat.join(', ')}`);
      readOnly = true;
    }
    const logIncompat = unknownBits(sb.features_log_incompat, LogIncompat);
    if (logIncompat.length > 0) {
      notes.push(`read only: unknown log features: ${logIncompat.join(', ')}`);
      readOnly = true;
    }
    if ((sb.features_incompat & Incompat.NEEDSREPAIR) !== 0) {
      notes.push('read only: needsrepair is set, run xfs_repair');
      readOnly = true;
    }
    // Metadata directories, realtime groups and zones are read, never written.
    if ((sb.features_incompat & (Incompat.METADIR | Incompat.ZONED)) !== 0) {
      notes.push('read only: the image has a metadata directory tree');
      readOnly = true;
    } else if (sb.rblocks > 0 && (sb.features_ro_compat & (RoCompat.RMAPBT | RoCompat.REFLINK)) !== 0) {
      notes.push('read only: a realtime device beside a reverse map or shared blocks, which Linux does not mount');
      readOnly = true;
    }
  }
  if (sb.inprogress !== 0)
    throw new FsError('EINVAL', { detail: 'mkfs did not finish this image (inprogress is set)' });
  if ((sb.flags & SBF_READONLY) !== 0) {
    notes.push('read only: the superblock says so');
    readOnly = true;
  }
  return readOnly;
}

/** The further devices fill the roles that the superblock asks for: external log first, then realtime. */
function assignDevices(sb: SuperblockValues, data: Device, options: MountOptions): MountDevices {
  const given = [...options.devices];
  let log = data;
  if (sb.logstart === 0) {
    const device = given.shift();
    if (device === undefined)
      throw new FsError('ENODEV', { detail: 'the log is on another device: give it with --device' });
    log = device;
  }
  const realtime = sb.rblocks > 0 && sb.rtstart === 0 ? (given.shift() ?? null) : null;
  if (given.length > 0)
    throw new FsError('EINVAL', { detail: `${given[0]?.name}: the image has no use for this device` });
  return { data, log, realtime };
}

function checkSizes(sb: SuperblockValues, devices: MountDevices): void {
  const tooSmall = (device: Device, what: string, blocks: number): void => {
    const need = blocks * sb.blocksize;
    if (device.size < need)
      throw new FsError('EINVAL', {
        detail: `${what} needs ${need} bytes, ${device.name} has ${device.size}: truncated?`,
      });
  };
  tooSmall(devices.data, 'the file system', sb.dblocks);
  if (devices.log !== devices.data) tooSmall(devices.log, 'the log', sb.logblocks);
  if (devices.realtime !== null) tooSmall(devices.realtime, 'the realtime section', sb.rblocks);
}

/** A dirty log is replayed in memory before anything is shown, or the user is told that it was not. */
function openLog(mp: XfsMount, mount: (data: Device) => XfsMount, notes: string[]): XfsMount {
  const state = mp.log.found();
  // The superblock was read before the log was known.
  if (mp.features.v5) {
    const fault = checkLsn(mp.sbBuf, 'superblock', Superblock.at.lsn, mp);
    if (fault !== null) throw new FsError('EINVAL', { detail: describeDamage(fault) });
  }
  if (state.clean) return mp;
  if (!mp.options.norecovery) return recoverMount(mp, mount);
  notes.push(`log not replayed: ${state.why}; shown is the state without it`);
  return mp;
}

function checkRoot(fs: XfsFilesystem): void {
  if (fs.root().kind !== 'dir')
    throw new FsError('EUCLEAN', { detail: `root inode ${fs.mp.rootIno} is not a directory` });
}
