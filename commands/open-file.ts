/** Open files as xfs_io knows them: a name, flags, and the engine's file. */
import { FsError } from '../core/errors.ts';
import { seekData, seekHole } from '../core/iomap/seek.ts';
import { advance } from '../core/steps.ts';
import { File, openFile } from '../core/vfs/file.ts';
import type { Inode } from '../core/vfs/inode.ts';
import { resolve, resolveEnd } from '../core/vfs/path.ts';
import type { Mount } from './mounts.ts';

/** How a file was opened, as xfs_io's options say it. */
export interface OpenFlags {
  readonly readOnly: boolean;
  readonly create: boolean;
  readonly append: boolean;
  readonly direct: boolean;
  readonly sync: boolean;
  readonly truncate: boolean;
  readonly nonBlock: boolean;
  readonly noFollow: boolean;
  /** The path is a directory: open a file there that has no name. */
  readonly tmpfile: boolean;
  /** Straight to the bytes of the device. */
  readonly dax: boolean;
  /** For its name only (O_PATH). */
  readonly pathOnly: boolean;
  /** Its data shall go to the realtime device. */
  readonly realtime: boolean;
}

export const PLAIN: OpenFlags = {
  readOnly: false,
  create: false,
  append: false,
  direct: false,
  sync: false,
  truncate: false,
  nonBlock: false,
  noFollow: false,
  tmpfile: false,
  dax: false,
  pathOnly: false,
  realtime: false,
};

/** The flags as xfs_io's print shows them, and stat, which leaves some out. */
export function openFlagsText(flags: OpenFlags, how: 'all' | 'stat' = 'all'): string {
  const words = [
    flags.sync ? 'sync' : 'non-sync',
    flags.direct ? 'direct' : 'non-direct',
    flags.readOnly ? 'read-only' : 'read-write',
  ];
  if (flags.realtime) words.push('real-time');
  if (flags.append) words.push('append-only');
  if (flags.nonBlock) words.push('non-block');
  if (flags.tmpfile) words.push('tmpfile');
  if (how === 'all' && flags.pathOnly) words.push('path');
  if (how === 'all' && flags.noFollow) words.push('nofollow');
  return words.join(',');
}

/** A file of an image under the name that the user gave, as the engine's File with xfs_io's flags. */
export class OpenFile {
  readonly mount: Mount;
  readonly name: string;
  readonly flags: OpenFlags;
  /** The flags as they were asked for: what xfs_io shows. */
  readonly shown: OpenFlags;
  readonly file: File;
  /** Where it was opened, from the root of the image. */
  path = '';
  /** xfs_io closed it behind the back of its table: nothing can be done with it but to name it. */
  broken = false;
  /** Where sendfile goes on: the position that read(2), write(2) and seek move. */
  position = 0;

  constructor(mount: Mount, file: File, name: string, flags: OpenFlags, shown = flags) {
    this.mount = mount;
    this.file = file;
    this.name = name;
    this.flags = flags;
    this.shown = shown;
  }

  /**
   * Opens `path`. A directory or a file that cannot be written for what it is, is opened for reading, as xfs_io does.
   * Where the image is `guarded`, opening to read neither makes nor empties a file, as it would in Linux.
   * @throws FsError as open(2)
   */
  static open(
    mount: Mount,
    path: string,
    name: string,
    flags: OpenFlags,
    mode: number,
    guarded = flags.readOnly,
  ): OpenFile {
    const { fs } = mount;
    const root = fs.root();
    if (flags.noFollow) {
      const { inode } = resolveEnd(fs, root, path, { follow: false });
      if (inode?.kind === 'symlink' && !flags.pathOnly) throw new FsError('ELOOP');
    }
    if (flags.pathOnly)
      return new OpenFile(mount, File.named(resolve(fs, root, path, { follow: !flags.noFollow })), name, flags);
    if (guarded && flags.truncate) {
      if (resolve(fs, root, path).kind === 'dir') throw new FsError('EISDIR');
      throw new FsError('EROFS', { detail: 'opened read-only' });
    }
    if (flags.tmpfile) return new OpenFile(mount, openUnnamed(mount, path, flags, mode), name, flags);
    const options = {
      append: flags.append,
      direct: flags.direct,
      dax: flags.dax,
      sync: flags.sync,
      create: flags.create && !guarded,
      truncate: flags.truncate,
      mode,
      write: !flags.readOnly,
    };
    try {
      const file = openFile(fs, root, path, options);
      return new OpenFile(mount, file, name, flags);
    } catch (error) {
      if (guarded && flags.create && error instanceof FsError && error.code === 'ENOENT') {
        throw new FsError('EROFS', { detail: 'opened read-only' });
      }
      if (flags.readOnly || flags.create || !(error instanceof FsError) || error.code !== 'EISDIR') throw error;
      if (flags.truncate) throw error;
      const file = openFile(fs, root, path, { direct: flags.direct });
      return new OpenFile(mount, file, name, { ...flags, readOnly: true }, flags);
    }
  }

