/**
 * One inode: a window on its dinode, a block that may leave the cache and come back, and beside it what memory alone
 * knows. What a file can do lies in the files that the methods name.
 */
import type { Buf } from '../../core/buffer-cache.ts';
import type { InodeIomapOps } from '../../core/iomap/iomap.ts';
import { labelHigh } from '../../core/positions.ts';
import { kindOfMode } from '../../core/vfs/file-kind.ts';
import type { Filesystem } from '../../core/vfs/filesystem.ts';
import type { DirEntry, FileKind, Inode, Stat, Xattr, XattrNamespace } from '../../core/vfs/inode.ts';
import { PageCache } from '../../core/vfs/page-cache.ts';
import { Unwritable } from '../../core/vfs/unwritable.ts';
import { dirChild, dirChildOf, dirLookup } from './dir/lookup.ts';
import { dirEntries } from './dir/read.ts';
import { gfs2IomapOps } from './iomap.ts';
import { dinodeOps } from './meta-block.ts';
import type { Gfs2Mount } from './mount.ts';
import { inodeStat, inodeXflags } from './stat.ts';
import { Dinode, DinodeFlag } from './structure/dinode.ts';
import { readSymlink } from './symlink.ts';
import { getXattr, listXattrs } from './xattr.ts';

export class Gfs2Inode extends Unwritable implements Inode {
  readonly mp: Gfs2Mount;
  readonly fs: Filesystem;
  readonly ino: number;
  private buffer: Buf;
  private cache: PageCache | null = null;
  private users = 0;

  constructor(mp: Gfs2Mount, fs: Filesystem, ino: number, buf: Buf) {
    super();
    this.mp = mp;
    this.fs = fs;
    this.ino = ino;
    this.buffer = buf;
  }

  /** The dinode's block, read again if it left the cache. @throws FsError EUCLEAN, EIO */
  get buf(): Buf {
    const { buffer } = this;
    if (buffer.cached) return buffer;
    this.buffer = this.mp.block(this.ino, dinodeOps);
    return this.buffer;
  }

  get view(): DataView {
    return this.buf.view;
  }

  /** Permission bits and type. */
  get mode(): number {
    return Dinode.get.di_mode(this.view, 0);
  }

  get kind(): FileKind {
    return kindOfMode(this.mode);
  }

  /** DinodeFlag bits. */
  get flags(): number {
    return Dinode.get.di_flags(this.view, 0);
  }

  has(flag: keyof typeof DinodeFlag): boolean {
    return (this.flags & DinodeFlag[flag]) !== 0;
  }

  /** Levels of pointers; 0: the data lies in the dinode. */
  get height(): number {
    return Dinode.get.di_height(this.view, 0);
  }

  /** Its formal number, which no other inode ever has. */
  get formal(): number {
    return Dinode.get.no_formal_ino(this.view, 0);
  }

  get size(): number {
    const { view } = this;
    const { di_size: at } = Dinode.at;
    const low = view.getUint32(at + 4);
    return labelHigh(view.getUint32(at), low) * 2 ** 32 + low;
  }

  get pages(): PageCache {
    this.cache ??= new PageCache(this, this.mp.blockSize);
    return this.cache;
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
    return dirLookup(this, name)?.ino ?? null;
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
    return gfs2IomapOps;
  }

  /** Nothing is ever dirty. */
  fsync(): void {}

  acquire(): void {
    this.users++;
  }

  release(_writable: boolean): void {
    this.users = Math.max(0, this.users - 1);
  }
}
