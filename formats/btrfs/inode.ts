/**
 * One inode of one subvolume. It keeps a copy of its INODE_ITEM, which edit() changes in the tree and here alike; after
 * something was undone the copy is read again. Beside it, only what memory alone knows: cached pages, a size that is
 * not on disk yet, who uses it. What a file can do lies in the files that the methods name.
 */

import type { Device } from '../../core/device/device.ts';
import { corrupt, FsError } from '../../core/errors.ts';
import type { InodeIomapOps, Mapping } from '../../core/iomap/iomap.ts';
import type { SwapPlace } from '../../core/iomap/swapfile.ts';
import { isKnownMode, kindOfMode } from '../../core/vfs/file-kind.ts';
import type { Filesystem } from '../../core/vfs/filesystem.ts';
import type {
  AttrChange,
  DeviceNumber,
  DirEntry,
  ExchangeOptions,
  FallocMode,
  FileKind,
  FlagsChange,
  Inode,
  RenameMode,
  Stat,
  Xattr,
  XattrMode,
  XattrNamespace,
} from '../../core/vfs/inode.ts';
import { PageCache } from '../../core/vfs/page-cache.ts';
import { dirChild, dirChildOf, dirEntries, dirLookup } from './dir.ts';
import { FileData } from './file-data.ts';
import { fsyncInode, touchInode } from './inode-write.ts';
import { btrfsIomapOps } from './iomap.ts';
import type { BtrfsMount } from './mount.ts';
import { createFile, makeDirectory, makeNode, makeSymlink, makeUnnamed } from './names/create.ts';
import { evictIfUnused } from './names/evict.ts';
import { linkInode, removeDirectory, unlinkName } from './names/link.ts';
import { renameName } from './names/rename.ts';
import { setAttributes, setFileFlags } from './names/set-attr.ts';
import { removeXattr, setXattr } from './names/set-xattr.ts';
import { dedupeInode, reflinkInode } from './reflink.ts';
import { fallocateInode } from './space.ts';
import { inodeStat, inodeXflags } from './stat.ts';
import { INODE_FLAG_MASK, InodeFlag, InodeItem } from './structure/inode.ts';
import { ItemType, Key } from './structure/key.ts';
import { swapfileProblem, swapPlace } from './swap-place.ts';
import { readSymlink } from './symlink.ts';
import { TreeCursor } from './tree/cursor.ts';
import type { TreeRoot } from './tree/root.ts';
import { truncateInode } from './truncate.ts';
import { flushTruncated, WriteState } from './write-state.ts';
import { getXattr, listXattrs } from './xattr.ts';

export class BtrfsInode implements Inode {
  readonly mp: BtrfsMount;
  readonly fs: Filesystem;
  readonly root: TreeRoot;
  readonly ino: number;
  private readonly view = new DataView(new ArrayBuffer(InodeItem.size));
  /** The table's epoch when the copy was read; -1: not yet. */
  private epoch = -1;
  private found = false;
  private cache: PageCache | null = null;
  /** The size that readers see while it differs from the item's; -1: it does not. */
  private memorySize = -1;
  private users = 0;
  private device: FileData | null = null;
  private writeState: WriteState | null = null;
  /** Changes whenever a mapping of this file changes. */
  sequence = 0;

  constructor(mp: BtrfsMount, fs: Filesystem, root: TreeRoot, ino: number) {
    this.mp = mp;
    this.fs = fs;
    this.root = root;
    this.ino = ino;
  }

  get subvolume(): number {
    return this.root.id;
  }

  get readOnly(): boolean {
    return this.root.readOnly;
  }

  /** True if the tree has this inode. @throws FsError EUCLEAN */
  exists(): boolean {
    if (this.epoch !== this.mp.inodes.epoch) this.load();
    return this.found;
  }

  /** The copy of the INODE_ITEM, at offset 0; changed by edit() only. @throws FsError ENOENT if the inode is gone */
  get item(): DataView {
    if (!this.exists()) throw new FsError('ENOENT', { detail: `inode ${this.ino} of tree ${this.root.id} is gone` });
    return this.view;
  }

  /** Reads the copy. Placeholders, which have no item, bring their own. */
  protected load(): void {
    this.found = this.read(this.view);
    this.remember();
  }

  /** The copy is what the tree has; if the running operation fails, the tree may have something else again. */
  private remember(): void {
    const { inodes, trans } = this.mp;
    this.epoch = inodes.epoch;
    trans.onUndo(inodes.undone);
  }