  /** What was opened, also where nothing can be done to it. */
  get named(): Inode {
    return this.file.inode;
  }

  /** @throws FsError EBADF where nothing can be done to it */
  get inode(): Inode {
    return this.usable().inode;
  }

  /** Nothing can be done to it. */
  get unusable(): boolean {
    return this.broken || this.flags.pathOnly;
  }

  private usable(): File {
    if (this.unusable) throw new FsError('EBADF');
    return this.file;
  }

  /** To xfs_io it is of another file system than XFS: every pipe and device is, too. */
  get foreign(): boolean {
    const { kind } = this.named;
    return this.mount.fs.type !== 'xfs' || (kind !== 'file' && kind !== 'dir');
  }

  read(pos: number, into: Uint8Array): number {
    const bytes = this.usable().read(pos, into);
    advance(bytes);
    return bytes;
  }

  write(pos: number, from: Uint8Array): number {
    const bytes = this.usable().write(pos, from);
    advance(bytes);
    return bytes;
  }

  /** @throws FsError as ftruncate(2) */
  truncate(size: number): void {
    this.usable().truncate(size);
  }

  fsync(dataOnly: boolean): void {
    this.usable().fsync(dataOnly);
  }

  close(): void {
    this.file.close();
  }

  /** A mapping into memory keeps the file in use, also when it is closed. */
  hold(): void {
    this.file.hold();
  }

  letGo(): void {
    this.file.letGo();
  }

  /** Where data begins at or after `pos`, or null if there is none. */
  seekData(pos: number): number | null {
    // The kernel gives a directory no holes: all of it is data.
    if (this.inode.kind === 'dir') return pos < dirEnd(this.inode) ? pos : null;
    return orNull(() => seekData(this.inode, pos));
  }

  /** Where a hole begins at or after `pos` (the end of the file is one), or null beyond the end. */
  seekHole(pos: number): number | null {
    if (this.inode.kind === 'dir') return pos < dirEnd(this.inode) ? dirEnd(this.inode) : null;
    return orNull(() => seekHole(this.inode, pos));
  }
}

/** Where seeking in a directory ends. */
function dirEnd(dir: Inode): number {
  return dir.lastPosition ?? dir.size;
}

/** O_TMPFILE in `dir`: the file goes when it is closed, unless flink gave it a name. */
function openUnnamed({ fs }: Mount, path: string, flags: OpenFlags, mode: number): File {
  const { inode: dir } = resolveEnd(fs, fs.root(), path);
  // What stops the walk comes before this, that nothing is there after it.
  if (flags.create) throw new FsError('EINVAL');
  if (dir === null) throw new FsError('ENOENT');
  if (dir.kind !== 'dir') throw new FsError('ENOTDIR');
  if (flags.readOnly) throw new FsError('EINVAL');
  if (dir.fs.readOnly) throw new FsError('EROFS');
  return new File(dir.tmpfile(mode), { write: true, append: flags.append, direct: flags.direct, sync: flags.sync });
}

function orNull(call: () => number): number | null {
  try {
    return call();
  } catch (error) {
    if (error instanceof FsError && error.code === 'ENXIO') return null;
    throw error;
  }
}
