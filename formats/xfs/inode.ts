/**
 * One inode: a window on its bytes in the cluster buffer, which may leave the cache and come back, and on the state
 * that memory keeps (inode-state.ts). It holds nothing of its own, so that any number of windows agree.
 * What a file can do lies in the files that the methods name.
 */
import type { Buf } from '../../core/buffer-cache.ts';
import { FsError } from '../../core/errors.ts';
import type { InodeIomapOps } from '../../core/iomap/iomap.ts';
import { kindOfMode } from '../../core/vfs/file-kind.ts';
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
import type { PageCache } from '../../core/vfs/page-cache.ts';
import { getXattr, listXattrs } from './attr/read.ts';
import { removeXattr, setXattr } from './attr/set.ts';
import { dirLookup } from './dir/lookup.ts';
import { dirEntries } from './dir/read.ts';
import { exchangeRange, swapExtents } from './exchange.ts';
import type { InodeState } from './inode-state.ts';
import { forceLog, fsyncInode, touchInode } from './inode-write.ts';
import { xfsIomapOps } from './iomap.ts';
import type { XfsMount } from './mount.ts';
import { createFile, linkInode, makeDirectory, makeNode, makeSymlink, makeUnnamed } from './names/create.ts';
import { freeIfOrphan } from './names/inactive.ts';
import { removeDirectory, unlinkName } from './names/remove.ts';
import { renameName } from './names/rename.ts';
import { setAttributes, setFileFlags } from './names/set-attr.ts';
import { dedupeInode, reflinkInode } from './reflink.ts';
import { releaseInode } from './release.ts';
import type { Reservations } from './reservations.ts';
import { fallocateInode } from './space.ts';
import { inodeStat, inodeXflags, linkCount } from './stat.ts';
import { DiFlag, DiFlag2, Dinode, DinodeLarge, dinodeFlags2, ForkFormat } from './structure/dinode.ts';
import { readSymlink } from './symlink.ts';
import { truncateInode } from './truncate.ts';

export type ForkKind = 'data' | 'attr';

/** One fork of an inode, read from its bytes each time. */
export class ForkWindow {
  private readonly ip: XfsInode;
  private readonly attr: boolean;

  constructor(ip: XfsInode, attr: boolean) {
    this.ip = ip;
    this.attr = attr;
  }

  get format(): 'local' | 'extents' | 'btree' | 'dev' | 'none' {
    const value = this.attr
      ? Dinode.get.aformat(this.ip.buf.view, this.ip.base)
      : Dinode.get.format(this.ip.buf.view, this.ip.base);
    if (value === ForkFormat.LOCAL) return 'local';
    if (value === ForkFormat.EXTENTS) return 'extents';
    if (value === ForkFormat.BTREE) return 'btree';
    return value === ForkFormat.DEV ? 'dev' : 'none';
  }

  /** Byte offset of the fork in the inode's buffer. */
  get start(): number {
    const literal = this.ip.base + this.ip.coreSize;
    return this.attr ? literal + this.ip.forkOffset : literal;
  }

  /** Bytes that the fork may take; 0 for an attribute fork that is not there. */
  get size(): number {
    const literal = this.ip.mp.inodeSize - this.ip.coreSize;
    const offset = this.ip.forkOffset;
    if (this.attr) return offset === 0 ? 0 : literal - offset;
    return offset === 0 ? literal : offset;
  }

  /** Extents in the fork, as the inode counts them. */
  get nextents(): number {
    const { view } = this.ip.buf;
    const { base } = this.ip;
    if ((dinodeFlags2(view, base) & DiFlag2.NREXT64) !== 0) {
      return this.attr ? DinodeLarge.get.big_anextents(view, base) : DinodeLarge.get.big_nextents(view, base);
    }
    return this.attr ? Dinode.get.anextents(view, base) : Dinode.get.nextents(view, base);
  }
}

export class XfsInode implements Inode {
  readonly mp: XfsMount;
  readonly fs: Filesystem;
  readonly ino: number;
  /** Byte offset of the inode in `buf`. */
  readonly base: number;
  readonly dataFork: ForkWindow;
  readonly attrFork: ForkWindow;
  private buffer: Buf;
  private known: InodeState | null = null;

  constructor(mp: XfsMount, fs: Filesystem, ino: number, buf: Buf, base: number) {
    this.mp = mp;
    this.fs = fs;
    this.ino = ino;
    this.buffer = buf;
    this.base = base;
    this.dataFork = new ForkWindow(this, false);
    this.attrFork = new ForkWindow(this, true);
  }

  /** The cluster buffer with the inode's bytes, read again if it left the cache. */
  get buf(): Buf {
    const { buffer } = this;
    if (buffer.cached) return buffer;
    this.buffer = this.mp.cache.get(buffer.addr, buffer.length, this.mp.ops.inode);
    return this.buffer;
  }