  protected read(into: DataView): boolean {
    const cursor = new TreeCursor(this.root);
    try {
      if (!cursor.search(new Key(this.ino, ItemType.INODE_ITEM, 0))) return false;
      copyItem(cursor, into);
      return true;
    } finally {
      cursor.close();
    }
  }

  /** Changes the INODE_ITEM, in the tree and here. Inside mp.change() only. */
  edit(change: (view: DataView) => void): void {
    const cursor = new TreeCursor(this.root);
    try {
      if (!cursor.search(new Key(this.ino, ItemType.INODE_ITEM, 0))) throw new FsError('ENOENT');
      cursor.edit();
      // What is in the tree counts, not the copy.
      copyItem(cursor, this.view);
      change(this.view);
      const { view, at, size } = cursor;
      bytesOf(view, at, size).set(bytesOf(this.view, 0, size));
      this.found = true;
      this.remember();
    } finally {
      cursor.close();
    }
  }

  /** The item was deleted. */
  markGone(): void {
    this.found = false;
    this.memorySize = -1;
  }

  /** @throws FsError EUCLEAN for an item that no inode can have */
  check(): void {
    const { mode } = this;
    if (!isKnownMode(mode)) throw this.bad('mode', `0${mode.toString(8)}`, 'no kind of file');
    const unknown = this.flags & ~INODE_FLAG_MASK;
    if (unknown !== 0) throw this.bad('flags', `0x${(this.flags >>> 0).toString(16)}`, 'unknown flags');
    if (this.kind === 'dir' && this.nlink > 1) throw this.bad('nlink', String(this.nlink), 'a directory has one');
    const raw = this.item.getBigInt64(InodeItem.at.size, true);
    if (raw < 0n) throw this.bad('size', String(raw), 'beyond the largest file');
    if (this.nbytes < 0) throw this.bad('nbytes', String(this.nbytes), 'beyond the largest file');
  }

  private bad(field: keyof typeof InodeItem.at, value: string, rule: string): FsError {
    return corrupt({ structure: `inode ${this.ino} of tree ${this.root.id}`, field, value, rule });
  }

  /** Permission bits and type. */
  get mode(): number {
    return InodeItem.get.mode(this.item, 0);
  }

  get kind(): FileKind {
    return kindOfMode(this.mode);
  }

  get nlink(): number {
    return InodeItem.get.nlink(this.item, 0);
  }

  /** InodeFlag bits. */
  get flags(): number {
    return InodeItem.get.flags(this.item, 0);
  }

  /** Bytes on disk, without holes. */
  get nbytes(): number {
    return InodeItem.get.nbytes(this.item, 0);
  }

  /** The size in the tree. */
  get diskSize(): number {
    return InodeItem.get.size(this.item, 0);
  }

  /** Transaction that made the inode. */
  get generation(): number {
    return InodeItem.get.generation(this.item, 0);
  }

  /** The data have no checksums. */
  get noDataSum(): boolean {
    return (this.flags & InodeFlag.NODATASUM) !== 0;
  }

  get pages(): PageCache {
    this.cache ??= new PageCache(this, this.mp.sectorSize);
    return this.cache;
  }

  /** The device that this file's mappings lie on. */
  get data(): Device {
    this.device ??= new FileData(this);
    return this.device;
  }

  /** What memory alone knows of data on their way to the disk. */
  get writing(): WriteState {
    this.writeState ??= new WriteState();
    return this.writeState;
  }

  get size(): number {
    return this.memorySize >= 0 ? this.memorySize : this.diskSize;
  }

  /** Sets the size that readers see; the same as on disk ends the difference. */
  setMemorySize(size: number): void {
    this.memorySize = size === this.diskSize ? -1 : size;
  }

  growSize(size: number): void {
    if (size > this.size) this.setMemorySize(size);
  }

  /** True while an open file uses it. */
  get inUse(): boolean {
    return this.users > 0;
  }

  /** True if memory knows something that the tree does not. */
  get changed(): boolean {
    if (this.memorySize >= 0 || (this.cache?.dirtyBlocks ?? 0) > 0) return true;
    return this.writeState?.ordered.empty === false;
  }

  /** True if the object must stay. */
  get needed(): boolean {
    return this.users > 0 || this.changed || this.cache?.writeError != null;
  }

  /** Every change of a mapping says so: cached mappings are stale now. */
  mappingsChanged(): void {
    this.sequence++;
  }

  get xflags(): number {
    return inodeXflags(this);
  }

  stat(): Stat {
    return inodeStat(this);
  }

