/**
 * What one user has open: images, files, the current file, the current directory, and the run's exit status.
 * Commands see files through it; it knows paths and open flags, not formats.
 */
import { FsError } from '../core/errors.ts';
import { exactPos, FAR, labelFrom, labelLength, labelOf, slim } from '../core/positions.ts';
import type { Inode } from '../core/vfs/inode.ts';
import { type PathEnd, resolve, resolveEnd } from '../core/vfs/path.ts';
import { CommandFailure, perror } from './failure.ts';
import type { Mount, Mounts } from './mounts.ts';
import { OpenFile, type OpenFlags, PLAIN } from './open-file.ts';
import type { Region } from './regions.ts';
import type { View } from './view.ts';
import { parseSize, plainNumber } from './words.ts';

/** Bytes of a buffer that a command may ask for. */
const BUFFER_LIMIT = 2 ** 31;

/** A path from the root of an image. */
export interface Place {
  readonly mount: Mount;
  readonly path: string;
}

/** A range of a file, by labels (core/positions.ts). */
export interface Range {
  readonly pos: number;
  /** Infinity where it ends behind every file. */
  readonly length: number;
  /** The length as it was given. */
  readonly asked: number | bigint;
}

export interface SessionSettings {
  /** Directory names that stand for images (--at). */
  readonly places: readonly { readonly dir: string; readonly image: string }[];
  /** The host's directory from which a script's relative paths start. */
  readonly hostCwd?: string;
  /** The name under which xfs_io's own complaints appear (-p). */
  readonly program: string;
  /** Permission bits that created files do not get. */
  readonly umask: number;
  /** Every failed command makes the exit status 1, also where xfs_io's stays 0. */
  strict: boolean;
  readonly expert: boolean;
  /** -r: files are opened for reading, and names and attributes by path are not changed. */
  readonly readOnly: boolean;
  /** May this user make files immutable or append-only? */
  mayGuard(): boolean;
}

export class Session {
  readonly mounts: Mounts;
  private readonly places: SessionSettings['places'];
  private readonly hostCwd: string | undefined;
  readonly files: OpenFile[] = [];
  current: OpenFile | null = null;
  readonly regions: Region[] = [];
  /** There were open files, and all are closed. */
  closedAll = false;
  /** The current mapped region. */
  region: Region | null = null;
  exitCode = 0;
  /** Shows a view that is moved through with keys; null where nobody sits. */
  present: ((view: View) => void) | null = null;
  /** Characters in a line of output, for pictures. */
  columns = Number(process.env.COLUMNS) || 80;
  /** Blocks that one pread or pwrite takes (-V), which holds until said otherwise; 0 for plain reads and writes. */
  vectors = 0;
  /** Lines that fiemap prints (-n), which holds likewise; -1 for all. */
  mapLines = -1;
  /** Set by quit. */
  ended = false;
  readonly program: string;
  readonly umask: number;
  strict: boolean;
  readonly expert: boolean;
  readonly readOnly: boolean;
  readonly mayGuard: () => boolean;
  /** The image that paths mean while no file is open. */
  private image: Mount | null = null;
  private shared = new Uint8Array(0);
  private aside = new Uint8Array(0);

  constructor(mounts: Mounts, settings: SessionSettings) {
    this.mounts = mounts;
    this.places = settings.places;
    this.hostCwd = settings.hostCwd;
    this.program = settings.program;
    this.umask = settings.umask;
    this.strict = settings.strict;
    this.expert = settings.expert;
    this.readOnly = settings.readOnly;
    this.mayGuard = settings.mayGuard;
  }

  /** Opens an image without a file. @throws FsError */
  openImage(image: string): void {
    this.image = this.mounts.get(image);
  }

  /** Paths mean this image while no file is open. */
  use(mount: Mount): void {
    this.image = mount;
  }

  /** The image that paths are in: the current file's, else the one named; null without any. */
  openedMount(): Mount | null {
    return this.current?.mount ?? this.image;
  }

  /** The image that paths are in. @throws CommandFailure without any */
  mount(): Mount {
    const mount = this.openedMount();
    if (mount === null) throw new CommandFailure('no image is open');
    return mount;
  }

  /** The current file. @throws CommandFailure without one */
  file(): OpenFile {
    if (this.current === null) throw new CommandFailure("no files are open, try 'help open'");
    return this.current;
  }

