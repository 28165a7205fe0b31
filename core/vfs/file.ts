/** An open file: what the flags of open(2) allow, and the way into the engine. */
import { FsError } from '../errors.ts';
import { daxOps, daxRead, daxWrite, daxZeroRange } from '../iomap/dax.ts';
import { directRead, directWrite } from '../iomap/direct.ts';
import { bufferedRead } from '../iomap/read.ts';
import { Readahead } from '../iomap/readahead.ts';
import { bufferedWrite, zeroGap } from '../iomap/write.ts';
import { crossesGap, FAR } from '../positions.ts';
import { checkGrowth, fileSizeLimit } from '../size-limit.ts';
import { MAX_POS } from '../units.ts';
import type { Filesystem } from './filesystem.ts';
import type { Inode } from './inode.ts';
import { resolveEnd } from './path.ts';

/** FS_XFLAG_* bits that decide about writing. */
const XFLAG_IMMUTABLE = 0x8;
const XFLAG_APPEND = 0x10;

/** How a file is opened: open(2)'s flags. Reading is always allowed. */
export interface OpenFlags {
  readonly write?: boolean;
  /** Every write goes to the end of the file. */
  readonly append?: boolean;
  /** Past the page cache. */
  readonly direct?: boolean;
  /** Straight to the bytes of the device, without pages or alignment. */
  readonly dax?: boolean;
  /** Every write is durable when it returns, with its metadata (`sync`) or what is needed to read it (`dataSync`). */
  readonly sync?: boolean;
  readonly dataSync?: boolean;
  readonly create?: boolean;
  /** With create: fail if it exists. */
  readonly exclusive?: boolean;
  readonly truncate?: boolean;
  /** For its name only: see File.named(). */
  readonly nameOnly?: boolean;
  /** Permission bits of a created file, before the umask; 0600 if absent, as xfs_io. */
  readonly mode?: number;
}

/**
 * Opens what `path` names, seen from `cwd`; with create, makes a regular file of that name first.
 * @throws FsError ENOENT, EISDIR, EROFS, EEXIST, ENXIO, …
 */
export function openFile(fs: Filesystem, cwd: Inode, path: string, flags: OpenFlags): File {
  const end = resolveEnd(fs, cwd, path, { follow: !(flags.create === true && flags.exclusive === true) });
  try {
    let inode = end.inode;
    if (flags.create === true) {
      if (inode !== null && flags.exclusive === true) throw new FsError('EEXIST');
      if (end.slash || inode?.kind === 'dir') throw new FsError('EISDIR');
    }
    if (inode === null) {
      if (flags.create !== true) throw new FsError('ENOENT');
      if (fs.readOnly) throw new FsError('EROFS');
      inode = end.parent.create(end.name, flags.mode ?? 0o600);
    } else if (flags.truncate === true && inode.kind === 'file') {
      checkOpen(inode, { ...flags, write: true });
      inode.truncate(0);
    } else if (flags.truncate === true && inode.kind === 'dir') throw new FsError('EISDIR');
    return new File(inode, flags);
  } catch (error) {
    throw error instanceof FsError ? error.withPath(path) : error;
  }
}

function checkOpen(inode: Inode, flags: OpenFlags): void {
  const { kind } = inode;
  if (kind === 'symlink') throw new FsError('ELOOP');
  if (kind === 'socket') throw new FsError('ENXIO');
  if (kind === 'dir' && flags.write !== true && flags.direct === true) throw new FsError('EINVAL');
  if (flags.write !== true) return;
  if (kind === 'dir') throw new FsError('EISDIR');
  if (kind !== 'file') return;
  if (inode.fs.readOnly) throw new FsError('EROFS');
  const { xflags } = inode;
  if ((xflags & XFLAG_IMMUTABLE) !== 0) throw new FsError('EPERM', { detail: 'the file is immutable' });
  if (inode.readOnly === true) throw new FsError('EROFS');
  const appends = flags.append === true && flags.truncate !== true;
  if ((xflags & XFLAG_APPEND) !== 0 && !appends) throw new FsError('EPERM', { detail: 'the file is append-only' });
}

export class File {
  readonly inode: Inode;
  readonly flags: OpenFlags;
  /** How it is read; none before the first buffered read. */
  private readahead: Readahead | null = null;
  private closed = false;
  /** Who keeps it in use: whoever opened it, and each mapping of it into memory. */
  private holders = 1;

  /** @throws FsError EISDIR, EROFS, ELOOP, ENXIO */
  constructor(inode: Inode, flags: OpenFlags) {
    if (flags.nameOnly !== true) checkOpen(inode, flags);
    if (flags.dax === true && inode.kind === 'file') daxOps(inode);
    this.inode = inode;
    this.flags = flags;
    inode.acquire();
  }

  /** A file that was opened for its name only (O_PATH): of any kind, and nothing can be done to its content. */
  static named(inode: Inode): File {
    return new File(inode, { nameOnly: true });
  }

