/** What `import { openImage } from 'fsio'` gives. This file is also the package's type declaration. */

/** How an image is opened. */
export interface OpenOptions {
  /** Refuse every change. */
  readonly readOnly?: boolean;
  /** The partition of a whole disk that holds the file system. */
  readonly partition?: number;
  /** Or: the bytes of the image that do. */
  readonly offset?: number;
  readonly length?: number;
  /** Further devices of the file system. */
  readonly devices?: readonly string[];
  /** Changes go to this file, not to the image. */
  readonly overlay?: string;
  /** Changes stay in memory: see Image.changes(). */
  readonly dryRun?: boolean;
  /** Write although a device is missing, to the others only. */
  readonly degraded?: boolean;
  /** Do not replay a dirty log. */
  readonly norecovery?: boolean;
  /** The subvolume that paths start in, by path or id. */
  readonly subvolume?: string;
  /** The time that changes get, in seconds since 1970; absent: SOURCE_DATE_EPOCH of the environment, or the clock's. */
  readonly time?: number | string;
  /** What is chosen at random follows from it: with `time`, the same calls give the same bytes. */
  readonly seed?: number;
  /** Told what a person should know of the image (a log that was replayed, or not). */
  readonly notice?: (line: string) => void;
}

/** What a command answers under --json: an object for each of its results. */
export type Result = Readonly<Record<string, unknown>> & { readonly command: string };

/** A file's or directory's attributes; sizes in bytes, times in seconds with a fraction. */
export interface Stat {
  readonly ino: number;
  readonly type: 'file' | 'dir' | 'symlink' | 'fifo' | 'socket' | 'char' | 'block';
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: Position;
  /** Bytes on disk. */
  readonly allocated: number;
  readonly atime: number;
  readonly mtime: number;
  readonly ctime: number;
}

/** A position or size in a file: a bigint where a number would round. */
export type Position = number | bigint;

export interface Entry {
  readonly name: string;
  readonly ino: number;
  readonly type: Stat['type'];
}

/** An extent as fiemap tells it; bytes, FIEMAP_EXTENT_* flags. */
export interface Extent {
  readonly logical: Position;
  readonly physical: number;
  readonly length: number;
  readonly flags: number;
}

/** What differs on disk: see the command `diff`. */
export interface Change {
  readonly structure: string;
  readonly change: 'field' | 'add' | 'remove' | 'data';
  readonly addr: number | null;
  readonly field?: string;
  readonly from?: string | null;
  readonly to?: string | null;
  readonly record?: string;
  readonly start?: number;
  readonly length?: number;
}

export interface FileOptions {
  readonly write?: boolean;
  readonly create?: boolean;
  readonly truncate?: boolean;
  readonly append?: boolean;
  readonly direct?: boolean;
  /** Permissions of a created file; 0o600 if absent. */
  readonly mode?: number;
}

/** An open file. Everything is synchronous; failures are FsioError. */
export interface ImageFile {
  readonly size: Position;
  /** Up to `length` bytes from `position` on; less at the end of the file. */
  read(position: Position, length: number): Uint8Array;
  /** Returns the bytes written. */
  write(position: Position, bytes: Uint8Array): number;
  truncate(size: Position): void;
  extents(): Extent[];
  stat(): Stat;
  /** Shares blocks with a file of the same image (length 0: to its end). */
  reflink(source: string, sourcePosition?: Position, position?: Position, length?: Position): void;
  sync(): void;
  close(): void;
}

/** An image in use. Only one program at a time may use it; close() it. */
export interface Image {
  /** 'xfs', 'btrfs'. */
  readonly format: string;
  /**
   * Runs a command line, as `-c` does, and gives what `--json` prints. With `file`, the command is about this file.
   * @throws FsioError where the command fails
   */
  run(line: string, file?: string): Result[];
  open(path: string, options?: FileOptions): ImageFile;
  stat(path: string): Stat;
  list(path: string): Entry[];
  readFile(path: string): Uint8Array;
  /** Creates the file, or replaces its contents. */
  writeFile(path: string, bytes: Uint8Array, mode?: number): void;
  readlink(path: string): string;
  mkdir(path: string, mode?: number): void;
  remove(path: string): void;
  rename(from: string, to: string): void;
  /** With `overlay` or `dryRun`: what the image is spared so far. Open files must be closed. */
  changes(): Change[];
  /** All that was changed is durable. */
  sync(): void;
  /** Ends the use of the image: everything written, the log clean. @throws FsioError when that fails */
  close(): void;
}

/** What went wrong: an errno name, and one line for a person. */
export interface FsioError extends Error {
  readonly code: string;
}