  /** Permission bits and type as the inode has them. */
  get mode(): number {
    return Dinode.get.mode(this.buf.view, this.base);
  }

  get kind(): FileKind {
    return kindOfMode(this.mode);
  }

  get version(): number {
    return Dinode.get.version(this.buf.view, this.base);
  }

  /** Bytes before the data fork. */
  get coreSize(): number {
    return this.version < 3 ? 100 : 176;
  }

  /** Byte offset of the attribute fork behind the core; 0 without one. */
  get forkOffset(): number {
    return Dinode.get.forkoff(this.buf.view, this.base) * 8;
  }

  get hasAttrFork(): boolean {
    return this.forkOffset !== 0;
  }

  /** The data lies on the realtime device. */
  get realtime(): boolean {
    return (Dinode.get.flags(this.buf.view, this.base) & DiFlag.REALTIME) !== 0;
  }

  private get state(): InodeState {
    const { known } = this;
    if (known !== null && !known.dead) return known;
    this.known = this.mp.inodes.state(this);
    return this.known;
  }

  get pages(): PageCache {
    return this.state.pages;
  }

  /** Blocks are promised to it that it does not have yet. */
  get reserves(): boolean {
    return this.state.reserves;
  }

  /** Delayed allocations of the data fork, in memory. */
  get delalloc(): Reservations {
    return this.state.delalloc;
  }

  /** The CoW fork, in memory. */
  get cow(): Reservations {
    return this.state.cow;
  }

  /** Changes whenever a mapping of this file changes. */
  get sequence(): number {
    return this.state.sequence;
  }

  /** Every change of a mapping says so: cached mappings are stale now. */
  mappingsChanged(): void {
    this.state.mappingsChanged();
  }

  /** What the log holds of this inode when that is times only. */
  get timesOnly(): object | null {
    return this.state.timesOnly;
  }

  set timesOnly(item: object | null) {
    this.state.timesOnly = item;
  }

  /** The file was cut, and nothing of it was written back since. */
  get truncated(): boolean {
    return this.state.truncated;
  }

  set truncated(value: boolean) {
    this.state.truncated = value;
  }

  /** Preallocation beyond EOF was given back when a writer closed the file: that is not done a second time. */
  get eofReleased(): boolean {
    return this.state.eofReleased;
  }

  set eofReleased(value: boolean) {
    this.state.eofReleased = value;
  }

  /** Preallocation beyond EOF outlived the close of the file. */
  set keepsEof(value: boolean) {
    this.state.keepsEof = value;
  }

  get size(): number {
    const state = this.known !== null && !this.known.dead ? this.known : this.mp.inodes.peekState(this.ino);
    return state !== null && state.size >= 0 ? state.size : Dinode.get.size(this.buf.view, this.base);
  }

  /** Sets the size that readers see; the same as on disk ends the difference. */
  setMemorySize(size: number): void {
    this.state.size = size === Dinode.get.size(this.buf.view, this.base) ? -1 : size;
  }

  growSize(size: number): void {
    if (size > this.size) this.setMemorySize(size);
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
    return dirLookup(this, name)?.ino ?? null;
  }

  child(name: string): Inode | null {
    const ino = this.lookup(name);
    return ino === null ? null : this.fs.iget(ino);
  }

  childOf(entry: DirEntry): Inode {
    return this.fs.iget(entry.ino);
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
    return xfsIomapOps();
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

  exchangeRange(pos: number, other: Inode, otherPos: number, length: number, options: ExchangeOptions): void {
    exchangeRange(this, pos, this.sibling(other), otherPos, length, options);
  }

  swapExtents(donor: Inode): void {
    swapExtents(this, this.sibling(donor));
  }

  /** Another inode of this image. @throws FsError EXDEV */
  private sibling(other: Inode): XfsInode {
    if (!(other instanceof XfsInode) || other.mp !== this.mp) throw new FsError('EXDEV');
    return other;
  }

  fsync(dataOnly: boolean, start?: number, end?: number): void {
    fsyncInode(this, dataOnly, start, end);
  }

  forceLog(): void {
    forceLog(this);
  }

  acquire(): void {
    this.state.users++;
  }

  release(writable: boolean): void {
    const { state } = this;
    state.users = Math.max(0, state.users - 1);
    if (this.mp.log.stopped) return;
    // Nothing was changed so far: closing a file that was only read must not be the first change.
    if (this.mp.log.active || state.reserves) releaseInode(this, writable);
    if (state.users > 0) return;
    if (linkCount(this) === 0) freeIfOrphan(this);
    else if (!state.dead && (state.pages.dirtyBlocks > 0 || state.keepsEof)) this.mp.inodes.closedDirty(state);
  }

  /** True while an open file uses it. */
  get inUse(): boolean {
    return (this.mp.inodes.peekState(this.ino)?.users ?? 0) > 0;
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