  /** Fills `into` from `pos` on; returns how many bytes, 0 at EOF. @throws FsError EINVAL, EISDIR, EIO, … */
  read(pos: number, into: Uint8Array): number {
    this.check(pos, into.length);
    const { inode } = this;
    if (pos + into.length > FAR) checkGap(pos, Math.min(into.length, inode.size - pos));
    if (this.flags.dax === true) return daxRead(inode, pos, into);
    if (this.flags.direct === true && inode.iomap.bounceDirect?.(inode, pos, into.length, false) !== true) {
      return directRead(inode, pos, into);
    }
    this.readahead ??= new Readahead();
    return bufferedRead(inode, pos, into, this.readahead);
  }

  /**
   * Writes `from` at `pos` (at the end, if opened to append); returns how many bytes, less only when an error came
   * after some progress. @throws FsError EBADF, EFBIG, EINVAL, ENOSPC, …
   */
  write(pos: number, from: Uint8Array): number {
    if (this.flags.write !== true) throw new FsError('EBADF');
    this.check(pos, from.length);
    const { inode } = this;
    if (from.length === 0) return 0;
    if (this.flags.append === true) pos = inode.size;
    const most = Math.min(MAX_POS, fileSizeLimit());
    if (pos >= most) throw new FsError('EFBIG');
    if (pos + from.length > most) from = from.subarray(0, most - pos);
    checkGap(pos, from.length);
    if (this.flags.dax === true) return this.writeDax(pos, from);
    if (this.flags.direct === true) checkAlignment(inode, pos, from.length);
    const direct = this.flags.direct === true && inode.iomap.bounceDirect?.(inode, pos, from.length, true) !== true;
    if (pos > inode.size) zeroGap(inode, pos, pos + from.length);
    inode.touch();
    const written = direct ? directWrite(inode, pos, from) : bufferedWrite(inode, pos, from);
    if (this.flags.direct === true && !direct) inode.iomap.endBouncedWrite?.(inode, pos, pos + written);
    this.writeSync(pos, written);
    return written;
  }

  /** A write is durable when it returns, if the file was opened or marked so: what was written, not all that is dirty. */
  private writeSync(pos: number, written: number): void {
    const { flags, inode } = this;
    if (flags.sync === true || flags.dataSync === true || isSync(inode))
      inode.fsync(flags.sync !== true, pos, pos + written);
  }

  private writeDax(pos: number, from: Uint8Array): number {
    const { inode } = this;
    if (pos > inode.size) daxZeroRange(inode, inode.size, pos - inode.size);
    inode.touch();
    const written = daxWrite(inode, pos, from);
    this.writeSync(pos, written);
    return written;
  }

  /** Sets the size. @throws FsError EINVAL if not open for writing or not a file, EFBIG, ENOSPC, … */
  truncate(size: number): void {
    if (size < 0 || !Number.isInteger(size) || this.flags.write !== true || this.inode.kind !== 'file') {
      throw new FsError('EINVAL');
    }
    if (size > MAX_POS) throw new FsError('EFBIG');
    checkGrowth(this.inode.size, size);
    this.inode.truncate(size);
  }

  /** Makes content and size durable. @throws FsError */
  fsync(dataOnly: boolean): void {
    if (this.inode.kind !== 'file' && this.inode.kind !== 'dir') throw new FsError('EINVAL');
    this.inode.fsync(dataOnly);
  }

  /** After a change of the file's blocks that was no write: durable at once, if it was opened so. @throws FsError */
  changed(): void {
    if (this.flags.sync === true || isSync(this.inode)) this.inode.forceLog?.();
  }

  /** Ends the use of the file; closing again does nothing. @throws FsError */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.letGo();
  }

  /** The file stays in use after close(), until letGo() was called as often. */
  hold(): void {
    this.holders++;
  }

  /** @throws FsError */
  letGo(): void {
    this.holders--;
    if (this.holders === 0) this.inode.release(this.flags.write === true);
  }

  private check(pos: number, length: number): void {
    if (this.closed) throw new FsError('EBADF');
    // Linux refuses what would end behind 2^63 - 1, wherever the file ends.
    if (pos < 0 || !(pos + length <= MAX_POS)) throw new FsError('EINVAL');
    const { kind } = this.inode;
    if (kind !== 'file') throw new FsError(kind === 'dir' ? 'EISDIR' : kind === 'fifo' ? 'ESPIPE' : 'EINVAL');
  }
}

/** FS_XFLAG_SYNC: all that is written to the file is durable at once. */
const XFLAG_SYNC = 0x20;

const isSync = ({ xflags }: Inode): boolean => (xflags & XFLAG_SYNC) !== 0;

/** Bytes on both sides of a gap between positions are no neighbours. @throws FsError EFBIG */
function checkGap(pos: number, length: number): void {
  if (crossesGap(pos, length)) throw new FsError('EFBIG');
}

function checkAlignment(inode: Inode, pos: number, length: number): void {
  const step = inode.iomap.directAlignment ?? 1;
  if (pos % step !== 0 || length % step !== 0) throw new FsError('EINVAL');
}
