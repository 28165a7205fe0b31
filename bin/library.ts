/** The library: images opened by a program instead of a person. Answers what the commands answer. */
import { CommandFailure } from '../commands/failure.ts';
import { Mounts } from '../commands/mounts.ts';
import { PLAIN } from '../commands/open-file.ts';
import { JsonRenderer } from '../commands/render.ts';
import { runLine } from '../commands/run.ts';
import { Session } from '../commands/session.ts';
import { PATIENCE } from '../core/device/in-use.ts';
import { FsError } from '../core/errors.ts';
import { fiemap } from '../core/iomap/fiemap.ts';
import { exactPos, labelLength, labelOf } from '../core/positions.ts';
import { MAX_POS } from '../core/units.ts';
import { type File, openFile } from '../core/vfs/file.ts';
import type { Inode, Timestamp } from '../core/vfs/inode.ts';
import { resolve, resolveEnd } from '../core/vfs/path.ts';
import { timestamp } from './arguments.ts';
import type {
  Change,
  Entry,
  Extent,
  FileOptions,
  FsioError,
  Image,
  ImageFile,
  OpenOptions,
  Position,
  Result,
  Stat,
} from './library-api.ts';
import { clockOf, seeded } from './setup.ts';

/** Opens an image file, block device or network block export. @throws FsioError what opening or mounting refuses */
export function openImage(path: string, options: OpenOptions = {}): Image {
  return translated(() => new OpenedImage(path, options));
}

/** @throws FsError EINVAL for what is no time */
function timeOf(wanted: number | string | undefined): Timestamp | null {
  const time = timestamp(wanted === undefined ? process.env.SOURCE_DATE_EPOCH : String(wanted));
  if (time === null && wanted !== undefined) throw new FsError('EINVAL', { detail: `bad time -- ${wanted}` });
  return time;
}

class OpenedImage implements Image {
  readonly format: string;
  private readonly path: string;
  private readonly mounts: Mounts;
  private readonly session: Session;
  private readonly lines: string[] = [];
  private readonly renderer: JsonRenderer;

  constructor(path: string, options: OpenOptions) {
    const umask = process.umask();
    const { partition, offset, length } = options;
    const range = (offset ?? length) === undefined ? null : { offset: offset ?? 0, length: length ?? null };
    const time = timeOf(options.time);
    this.path = path;
    this.mounts = new Mounts({
      readOnly: options.readOnly ?? false,
      patience: PATIENCE,
      norecovery: options.norecovery ?? false,
      subvol: options.subvolume ?? null,
      compress: null,
      degraded: options.degraded ?? false,
      noDataCsum: false,
      backupRoot: false,
      superblock: null,
      part: partition === undefined ? range : { partition },
      devices: options.devices ?? [],
      overlay: options.overlay ?? null,
      dryRun: options.dryRun ?? false,
      tracer: null,
      now: clockOf(time),
      owner: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, umask },
      random: options.seed === undefined ? Math.random : seeded(options.seed),
      notice: options.notice ?? (() => {}),
    });
    this.session = new Session(this.mounts, {
      places: [],
      hostCwd: process.cwd(),
      program: 'xfs_io',
      umask,
      strict: true,
      expert: true,
      readOnly: options.readOnly ?? false,
      mayGuard: () => true,
    });
    const out = { write: (text: string) => this.lines.push(text), bytes() {}, closed: false };
    this.renderer = new JsonRenderer({ out, error() {} }, 'text');
    this.session.openImage(path);
    this.format = this.session.mount().fs.type;
  }

  run(line: string, file?: string): Result[] {
    return translated(() => {
      this.lines.length = 0;
      const opened =
        file === undefined
          ? null
          : this.session.open(this.session.where(file), file, { ...PLAIN, readOnly: this.session.readOnly }, 0);
      try {
        runLine(this.session, line, this.renderer, false);
      } finally {
        if (opened !== null && this.session.files.includes(opened)) {
          this.session.current = opened;
          this.session.close();
        }
      }
      const results = this.lines
        .join('')
        .split('\n')
        .filter(Boolean)
        .map((text) => JSON.parse(text));
      const failed = results.find((result) => result.error !== undefined);
      if (failed !== undefined) throw failure(failed.error.message, failed.error.code ?? 'EINVAL');
      return results;
    });
  }

  open(path: string, options: FileOptions = {}): ImageFile {
    return translated(() => {
      const { fs } = this.session.mount();
      return new OpenedFile(this, openFile(fs, fs.root(), path, options));
    });
  }

  stat(path: string): Stat {
    return translated(() => statOf(this.inode(path)));
  }

  list(path: string): Entry[] {
    return translated(() => {
      const dir = this.inode(path);
      const entries: Entry[] = [];
      for (const entry of dir.entries()) {
        if (entry.name === '.' || entry.name === '..') continue;
        entries.push({ name: entry.name, ino: entry.ino, type: entry.kind ?? dir.childOf(entry).kind });
      }
      return entries;
    });
  }

  readFile(path: string): Uint8Array {
    const file = this.open(path);
    try {
      return file.read(0, Number(file.size));
    } finally {
      file.close();
    }
  }

  writeFile(path: string, bytes: Uint8Array, mode?: number): void {
    const options = { write: true, create: true, truncate: true };
    const file = this.open(path, mode === undefined ? options : { ...options, mode });
    try {
      for (let done = 0; done < bytes.length; ) done += file.write(done, bytes.subarray(done));
    } finally {
      file.close();
    }
  }

  readlink(path: string): string {
    return translated(() => {
      const { fs } = this.session.mount();
      return resolve(fs, fs.root(), path, { follow: false }).readlink();
    });
  }

  mkdir(path: string, mode = 0o777): void {
    translated(() => this.session.changing(path, ({ parent, name }) => parent.mkdir(name, mode)));
  }

  remove(path: string): void {
    translated(() =>
      this.session.changing(path, ({ parent, name, inode }) => {
        if (inode?.kind === 'dir') parent.rmdir(name);
        else parent.unlink(name);
      }),
    );
  }

  rename(from: string, to: string): void {
    translated(() => {
      const { fs } = this.session.mount();
      const target = resolveEnd(fs, fs.root(), to, { follow: false });
      this.session.changing(from, ({ parent, name }) => parent.rename(name, target.parent, target.name));
    });
  }

  changes(): Change[] {
    return translated(() => {
      if (this.mounts.layers(this.session.mount()).length === 0)
        throw new FsError('EINVAL', { path: this.path, detail: 'neither overlay nor dryRun' });
      this.session.remount(false, () => {});
      return [...this.mounts.changes(this.session.mount())];
    });
  }

  sync(): void {
    translated(() => this.session.mount().fs.sync());
  }

  close(): void {
    const [first] = this.session.end();
    if (first !== undefined) throw failure(first.message, first.code);
  }

  /** @throws FsError */
  inode(path: string): Inode {
    const { fs } = this.session.mount();
    return resolve(fs, fs.root(), path, { follow: true });
  }
}