  /** Opens a path of an image under the name that the user gave, and makes it the current file. @throws FsError */
  open({ mount, path }: Place, name: string, flags: OpenFlags, mode: number): OpenFile {
    this.image = mount;
    // On an image that was opened read-only, what can be opened at all is opened for reading.
    const reading = mount.fs.readOnly && !flags.create && !flags.truncate;
    const allowed = reading ? { ...flags, readOnly: true } : flags;
    const file = OpenFile.open(mount, path, name, allowed, mode, this.readOnly || mount.fs.readOnly);
    file.path = path;
    this.files.push(file);
    this.current = file;
    return file;
  }

  /** Closes the current file; the one after it becomes current. */
  close(): void {
    const file = this.file();
    const index = this.files.indexOf(file);
    this.files.splice(index, 1);
    this.current = this.files[Math.min(index, this.files.length - 1)] ?? null;
    this.image = file.mount;
    this.closedAll = this.files.length === 0;
    file.close();
  }

  /**
   * Ends the use of the current image and begins it anew after `between` changed what lies under it; with `abandon`,
   * what is only in memory is forgotten. Open files are opened again. Returns the names of those that are gone.
   * @throws CommandFailure while regions or files without a name are in use
   */
  remount(abandon: boolean, between: () => void, mount = this.mount()): string[] {
    const files = this.files.filter((file) => file.mount === mount);
    if (this.regions.some(({ file }) => file.mount === mount))
      throw new CommandFailure('unmap the mapped regions first');
    const unnamed = files.find(({ flags }) => flags.tmpfile);
    if (unnamed !== undefined) throw new CommandFailure(`close ${unnamed.name} first: it has no name to open it again`);
    if (!abandon) for (const file of files) file.close();
    const fresh = this.mounts.remount(mount, abandon, between);
    if (this.image === mount) this.image = fresh;
    const gone: string[] = [];
    for (const old of files) {
      const again = this.reopened(old, fresh);
      const index = this.files.indexOf(old);
      if (again === null) gone.push(old.name);
      if (again === null) this.files.splice(index, 1);
      else this.files[index] = again;
      if (this.current === old) this.current = again;
    }
    this.current ??= this.files[0] ?? null;
    return gone;
  }

  private reopened(old: OpenFile, mount: Mount): OpenFile | null {
    try {
      const file = OpenFile.open(mount, old.path, old.name, { ...old.flags, create: false, truncate: false }, 0);
      file.path = old.path;
      file.position = old.position;
      return file;
    } catch (error) {
      if (error instanceof FsError) return null;
      throw error;
    }
  }

  /** Adds a mapped region and makes it current; it keeps its file in use. */
  map(region: Region): void {
    region.file.hold();
    this.regions.push(region);
    this.region = region;
  }

  /** The current mapped region. @throws CommandFailure without one */
  mapped(): Region {
    if (this.region === null) throw new CommandFailure("no mapped regions, try 'help mmap'", { silent: true });
    return this.region;
  }

  /** Ends the current region; the one after it becomes current. */
  unmap(): void {
    const region = this.mapped();
    const index = this.regions.indexOf(region);
    this.regions.splice(index, 1);
    this.region = this.regions[Math.min(index, this.regions.length - 1)] ?? null;
    region.file.letGo();
  }

  /** Closes what is open and gives back the images. Returns what went wrong. */
  end(): FsError[] {
    const failures: FsError[] = [];
    const attempt = (name: string, call: () => void) => {
      try {
        call();
      } catch (error) {
        if (!(error instanceof FsError)) throw error;
        failures.push(error.withPath(name));
      }
    };
    for (const { file } of this.regions) attempt(file.name, () => file.letGo());
    for (const file of this.files) attempt(file.name, () => file.close());
    this.regions.length = 0;
    this.files.length = 0;
    this.current = null;
    return [...failures, ...this.mounts.close()];
  }

  /** The directory from which relative paths start. */
  get cwd(): string {
    return this.mount().cwd;
  }

