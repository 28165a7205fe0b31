/** What the commands know of a mounted image, whatever its format. */
import type { Tracer } from '../iomap/trace.ts';
import type { Inode } from './inode.ts';
import type { SpaceMap } from './space-map.ts';
import type { Word } from './word.ts';

/** statfs(2) and the geometry that xfs_io's statfs prints. Blocks of `blockSize` bytes. */
export interface StatFs {
  readonly type: number;
  readonly blockSize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
  readonly fsid: readonly [number, number];
  readonly nameMax: number;
  readonly frsize: number;
  readonly flags: number;
  /** `geom.NAME` lines of xfs_io's statfs, for formats that have them, in order. */
  readonly geometry: readonly (readonly [string, number])[];
  /** `counts.NAME` lines likewise. */
  readonly counts: readonly (readonly [string, number])[];
}

export interface MountOptions {
  /** Refuse every change with EROFS. */
  readonly readOnly: boolean;
  /** Do not replay a dirty log: show the raw state. */
  readonly norecovery: boolean;
  /** Further devices of the same file system, by role or order as given. */
  readonly devices: readonly import('../device/device.ts').Device[];
  /** Current time; replaceable for reproducible images. */
  readonly now: () => import('./inode.ts').Timestamp;
  /** uid, gid and umask for created files. */
  readonly owner: { readonly uid: number; readonly gid: number; readonly umask: number };
  /** The subvolume that paths start from, by path or id; absent: the image's default. Formats without any refuse it. */
  readonly subvol?: string;
  /** How new file data are to be compressed (`zstd`, `zlib:9`); `force`: even where it does not look worth while. */
  readonly compress?: { readonly method: string; readonly force: boolean };
  /** When the newest root cannot be read, show the newest older one that can, for reading only. */
  readonly backupRoot?: boolean;
  /** This copy of the superblock is to be believed, for reading only; absent: the newest good one. */
  readonly superblock?: number;
  /** Write although devices are missing, where the copies on the others bear it. */
  readonly degraded?: boolean;
  /** Do not verify checksums of file data. */
  readonly noDataCsum?: boolean;
  /** Seed of everything chosen at random (inode generations, uuids of logs). */
  readonly random: () => number;
}

export interface Filesystem {
  /** 'xfs', 'btrfs', … */
  readonly type: string;
  readonly blockSize: number;
  /** The unit of the suffix `s` in numbers, bytes; 512 where absent. */
  readonly sectorSize?: number;
  readonly readOnly: boolean;
  /** Why no image of this format can be changed; absent: it can. */
  readonly unwritable?: string;
  /** Something the user must know about what is shown (`log not replayed: …`), or null. */
  readonly status: string | null;
  /** Damage that was met and got round since the last call, one line each: a bad copy of something, another one good. */
  takeNotices?(): string[];
  /** Where engine steps are reported; null when nobody asked. */
  tracer: Tracer | null;
  readonly now: () => import('./inode.ts').Timestamp;
  /** Commands that only this format has. */
  readonly words?: readonly Word[];

  /** FIEMAP tells where directories lie, too. */
  readonly mapsDirectories?: true;
  /** Who uses the space of the image; absent where the format does not say. */
  spaceMap?(): SpaceMap;
  root(): Inode;
  /** The inode with this number; the same object while it is in use. @throws FsError ENOENT free, EUCLEAN damaged */
  iget(ino: number): Inode;
  /** `inode`: as seen from it, where files of a file system lie on different devices. */
  statfs(inode?: Inode): StatFs;
  /** The label, empty if it has none; absent where the format has no labels. */
  label?(): string;
  /** @throws FsError EINVAL too long, EROFS */
  setLabel?(label: string): void;
  /**
   * Stops using the image as a crash would, with the log written first if `flushLog`; whatever is asked afterwards
   * fails with EIO. Absent where the format has no such call.
   */
  shutdown?(flushLog: boolean): void;
  /** True after shutdown(). */
  readonly stopped?: boolean;
  /** All dirty pages and metadata durable; the file system would need no more than log recovery. */
  sync(): void;
  /** Ends the use of the image: everything in place, the log clean. Not called after a failure that leaves doubt. */
  unmount(): void;
}
