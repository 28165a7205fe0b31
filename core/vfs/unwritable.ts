/** The inodes of a format that is read, so far: what would change one is refused. */
import { FsError } from '../errors.ts';
import type { InodeIomapOps, IoEnd, IomapOps } from '../iomap/iomap.ts';
import type { Filesystem } from './filesystem.ts';
import type { Inode, InodeNames, InodeSpace } from './inode.ts';

/** What every change is answered with. @throws FsError EROFS, always, with what the format says */
export function refuseChange({ fs }: { readonly fs: Filesystem }): never {
  const { unwritable } = fs;
  throw new FsError('EROFS', unwritable === undefined ? {} : { detail: unwritable });
}

const refused: IomapOps = { begin: refuseChange };

/** The engine's questions that come before a change, all refused. */
export const REFUSED_CHANGES = {
  write: refused,
  direct: refused,
  writeback: { mapBlocks: refuseChange, endIo: ({ inode }: IoEnd) => refuseChange(inode) },
  endDirectWrite: refuseChange,
} satisfies Partial<InodeIomapOps>;

/** The changes that every inode offers, all refused. */
export abstract class Unwritable implements InodeNames, InodeSpace {
  abstract readonly fs: Filesystem;

  create(): Inode {
    return refuseChange(this);
  }

  mkdir(): Inode {
    return refuseChange(this);
  }

  symlink(): Inode {
    return refuseChange(this);
  }

  mknod(): Inode {
    return refuseChange(this);
  }

  tmpfile(): Inode {
    return refuseChange(this);
  }

  link(): void {
    refuseChange(this);
  }

  unlink(): void {
    refuseChange(this);
  }

  rmdir(): void {
    refuseChange(this);
  }

  rename(): void {
    refuseChange(this);
  }

  setAttr(): void {
    refuseChange(this);
  }

  setFlags(): void {
    refuseChange(this);
  }

  setXattr(): void {
    refuseChange(this);
  }

  removeXattr(): void {
    refuseChange(this);
  }

  truncate(): void {
    refuseChange(this);
  }

  fallocate(): void {
    refuseChange(this);
  }

  growSize(): void {
    refuseChange(this);
  }

  touch(): void {
    refuseChange(this);
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