  readlink(): string {
    return readSymlink(this);
  }

  lookup(name: string): number | null {
    return dirLookup(this, name)?.objectid ?? null;
  }

  child(name: string): Inode | null {
    return dirChild(this, name);
  }

  childOf(entry: DirEntry): Inode {
    return dirChildOf(this, entry);
  }

  entries(from = 0): IterableIterator<DirEntry> {
    return dirEntries(this, from);
  }

  listXattrs(): Xattr[] {
    return listXattrs(this);
  }

  getXattr(namespace: XattrNamespace, name: string): Uint8Array | null {
    return getXattr(this, namespace, name);
  }

  get iomap(): InodeIomapOps {
    return btrfsIomapOps;
  }

  acquire(): void {
    this.users++;
  }

  release(_writable: boolean): void {
    this.users = Math.max(0, this.users - 1);
    if (this.users === 0 && this.writeState !== null) flushTruncated(this);
    evictIfUnused(this);
  }

  touch(): void {
    touchInode(this);
  }

  truncate(size: number): void {
    truncateInode(this, size);
  }

  reflink(source: Inode, sourcePos: number, pos: number, length: number): void {
    reflinkInode(this, this.sibling(source), sourcePos, pos, length);
  }

  reflinkSome(source: Inode, sourcePos: number, pos: number, length: number): number {
    return reflinkInode(this, this.sibling(source), sourcePos, pos, length, 'shorten');
  }

  dedupe(source: Inode, sourcePos: number, pos: number, length: number): number | null {
    return dedupeInode(this, this.sibling(source), sourcePos, pos, length);
  }

  fallocate(mode: FallocMode, pos: number, length: number, keepSize: boolean): void {
    fallocateInode(this, mode, pos, length, keepSize);
  }

  /** btrfs does not exchange ranges. */
  exchangeRange(_pos: number, _other: Inode, _otherPos: number, _length: number, _options: ExchangeOptions): void {
    throw new FsError('EOPNOTSUPP');
  }

  /** XFS's alone. */
  swapExtents(_donor: Inode): void {
    throw new FsError('ENOTTY');
  }

  swapfileProblem(): string | null {
    return swapfileProblem(this);
  }

  swapPlace(iomap: Mapping, pos: number): SwapPlace {
    return swapPlace(this, iomap, pos);
  }

  /** Another inode of this image. @throws FsError EXDEV */
  private sibling(other: Inode): BtrfsInode {
    if (!(other instanceof BtrfsInode) || other.mp !== this.mp) throw new FsError('EXDEV');
    return other;
  }

  fsync(_dataOnly: boolean): void {
    fsyncInode(this);
  }

  create(name: string, mode: number): Inode {
    return createFile(this, name, mode);
  }

  mkdir(name: string, mode: number): Inode {
    return makeDirectory(this, name, mode);
  }

  symlink(name: string, target: string): Inode {
    return makeSymlink(this, name, target);
  }

  mknod(name: string, kind: 'fifo' | 'socket' | 'char' | 'block', mode: number, device: DeviceNumber | null): Inode {
    return makeNode(this, name, kind, mode, device);
  }

  tmpfile(mode: number): Inode {
    return makeUnnamed(this, mode);
  }

  link(name: string, inode: Inode): void {
    linkInode(this, name, this.sibling(inode));
  }

  unlink(name: string): void {
    unlinkName(this, name);
  }

  rmdir(name: string): void {
    removeDirectory(this, name);
  }

  rename(name: string, target: Inode, newName: string, mode: RenameMode = 'replace'): void {
    renameName(this, name, this.sibling(target), newName, mode);
  }

  setAttr(change: AttrChange): void {
    setAttributes(this, change);
  }

  setFlags(change: FlagsChange): void {
    setFileFlags(this, change);
  }

  setXattr(namespace: XattrNamespace, name: string, value: Uint8Array, mode: XattrMode = 'any'): void {
    setXattr(this, namespace, name, value, mode);
  }

  removeXattr(namespace: XattrNamespace, name: string): void {
    removeXattr(this, namespace, name);
  }
}

function bytesOf(view: DataView, at: number, size: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + at, size);
}

function copyItem(cursor: TreeCursor, into: DataView): void {
  const { view, at, size } = cursor;
  if (size < InodeItem.size)
    throw corrupt({ structure: `item ${cursor.key}`, field: 'size', value: String(size), rule: `< ${InodeItem.size}` });
  bytesOf(into, 0, InodeItem.size).set(bytesOf(view, at, InodeItem.size));
}
