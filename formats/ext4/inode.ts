/**
 * One inode: a window on its bytes in the inode table's block, which may leave the cache and come back, and beside it
 * what memory alone knows. What a file can do lies in the files that the methods name.
 */
import type { Buf, BufOps } from '../../core/buffer-cache.ts';
import { corrupt, FsError } from '../../core/errors.ts';
import type { InodeIomapOps } from '../../core/iomap/iomap.ts';
import { labelHigh } from '../../core/positions.ts';
import { MAX_POS } from '../../core/units.ts';
import { kindOfMode } from '../../core/vfs/file-kind.ts';
import type { Filesystem } from '../../core/vfs/filesystem.ts';
import type { DirEntry, EncryptionPolicy, FileKind, Inode, Stat, Xattr, XattrNamespace } from '../../core/vfs/inode.ts';
import { PageCache } from '../../core/vfs/page-cache.ts';
import { Unwritable } from '../../core/vfs/unwritable.ts';
import { inodeSeed } from './checksum.ts';
import { listsByHash } from './dir/form.ts';
import { dirLookup } from './dir/lookup.ts';
import { dirEntries } from './dir/read.ts';
import { readEncryptionPolicy } from './encryption.ts';
import { inodeDamage, tableBlockOps } from './inode-check.ts';
import { ext4IomapOps } from './iomap.ts';
import { makeExtentOps, mapExtents } from './map/extents.ts';
import { makeIndirectOps, mapIndirect } from './map/indirect.ts';
import { BlockRun, MAX_FILE_BLOCKS } from './map/run.ts';
import { SeenRanges } from './map/seen-ranges.ts';
import type { Ext4Mount } from './mount.ts';
import { inodeStat, inodeXflags } from './stat.ts';
import { DiskInode, GOOD_OLD_INODE_SIZE, InodeExtra, InodeFlag } from './structure/inode.ts';
import { readSymlink } from './symlink.ts';
import { getXattr, listXattrs } from './xattr/read.ts';

const blockRun = new BlockRun();

export class Ext4Inode extends Unwritable implements Inode {
  readonly mp: Ext4Mount;
  readonly fs: Filesystem;
  readonly ino: number;
  /** Byte offset of the inode in its buffer. */
  readonly base: number;
  /** The extent tree's root was found good. */
  rootChecked = false;
  private buffer: Buf;
  private seed = -1;
  private judge: BufOps | null = null;
  /** Addresses of the leaves of the extent tree that were looked at so far. */
  private readonly leaves = new Set<number>();
  /** File blocks that were looked at so far, where there is no extent tree. */
  readonly seen = new SeenRanges();
  private cache: PageCache | null = null;
  private users = 0;

  constructor(mp: Ext4Mount, fs: Filesystem, ino: number, buf: Buf, base: number) {
    super();
    this.mp = mp;
    this.fs = fs;
    this.ino = ino;
    this.buffer = buf;
    this.base = base;
  }

  /** The block with the inode's bytes, read again if it left the cache. @throws FsError EUCLEAN, EIO */
  get buf(): Buf {
    const { buffer } = this;
    if (buffer.cached) return buffer;
    this.buffer = this.mp.cache.get(buffer.addr, buffer.length, tableBlockOps);
    const fault = inodeDamage(this);
    if (fault !== null) throw corrupt(fault);
    this.rootChecked = false;
    return this.buffer;
  }

  get view(): DataView {
    return this.buf.view;
  }

  /** Byte offset in the buffer of the 60 bytes that lead to the data, or are them. */
  get blockAt(): number {
    return this.base + DiskInode.at.block;
  }

  /** Permission bits and type. */
  get mode(): number {
    return DiskInode.get.mode(this.view, this.base);
  }

  get kind(): FileKind {
    return kindOfMode(this.mode);
  }

  /** InodeFlag bits. */
  get flags(): number {
    return DiskInode.get.flags(this.view, this.base);
  }

  has(flag: keyof typeof InodeFlag): boolean {
    return (this.flags & InodeFlag[flag]) !== 0;
  }

  get nlink(): number {
    return DiskInode.get.links_count(this.view, this.base);
  }

  get generation(): number {
    return DiskInode.get.generation(this.view, this.base);
  }

  /** Bytes of fields behind the first 128. */
  get extraSize(): number {
    if (this.mp.inodeSize <= GOOD_OLD_INODE_SIZE) return 0;
    return InodeExtra.get.extra_isize(this.view, this.base + GOOD_OLD_INODE_SIZE);
  }

