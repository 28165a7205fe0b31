/**
 * What the engine and the commands know of a file, whatever format it lies in. A format implements it once per
 * image; names are strings in which bytes that are not UTF-8 survive (see names.ts).
 */
import type { InodeIomapOps, Mapping } from '../iomap/iomap.ts';
import type { SwapPlace } from '../iomap/swapfile.ts';
import type { Filesystem } from './filesystem.ts';
import type { PageCache } from './page-cache.ts';

export type FileKind = 'file' | 'dir' | 'symlink' | 'fifo' | 'char' | 'block' | 'socket';

/**
 * A point in time: whole seconds since 1970 (may be negative; a bigint beyond 2^53, which btrfs can hold) and
 * 0 … 999,999,999 nanoseconds.
 */
export interface Timestamp {
  /** Since 1970. */
  readonly seconds: number | bigint;
  /** 0 … 999,999,999. */
  readonly nanoseconds: number;
}

/** What stat(2) and statx(2) say. Sizes in bytes (the file's a bigint where a number would round), blocks in 512-byte units. */
export interface Stat {
  readonly ino: number;
  /** What it is. */
  readonly kind: FileKind;
  /** Permission bits with setuid, setgid and sticky (07777); the type is `kind`. */
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes. */
  readonly size: number | bigint;
  /** 512-byte units, delayed reservations included, as Linux counts them. */
  readonly blocks: number;
  /** st_blksize, bytes. */
  readonly blockSize: number;
  readonly atime: Timestamp;
  readonly mtime: Timestamp;
  readonly ctime: Timestamp;
  /** When it was made, where the format says. */
  readonly btime: Timestamp | null;
  /** Of a device. */
  readonly rdev: { readonly major: number; readonly minor: number } | null;
  /** Tells inodes apart that had this number one after the other. */
  readonly generation: number;
  /** FS_XFLAG_* bits, as FS_IOC_FSGETXATTR gives them. */
  readonly xflags: number;
  /** FS_*_FL bits, as FS_IOC_GETFLAGS gives them, where a format has some that xflags cannot say. */
  readonly fsflags?: number;
  /** STATX_ATTR_* bits that a format with such flags tells by them; absent: whether the file is compressed. */
  readonly attributes?: number;
  /** Bytes that extents should have; 0: no hint. */
  readonly extsize: number;
  /** Bytes that copy-on-write extents should have; 0: no hint. */
  readonly cowextsize: number;
  /** Project. */
  readonly projid: number;
  /** Extents in the data and attribute forks, as FS_IOC_FSGETXATTR gives them. */
  readonly nextents: number;
  /** In the attribute fork. */
  readonly naextents: number;
  /** The smallest direct write, in bytes, as XFS_IOC_DIOINFO gives it. */
  readonly directUnit: number;
}

/** What FS_IOC_GET_ENCRYPTION_POLICY_EX says of a file or directory: which key, and what is done with it. */
export interface EncryptionPolicy {
  readonly version: 1 | 2;
  /** Numbers of FSCRYPT_MODE_*. */
  readonly contentsMode: number;
  readonly namesMode: number;
  readonly flags: number;
  /** The descriptor (version 1) or identifier of the master key. */
  readonly key: Uint8Array;
}

export interface DirEntry {
  readonly name: string;
  readonly ino: number;
  /** Null where the directory does not record it. */
  readonly kind: FileKind | null;
  /** Directory offset cookie as getdents gives it (d_off of the next entry); a bigint where a number would round. */
  readonly offset: number | bigint;
}

/** `btrfs` is the namespace of btrfs's properties. */
export type XattrNamespace = 'user' | 'trusted' | 'security' | 'system' | 'btrfs';

export interface Xattr {
  readonly namespace: XattrNamespace;
  /** Without the namespace. */
  readonly name: string;
  readonly size: number;
}

/** What setattr changes; absent fields stay. */
export interface AttrChange {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly atime?: Timestamp;
  readonly mtime?: Timestamp;
}

/** What FS_IOC_FSSETXATTR changes; absent fields stay. Sizes in bytes, `xflags` are FS_XFLAG_* bits. */
export interface FlagsChange {
  readonly xflags?: number;
  /** All FS_*_FL bits, as FS_IOC_SETFLAGS takes them; only for inodes whose stat() gives them. */
  readonly fsflags?: number;
  readonly extsize?: number;
  readonly cowextsize?: number;
  readonly projid?: number;
}

