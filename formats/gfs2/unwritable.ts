/** What would change an inode is refused: gfs2 is read, so far. */
import { FsError } from '../../core/errors.ts';
import type { Inode, InodeNames, InodeSpace } from '../../core/vfs/inode.ts';

/** @throws FsError EROFS, always */
export function refuseChange(): never {
  throw new FsError('EROFS', { detail: 'writing gfs2 is not built yet' });
}

/** The changes that every inode offers, all refused. */
export abstract class Unwritable implements InodeNames, InodeSpace {
  create(): Inode {
    return refuseChange();
  }

  mkdir(): Inode {
    return refuseChange();
  }

  symlink(): Inode {
    return refuseChange();
  }

  mknod(): Inode {
    return refuseChange();
  }

  tmpfile(): Inode {
    return refuseChange();
  }

  link(): void {
    refuseChange();
  }

  unlink(): void {
    refuseChange();
  }

  rmdir(): void {
    refuseChange();
  }

  rename(): void {
    refuseChange();
  }

  setAttr(): void {
    refuseChange();
  }

  setFlags(): void {
    refuseChange();
  }

  setXattr(): void {
    refuseChange();
  }

  removeXattr(): void {
    refuseChange();
  }

  truncate(): void {
    refuseChange();
  }

  fallocate(): void {
    refuseChange();
  }

  growSize(): void {
    refuseChange();
  }

  touch(): void {
    refuseChange();
  }

  /** gfs2 shares no blocks between files. */
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