class OpenedFile implements ImageFile {
  private readonly image: OpenedImage;
  private readonly file: File;

  constructor(image: OpenedImage, file: File) {
    this.image = image;
    this.file = file;
  }

  get size(): Position {
    return exactPos(this.file.inode.size);
  }

  read(position: Position, length: number): Uint8Array {
    return translated(() => {
      const pos = labelAt(position);
      const into = new Uint8Array(Math.max(0, Math.min(length, this.file.inode.size - pos)));
      let done = 0;
      while (done < into.length) {
        const bytes = this.file.read(pos + done, into.subarray(done));
        if (bytes === 0) break;
        done += bytes;
      }
      return into.subarray(0, done);
    });
  }

  write(position: Position, bytes: Uint8Array): number {
    return translated(() => this.file.write(labelAt(position), bytes));
  }

  truncate(size: Position): void {
    translated(() => this.file.inode.truncate(labelAt(size)));
  }

  extents(): Extent[] {
    return translated(() => {
      const found: Extent[] = [];
      fiemap(this.file.inode, 0, MAX_POS, (logical, physical, length, bits) => {
        found.push({ logical: exactPos(logical), physical, length, flags: bits });
        return true;
      });
      return found;
    });
  }

  stat(): Stat {
    return translated(() => statOf(this.file.inode));
  }

  reflink(source: string, sourcePosition: Position = 0, position: Position = 0, length: Position = 0): void {
    translated(() => {
      const [from, to] = [labelAt(sourcePosition), labelAt(position)];
      const lengths = [from, to].map((pos) => labelLength(pos, BigInt(length)) ?? Number.POSITIVE_INFINITY);
      this.file.inode.reflink(this.image.inode(source), from, to, Math.max(...lengths));
    });
  }

  sync(): void {
    translated(() => this.file.fsync(false));
  }

  close(): void {
    translated(() => this.file.close());
  }
}

/** @throws FsError EINVAL below 0, EFBIG where no label stands for it */
function labelAt(position: Position): number {
  if (position < 0 || (typeof position === 'number' && !Number.isInteger(position))) throw new FsError('EINVAL');
  const label = labelOf(BigInt(position));
  if (label === null) throw new FsError('EFBIG');
  return label;
}

function statOf(inode: Inode): Stat {
  const { ino, mode, nlink, uid, gid, size, blocks, atime, mtime, ctime, kind } = inode.stat();
  const times = { atime: secondsOf(atime), mtime: secondsOf(mtime), ctime: secondsOf(ctime) };
  return { ino, type: kind, mode, nlink, uid, gid, size, allocated: Number(blocks) * 512, ...times };
}

function secondsOf({ seconds, nanoseconds }: Timestamp): number {
  return Number(seconds) + nanoseconds / 1e9;
}

function failure(message: string, code: string, cause?: unknown): FsioError {
  return Object.assign(new Error(message, { cause }), { name: 'FsioError', code });
}

/** What fails inside, as the error that programs see. */
function translated<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof FsError) throw failure(error.message, error.code, error);
    if (error instanceof CommandFailure) throw failure(error.message, error.code ?? 'EINVAL', error);
    throw error;
  }
}
