/** Removing names: unlink and rmdir, each one transaction and, for a file's blocks, what follows (kernel: xfs_remove). */
import { FsError } from '../../../core/errors.ts';
import { beFrugal } from '../alloc/frugal.ts';
import { unlinkBlocks } from '../alloc/space-needs.ts';
import { removeParent } from '../attr/parent.ts';
import { dirIsEmpty, dirRemove, dirReplace } from '../dir/edit.ts';
import type { XfsInode } from '../inode.ts';
import { hasRoom } from '../make-room.ts';
import { linkCount } from '../stat.ts';
import { DirFtype } from '../structure/dir.ts';
import { dropLinks, freeIfOrphan } from './inactive.ts';
import { addLinks, stamp } from './inode-init.ts';
import { mayRemove, nameBytes, storedName } from './may.ts';

const DOTDOT = Uint8Array.of(0x2e, 0x2e);

/** Removes a name that is no directory's. */
export function unlinkName(dp: XfsInode, name: string): void {
  if (name === '.' || name === '..') throw new FsError('EISDIR');
  const ip = mayRemove(dp, name);
  if (ip.kind === 'dir') throw new FsError('EISDIR');
  const bytes = storedName(dp, nameBytes(name));
  const room = hasRoom(dp.mp, unlinkBlocks(dp.mp, bytes.length));
  dp.mp.transact('unlink', (tp) => {
    if (!room) beFrugal(tp);
    dirRemove(tp, dp, bytes);
    stamp(tp, dp, 'mtime', 'ctime');
    if (dp.mp.features.parent) removeParent(tp, ip, dp, bytes);
    dropLinks(tp, ip, 1);
  });
  freeIfOrphan(ip);
}

/** Removes an empty directory. */
export function removeDirectory(dp: XfsInode, name: string): void {
  if (name === '.') throw new FsError('EINVAL');
  if (name === '..') throw new FsError('ENOTEMPTY');
  const ip = mayRemove(dp, name);
  if (ip.kind !== 'dir') throw new FsError('ENOTDIR');
  if (linkCount(ip) !== 2 || !dirIsEmpty(ip)) throw new FsError('ENOTEMPTY');
  const bytes = storedName(dp, nameBytes(name));
  const room = hasRoom(dp.mp, unlinkBlocks(dp.mp, bytes.length));
  dp.mp.transact('rmdir', (tp) => {
    if (!room) beFrugal(tp);
    dirRemove(tp, dp, bytes);
    addLinks(tp, dp, -1);
    stamp(tp, dp, 'mtime', 'ctime');
    if (dp.mp.features.parent) removeParent(tp, ip, dp, bytes);
    // Whoever still stands in it must find a `..` that exists.
    if (ip.inUse && dp.ino !== dp.mp.rootIno) dirReplace(tp, ip, DOTDOT, dp.mp.rootIno, DirFtype.DIR);
    dropLinks(tp, ip, 2);
  });
  freeIfOrphan(ip);
}
