/** Who may change a directory: the questions that Linux asks before any file system is (kernel: fs/namei.c). */
import { FsError } from '../../../core/errors.ts';
import { encodeName } from '../../../core/vfs/names.ts';
import { sameName, sameNameCi } from '../dir/hash.ts';
import { findEntry } from '../dir/lookup.ts';
import { rawEntries } from '../dir/read.ts';
import type { XfsInode } from '../inode.ts';
import { inodeFlags } from '../inode-core.ts';
import { linkCount } from '../stat.ts';
import { DiFlag, Dinode } from '../structure/dinode.ts';
import { MAX_NAME_LENGTH } from '../structure/dir.ts';

/** The bytes of a name that may be created or removed. @throws FsError ENAMETOOLONG, ENOENT empty, EINVAL with a slash or NUL */
export function nameBytes(name: string): Uint8Array {
  const bytes = encodeName(name);
  if (bytes.length === 0) throw new FsError('ENOENT');
  if (bytes.length > MAX_NAME_LENGTH) throw new FsError('ENAMETOOLONG');
  if (bytes.includes(0) || bytes.includes(0x2f)) throw new FsError('EINVAL');
  return bytes;
}

/** @throws FsError ENOTDIR, EEXIST, ENAMETOOLONG, EPERM immutable, ENOENT for a directory that was removed */
export function mayCreate(dp: XfsInode, name: string): Uint8Array {
  if (dp.kind !== 'dir') throw new FsError('ENOTDIR');
  const bytes = nameBytes(name);
  if (name === '.' || name === '..' || findEntry(dp, bytes) !== null) throw new FsError('EEXIST');
  if (linkCount(dp) === 0) throw new FsError('ENOENT');
  if ((inodeFlags(dp) & DiFlag.IMMUTABLE) !== 0) throw new FsError('EPERM', { detail: 'the directory is immutable' });
  return bytes;
}

/** The inode behind a name that shall go. @throws FsError ENOTDIR, ENOENT, ENAMETOOLONG, EPERM immutable or append-only */
export function mayRemove(dp: XfsInode, name: string): XfsInode {
  if (dp.kind !== 'dir') throw new FsError('ENOTDIR');
  nameBytes(name);
  const ino = dp.lookup(name);
  if (ino === null) throw new FsError('ENOENT');
  const ip = dp.mp.inodes.get(ino);
  refuseFixed(dp);
  refuseFixed(ip);
  return ip;
}

/** @throws FsError EPERM for immutable and append-only inodes: no name of theirs, or in them, may go */
export function refuseFixed(ip: XfsInode): void {
  if ((inodeFlags(ip) & (DiFlag.IMMUTABLE | DiFlag.APPEND)) !== 0)
    throw new FsError('EPERM', { detail: 'immutable or append-only' });
}

/**
 * The bytes of an entry's name as the directory has them: with ascii-ci another case may have been asked for, and
 * parent pointers are found by the exact bytes only.
 */
export function storedName(dp: XfsInode, name: Uint8Array): Uint8Array {
  const { asciiCi, parent } = dp.mp.features;
  if (!asciiCi || !parent) return name;
  let other: Uint8Array | null = null;
  for (const entry of rawEntries(dp)) {
    if (sameName(name, entry.name, 0, entry.name.length)) return name;
    if (other === null && sameNameCi(name, entry.name, 0, entry.name.length)) other = entry.name.slice();
  }
  return other ?? name;
}

/** The quota project of an inode. */
export function projectOf(ip: XfsInode): number {
  const { view } = ip.buf;
  return Dinode.get.projid_hi(view, ip.base) * 0x10000 + Dinode.get.projid_lo(view, ip.base);
}

/** @throws FsError EXDEV if files of another project may not enter the directory */
export function checkProject(dp: XfsInode, ip: XfsInode): void {
  if ((inodeFlags(dp) & DiFlag.PROJINHERIT) !== 0 && projectOf(dp) !== projectOf(ip)) throw new FsError('EXDEV');
}