/** How rename treats an existing target: replace it, refuse (EEXIST), or swap both (RENAME_EXCHANGE). */
export type RenameMode = 'replace' | 'noreplace' | 'exchange';

/** How setXattr treats an existing attribute: either way, refuse it (EEXIST), or need it (ENODATA). */
export type XattrMode = 'any' | 'create' | 'replace';

export interface DeviceNumber {
  readonly major: number;
  readonly minor: number;
}

/** Changes of names and attributes; every one is a transaction of its own and happens wholly or not at all. */
export interface InodeNames {
  /** Creates a regular file here (this is a directory); the umask applies. @throws FsError EEXIST, ENOTDIR, ENAMETOOLONG, ENOSPC, … */
  create(name: string, mode: number): Inode;
  /** Creates a directory here. @throws FsError as create, EMLINK */
  mkdir(name: string, mode: number): Inode;
  /** Creates a symbolic link here. @throws FsError as create, ENAMETOOLONG above 1023 bytes of target, ENOENT for an empty one */
  symlink(name: string, target: string): Inode;
  /** Creates a fifo, socket or device here. @throws FsError as create */
  mknod(name: string, kind: 'fifo' | 'socket' | 'char' | 'block', mode: number, device: DeviceNumber | null): Inode;
  /** Creates a regular file without a name (O_TMPFILE); it goes away when released, unless link() gave it a name. */
  tmpfile(mode: number): Inode;
  /** Gives `inode` a (further) name here. @throws FsError EEXIST, EPERM for a directory, EMLINK, EXDEV, ENOENT if it is gone */
  link(name: string, inode: Inode): void;
  /** Removes a name that is no directory's; the last name of a file that is not open frees it. @throws FsError ENOENT, EISDIR */
  unlink(name: string): void;
  /** Removes an empty directory. @throws FsError ENOENT, ENOTDIR, ENOTEMPTY, EINVAL for `.` */
  rmdir(name: string): void;
  /** Moves a name of this directory to `newName` in `target`. @throws FsError ENOENT, EEXIST, ENOTEMPTY, EISDIR, ENOTDIR, EINVAL into itself, EXDEV */
  rename(name: string, target: Inode, newName: string, mode?: RenameMode): void;
  /** chmod, chown, utimes. @throws FsError EPERM for immutable files */
  setAttr(change: AttrChange): void;
  /** chattr, extsize, cowextsize, chproj. @throws FsError EINVAL */
  setFlags(change: FlagsChange): void;
  /** @throws FsError ENODATA, EEXIST (by mode), ERANGE for a name above 255 bytes, E2BIG for a value above 64 KiB, EOPNOTSUPP */
  setXattr(namespace: XattrNamespace, name: string, value: Uint8Array, mode?: XattrMode): void;
  /** @throws FsError ENODATA, EOPNOTSUPP */
  removeXattr(namespace: XattrNamespace, name: string): void;
}

/** What fallocate(2) does to a range. Linux keeps the size in `punch`, and sets its own in `collapse` and `insert`. */
export type FallocMode = 'allocate' | 'punch' | 'zero' | 'unshare' | 'collapse' | 'insert';

/** XFS_IOC_EXCHANGE_RANGE's flags. */
export interface ExchangeOptions {
  /** Everything from the positions to the ends of both files, sizes too (length is ignored). */
  readonly toEof: boolean;
  /** Only what is written in this file; its holes and unwritten blocks stay. */
  readonly fileOneWritten: boolean;
  /** Only check. */
  readonly dryRun: boolean;
}