  /**
   * The image that a path is in (the one that a directory stands for, or the current one) and the path from its root,
   * parts unresolved: what `..` means after a symbolic link, the walk knows. @throws FsError for an image that cannot be opened
   */
  where(path: string): Place {
    const placed = this.placed(path);
    if (placed !== null) return placed;
    const mount = this.mount();
    return { mount, path: path.startsWith('/') ? path : `${mount.cwd === '/' ? '' : mount.cwd}/${path}` };
  }

  /** Where a path leads that is below a directory which stands for an image (--at), seen from the host; or null. */
  placed(path: string): Place | null {
    if (this.places.length === 0) return null;
    // A script names files from where it stands, until it went elsewhere in the image.
    const relative = !path.startsWith('/');
    if (relative && (this.openedMount()?.cwd ?? '/') !== '/') return null;
    const full = relative ? `${this.hostCwd}/${path}` : path;
    for (const { dir, image } of this.places) {
      if (full === dir) return { mount: this.mounts.get(image), path: '/' };
      if (full.startsWith(`${dir}/`)) return { mount: this.mounts.get(image), path: full.slice(dir.length) };
    }
    return null;
  }

  /** Seconds since 1970, as changes get them. */
  get seconds(): number {
    return Number(this.mounts.now().seconds);
  }

  /** The inode behind a path. @throws FsError naming the path as given */
  lookup(path: string, options: { readonly follow: boolean }): Inode {
    return this.naming(path, () => {
      const { mount, path: inside } = this.where(path);
      return resolve(mount.fs, mount.fs.root(), inside, options);
    });
  }

  /** A further file of the image, opened for reading unless said otherwise. @throws FsError naming the path as given */
  openSource(path: string, options: { readonly write?: boolean } = {}): OpenFile {
    const flags = { ...PLAIN, readOnly: options.write !== true };
    return this.naming(path, () => this.openAt(path, flags, 0));
  }

  /** A file of the image to be written from its start: created, or emptied. @throws FsError naming the path as given */
  openTarget(path: string, mode: number): OpenFile {
    const flags = { ...PLAIN, create: true, truncate: true };
    if (this.readOnly) throw new FsError('EROFS', { path });
    return this.naming(path, () => this.openAt(path, flags, mode));
  }

  private openAt(path: string, flags: OpenFlags, mode: number): OpenFile {
    const { mount, path: inside } = this.where(path);
    return OpenFile.open(mount, inside, path, flags, mode);
  }

  /** Where a path leads, for making, renaming or removing its last name. @throws FsError */
  pathEnd(path: string, options: { readonly follow?: boolean } = {}): PathEnd {
    const { mount, path: inside } = this.where(path);
    return resolveEnd(mount.fs, mount.fs.root(), inside, { follow: options.follow ?? false });
  }

  isDirectory(path: string): boolean {
    const end = this.pathEnd(path, { follow: true });
    return end.inode?.kind === 'dir';
  }

  /** Changes something at the end of `path`. @throws FsError naming the path as given; EROFS under -r */
  changing(path: string, change: (end: PathEnd) => void, options: { readonly follow?: boolean } = {}): void {
    this.naming(path, () => {
      if (this.readOnly || this.where(path).mount.fs.readOnly) throw new FsError('EROFS');
      change(this.pathEnd(path, options));
    });
  }

  /** Changes the inode behind `path`. @throws FsError naming the path as given; EROFS under -r */
  changingInode(path: string, change: (inode: Inode) => void, options: { readonly follow?: boolean } = {}): void {
    const inner = (end: PathEnd) => {
      if (end.inode === null) throw new FsError('ENOENT');
      change(end.inode);
    };
    this.changing(path, inner, { follow: options.follow ?? true });
  }

  private naming<T>(path: string, call: () => T): T {
    try {
      return call();
    } catch (error) {
      throw error instanceof FsError ? named(error, path) : error;
    }
  }

  /** Bytes per block of the current image; 4096 without one. */
  get blockSize(): number {
    return this.openedMount()?.fs.blockSize ?? 4096;
  }

  get sectorSize(): number {
    return this.openedMount()?.fs.sectorSize ?? 512;
  }

  /** A number with an optional suffix, or null when the word is no number or below zero. @throws FsError EFBIG */
  sizeOrNull(word: string): number | null {
    const plain = plainNumber(word);
    if (plain >= 0) return plain;
    const value = parseSize(word, this.blockSize, this.sectorSize);
    if (value === null || value < 0n) return null;
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new FsError('EFBIG');
    return Number(value);
  }

