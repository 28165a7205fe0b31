/** The inodes of a format that is read, so far: what would change one is refused. */
import { FsError } from '../errors.ts';
import type { Inode, InodeNames, InodeSpace } from './inode.ts';

/** The changes that every inode offers, all refused. */
export abstract class Unwritable implements InodeNames, InodeSpace {
  /** @throws FsError EROFS, always */
  protected abstract refuseChange(): never;

  create(): Inode {
    return this.refuseChange();
  }

  mkdir(): Inode {
    return this.refuseChange();
  }

  symlink(): Inode {
    return this.refuseChange();
  }

  mknod(): Inode {
    return this.refuseChange();
  }

  tmpfile(): Inode {
    return this.refuseChange();
  }

  link(): void {
    this.refuseChange();
  }

  unlink(): void {
    this.refuseChange();
  }

  rmdir(): void {
    this.refuseChange();
  }

  rename(): void {
    this.refuseChange();
  }

  setAttr(): void {
    this.refuseChange();
  }

  setFlags(): void {
    this.refuseChange();
  }

  setXattr(): void {
    this.refuseChange();
  }

  removeXattr(): void {
    this.refuseChange();
  }

  truncate(): void {
    this.refuseChange();
  }

  fallocate(): void {
    this.refuseChange();
  }

  growSize(): void {
    this.refuseChange();
  }

  touch(): void {
    this.refuseChange();
  }

  /** No blocks are shared between files. */
  reflink(): void {
    throw new FsError('EOPNOTSUPP');
  }

  reflinkSome(): number {
    throw new FsError('EOPNOTSUPP');
  }

  dedupe(): number | null {
    throw new FsError('EOPNOTSUPP');
  }

  exchangeRange(): void {
    throw new FsError('EOPNOTSUPP');
  }

  /** XFS's alone. */
  swapExtents(): void {
    throw new FsError('ENOTTY');
  }
}