/** Changes of a file's space. */
export interface InodeSpace {
  /** fallocate(2); `keepSize`: blocks beyond the end leave the size alone. @throws FsError EINVAL, EFBIG, ENOSPC, EOPNOTSUPP, … */
  fallocate(mode: FallocMode, pos: number, length: number, keepSize: boolean): void;
  /**
   * Shares as much of `source` at `sourcePos` as whole blocks allow (copy_file_range's first try). Returns the bytes;
   * 0: the caller has to copy. @throws FsError as reflink
   */
  reflinkSome(source: Inode, sourcePos: number, pos: number, length: number): number;
  /** FIDEDUPERANGE: shares the range if both hold the same bytes; null if they differ. Returns the bytes shared. */
  dedupe(source: Inode, sourcePos: number, pos: number, length: number): number | null;
  /** XFS_IOC_EXCHANGE_RANGE: this file's range at `pos` and `other`'s at `otherPos` change places. @throws FsError EOPNOTSUPP, EINVAL, EXDEV, … */
  exchangeRange(pos: number, other: Inode, otherPos: number, length: number, options: ExchangeOptions): void;
  /** XFS_IOC_SWAPEXT with this file as target: exchanges all data with `donor` of the same size. @throws FsError EINVAL, EFAULT */
  swapExtents(donor: Inode): void;
  /** Why the format would never swap to this file, whatever its extents; null if it might. Absent: it might. */
  swapfileProblem?(): string | null;
  /** Where swap space from `pos` on would lie, where mappings have other addresses than devices. @throws FsError EINVAL with the reason why Linux would refuse */
  swapPlace?(iomap: Mapping, pos: number): SwapPlace;
}

export interface Inode extends InodeNames, InodeSpace {
  readonly fs: Filesystem;
  readonly ino: number;
  /** Which of the image's inode number spaces `ino` belongs to (btrfs: the tree of the subvolume); absent: there is one. */
  readonly subvolume?: number;
  readonly kind: FileKind;
  /** True if it lies in a part of the image that is read-only by itself (btrfs: a read-only subvolume). */
  readonly readOnly?: boolean;
  /** In-memory file size as a label (core/positions.ts; what reads see; the on-disk size may lag until writeback). */
  readonly size: number;
  /** Where the positions of a directory's entries end; absent: with its size. */
  readonly lastPosition?: number;
  readonly iomap: InodeIomapOps;
  /** The cached pages of this file. */
  readonly pages: PageCache;

  /** stat().xflags. */
  readonly xflags: number;
  stat(): Stat;
  /** The target of a symbolic link. @throws FsError EINVAL on another kind */
  readlink(): string;
  /** The inode number behind `name`, or null. @throws FsError ENOTDIR, EUCLEAN, ENAMETOOLONG */
  lookup(name: string): number | null;
  /** Entries in directory order, `.` and `..` first, from an offset cookie on. @throws FsError ENOTDIR, EUCLEAN */
  entries(from?: number | bigint): IterableIterator<DirEntry>;
  /** The inode behind `name`, or null; unlike a number it may lie in another subvolume. @throws FsError as lookup() */
  child(name: string): Inode | null;
  /** The inode of an entry that entries() gave. @throws FsError EUCLEAN, ENOENT if it is gone */
  childOf(entry: DirEntry): Inode;
  listXattrs(): Xattr[];
  getXattr(namespace: XattrNamespace, name: string): Uint8Array | null;

  /** How it is encrypted, or null; absent where the format has no encryption. @throws FsError EOPNOTSUPP without the feature */
  encryptionPolicy?(): EncryptionPolicy | null;

  /**
   * Engine write path: bytes up to `size` now exist in the page cache. Grows the in-memory size only; the
   * format records it on disk when the data is there.
   */
  growSize(size: number): void;
  /** Content is about to change: mtime and ctime to now, setuid bits dropped as Linux does (file_modified). */
  touch(): void;
  /** Sets the size with everything that this means: zero edges, free blocks, drop pages. @throws FsError */
  truncate(size: number): void;
  /**
   * Shares `length` bytes of `source` at `sourcePos` to this file at `pos` (FICLONERANGE; length 0 = to its end).
   * @throws FsError EINVAL alignment, EXDEV, EOPNOTSUPP, EISDIR, ENOSPC, …
   */
  reflink(source: Inode, sourcePos: number, pos: number, length: number): void;
  /** Writes dirty pages, at least those of [start, end), and makes file and size durable. Without a range: of all the file. */
  fsync(dataOnly: boolean, start?: number, end?: number): void;
  /** Makes changes of blocks durable, without dirty pages; absent where every change waits for fsync. @throws FsError */
  forceLog?(): void;
  /** An open file uses it from now on: it outlives its last name until release() was called as often. */
  acquire(): void;
  /**
   * An open file on it closed, `writable` if it could write. Preallocation beyond EOF is given back when Linux does;
   * after the last one a file without a name is freed.
   */
  release(writable: boolean): void;
}

/** True if both are the same file: inode numbers alone repeat from subvolume to subvolume. */
export function sameInode(a: Inode, b: Inode): boolean {
  return a.ino === b.ino && a.subvolume === b.subvolume;
}