  /**
   * A position in a file, as a label (core/positions.ts); null when the word is no number or below zero.
   * @throws FsError EFBIG where no label stands for it
   */
  positionOrNull(word: string): number | null {
    const plain = plainNumber(word);
    if (plain >= 0) return plain;
    const value = parseSize(word, this.blockSize, this.sectorSize);
    if (value === null || value < 0n) return null;
    const label = labelOf(value);
    if (label === null) throw new FsError('EFBIG', { detail: `position ${value} has no name here` });
    return label;
  }

  /** As positionOrNull(); where nothing of a file of `size` bytes lies, the label behind the gap will do. */
  lookupOrNull(word: string, size: number): number | null {
    const value = parseSize(word, this.blockSize, this.sectorSize);
    if (value !== null && value >= 0n && labelFrom(value) >= size) return labelFrom(value);
    return this.positionOrNull(word);
  }

  /** A position in a file. @throws CommandFailure `non-numeric NOUN -- WORD`, FsError EFBIG */
  position(word: string, noun: string, kind = 'non-numeric'): number {
    const label = this.positionOrNull(word);
    if (label === null) throw this.notNumber(noun, word, kind);
    return label;
  }

  /**
   * A range of a file from two words, `pos` and its end as labels. `ends` exact: the end is a position too, as that of
   * a file is; loose: all that follows is meant when it is none. @throws as position()
   */
  range(off: string, len: string, ends: 'exact' | 'loose'): Range {
    const pos = this.position(off, 'offset argument');
    return this.rangeAt(pos, len, ends);
  }

  /** As range(), from a position on; `noun` of the length. */
  rangeAt(pos: number, len: string, ends: 'exact' | 'loose', noun = 'length argument', kind = 'non-numeric'): Range {
    const plain = plainNumber(len);
    // So few digits that no end of theirs is far.
    if (plain >= 0 && pos < FAR / 2) return { pos, length: plain, asked: plain };
    const asked = parseSize(len, this.blockSize, this.sectorSize);
    if (asked === null || asked < 0n) throw this.notNumber(noun, len, kind);
    const length = labelLength(pos, asked);
    if (length === null && ends === 'exact')
      throw new FsError('EFBIG', { detail: `position ${BigInt(exactPos(pos)) + asked} has no name here` });
    return { pos, length: length ?? labelFrom(BigInt(exactPos(pos)) + asked) - pos, asked: slim(asked) };
  }

  /** A number with an optional suffix. @throws CommandFailure `non-numeric NOUN -- WORD` */
  size(word: string, noun: string, kind = 'non-numeric'): number {
    const value = this.sizeOrNull(word);
    if (value === null) throw this.notNumber(noun, word, kind);
    return value;
  }

  /** As size(); what is larger than any size here is the largest. @throws CommandFailure */
  mostSize(word: string, noun: string): number {
    const value = parseSize(word, this.blockSize, this.sectorSize);
    if (value === null || value < 0n) throw this.notNumber(noun, word);
    return Number(value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : value);
  }

  notNumber(noun: string, word: string, kind = 'non-numeric'): CommandFailure {
    return new CommandFailure(`${kind} ${noun} -- ${word}`, { stream: 'stdout', code: 'EINVAL' });
  }

  /** Room for `length` bytes, for as long as a command runs: xfs_io's own buffer does not see them. */
  scratch(length: number): Uint8Array {
    if (length > this.aside.length) this.aside = new Uint8Array(length);
    return this.aside.subarray(0, length);
  }

  /** A buffer of `length` bytes, shared by all commands; keeps its bytes. @throws CommandFailure when it is too large */
  buffer(length: number): Uint8Array {
    if (length > BUFFER_LIMIT) throw perror('memalign', new FsError('ENOMEM'));
    if (length > this.shared.length) this.shared = new Uint8Array(length);
    return this.shared.subarray(0, length);
  }
}

/** The error, about the path as the user gave it rather than as it was walked. */
function named(error: FsError, path: string): FsError {
  if (error.path === path) return error;
  return new FsError(error.code, {
    path,
    cause: error,
    ...(error.detail === undefined ? {} : { detail: error.detail }),
    ...(error.damage === undefined ? {} : { damage: error.damage }),
  });
}