  /** True if the inode has this one of the fields behind the first 128 bytes. */
  hasExtra(field: keyof typeof InodeExtra.at): boolean {
    const end = InodeExtra.at[field] + (field === 'extra_isize' || field === 'checksum_hi' ? 2 : 4);
    return this.extraSize >= end;
  }

  /** A field behind the first 128 bytes, 0 where the inode has none. */
  extra(field: keyof typeof InodeExtra.at): number {
    if (!this.hasExtra(field)) return 0;
    return InodeExtra.get[field](this.view, this.base + GOOD_OLD_INODE_SIZE);
  }

  /** The block of extended attributes, 0 without one. */
  get fileAcl(): number {
    const low = DiskInode.get.file_acl_lo(this.view, this.base);
    return this.mp.incompat('64bit') ? DiskInode.get.file_acl_high(this.view, this.base) * 2 ** 32 + low : low;
  }

  /** What the checksums of everything that belongs to the inode start from. */
  get csumSeed(): number {
    if (this.seed < 0) this.seed = inodeSeed(this.mp.csumSeed, this.ino, this.generation);
    return this.seed;
  }

  /** How the blocks that lead to its data are judged. */
  get mapOps(): BufOps {
    this.judge ??= this.has('EXTENTS') ? makeExtentOps(this) : makeIndirectOps(this);
    return this.judge;
  }

  /**
   * Fills `run` with the blocks, or the hole, at file block `block` and from there on; of a file without extents no more
   * than `count`. @throws FsError EUCLEAN, EIO
   */
  map(block: number, run: BlockRun, count: number = MAX_FILE_BLOCKS): void {
    if (this.has('EXTENTS')) mapExtents(this, block, run);
    else mapIndirect(this, block, count, run);
  }

  /** A leaf of the extent tree is being looked at; true if it was before. */
  look(addr: number): boolean {
    if (this.leaves.has(addr)) return true;
    this.leaves.add(addr);
    return false;
  }

  /** True if the leaf was looked at before. */
  lookedAt(addr: number): boolean {
    return this.leaves.has(addr);
  }

  /** The verified block that a file block lies in, or null for a hole. @throws FsError EUCLEAN, EIO */
  block(block: number, ops: BufOps): Buf | null {
    this.map(block, blockRun);
    return blockRun.physical === 0 || blockRun.unwritten ? null : this.mp.block(blockRun.physical, ops);
  }

  get pages(): PageCache {
    this.cache ??= new PageCache(this, this.mp.blockSize);
    return this.cache;
  }

  /** The size has an upper half: only of files, unless directories may be large. */
  get longSize(): boolean {
    return this.kind === 'file' || this.mp.incompat('large_dir');
  }

  get size(): number {
    const low = DiskInode.get.size_lo(this.view, this.base);
    return this.longSize ? labelHigh(DiskInode.get.size_high(this.view, this.base), low) * 2 ** 32 + low : low;
  }

  /** What is listed by hashes has positions that are hashes. */
  get lastPosition(): number {
    return listsByHash(this) ? MAX_POS : this.size;
  }

  /** True if the object must stay. */
  get needed(): boolean {
    return this.users > 0;
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
    return dirLookup(this, name);
  }

  child(name: string): Inode | null {
    const ino = this.lookup(name);
    return ino === null ? null : this.fs.iget(ino);
  }

  childOf(entry: DirEntry): Inode {
    return this.fs.iget(entry.ino);
  }

  entries(from: number | bigint = 0): IterableIterator<DirEntry> {
    return dirEntries(this, from);
  }

  listXattrs(): Xattr[] {
    return listXattrs(this);
  }

  getXattr(namespace: XattrNamespace, name: string): Uint8Array | null {
    return getXattr(this, namespace, name);
  }

  encryptionPolicy(): EncryptionPolicy | null {
    return readEncryptionPolicy(this);
  }

  get iomap(): InodeIomapOps {
    return ext4IomapOps;
  }

  /** Nothing is ever dirty. */
  fsync(): void {}

  acquire(): void {
    // Nobody here has keys, and Linux opens no file without.
    if (this.kind === 'file' && this.has('ENCRYPT')) throw new FsError('ENOKEY');
    this.users++;
  }

  release(_writable: boolean): void {
    this.users = Math.max(0, this.users - 1);
  }
}
