/**
 * Renaming: within and between directories, over files and empty directories, and exchanging two names; one
 * transaction (kernel: do_renameat2, xfs_rename, xfs_dir_rename_children, xfs_dir_exchange_children).
 */
import { FsError } from '../../../core/errors.ts';
import type { RenameMode } from '../../../core/vfs/inode.ts';
import { beFrugal } from '../alloc/frugal.ts';
import { renameBlocks } from '../alloc/space-needs.ts';
import { addParent, removeParent } from '../attr/parent.ts';
import { dirAdd, dirIsEmpty, dirRemove, dirReplace } from '../dir/edit.ts';
import type { XfsInode } from '../inode.ts';
import { hasRoom } from '../make-room.ts';
import { linkCount } from '../stat.ts';
import { DirFtype } from '../structure/dir.ts';
import type { Trans } from '../trans.ts';
import { dropLinks, freeIfOrphan } from './inactive.ts';
import { addLinks, ftypeOfMode, stamp } from './inode-init.ts';
import { checkProject, mayCreate, mayRemove, nameBytes, refuseFixed, storedName } from './may.ts';

const DOTDOT = Uint8Array.of(0x2e, 0x2e);

/** One side of a rename. */
interface Side {
  readonly dp: XfsInode;
  readonly name: Uint8Array;
}

/** Moves `name` of `dp` to `newName` of `target`. */
export function renameName(dp: XfsInode, name: string, target: XfsInode, newName: string, mode: RenameMode): void {
  if (dp.kind !== 'dir' || target.kind !== 'dir') throw new FsError('ENOTDIR');
  if (isDots(name) || isDots(newName)) throw new FsError(mode === 'noreplace' && isDots(newName) ? 'EEXIST' : 'EBUSY');
  const from: Side = { dp, name: storedName(dp, nameBytes(name)) };
  const to: Side = { dp: target, name: storedName(target, nameBytes(newName)) };
  const ino = dp.lookup(name);
  if (ino === null) throw new FsError('ENOENT');
  const otherIno = target.lookup(newName);
  if (otherIno !== null && mode === 'noreplace') throw new FsError('EEXIST');
  if (otherIno === null && mode === 'exchange') throw new FsError('ENOENT');
  checkAncestors(dp, ino, target, otherIno, mode);
  // Also a name in another case, with ascii-ci: Linux finds the entry itself and leaves it.
  if (ino === otherIno) return;
  const ip = mayRemove(dp, name);
  const other = otherIno === null ? null : mayRemove(target, newName);
  if (other === null) mayCreate(target, newName);
  else if (mode !== 'exchange') checkReplaced(ip, other);
  if (dp.ino !== target.ino) {
    for (const moved of [ip, other]) if (moved?.kind === 'dir') refuseFixed(moved);
    checkProject(target, ip);
    if (mode === 'exchange') checkProject(dp, other as XfsInode);
  }
  const room = hasRoom(dp.mp, renameBlocks(dp.mp, to.name.length, other !== null));
  if (!room && dp.mp.features.parent) throw new FsError('ENOSPC');
  dp.mp.transact('rename', (tp) => {
    if (!room) beFrugal(tp);
    if (mode === 'exchange') exchange(tp, from, to, ip, other as XfsInode);
    else move(tp, from, to, ip, other);
  });
  if (other !== null && mode !== 'exchange') freeIfOrphan(other);
}

const isDots = (name: string): boolean => name === '.' || name === '..';

/** A directory may not move below itself, nor take the place of a directory that it is below. */
function checkAncestors(dp: XfsInode, ino: number, target: XfsInode, otherIno: number | null, mode: RenameMode): void {
  if (dp.ino === target.ino) return;
  if (isBelow(target, ino)) throw new FsError('EINVAL');
  if (otherIno !== null && isBelow(dp, otherIno)) throw new FsError(mode === 'exchange' ? 'EINVAL' : 'ENOTEMPTY');
}

/** True if `dp` is the directory `ino` or below it. @throws FsError EUCLEAN never: a loop of `..` ends at the bound */
function isBelow(dp: XfsInode, ino: number): boolean {
  let at = dp;
  for (let depth = 0; depth < 1_000_000; depth++) {
    if (at.ino === ino) return true;
    const up = at.lookup('..');
    if (up === null || up === at.ino) return false;
    at = dp.mp.inodes.get(up);
  }
  throw new FsError('ELOOP');
}

function checkReplaced(ip: XfsInode, other: XfsInode): void {
  if (ip.kind === 'dir') {
    if (other.kind !== 'dir') throw new FsError('ENOTDIR');
    if (linkCount(other) > 2 || !dirIsEmpty(other)) throw new FsError('EEXIST');
  } else if (other.kind === 'dir') throw new FsError('EISDIR');
}

function move(tp: Trans, from: Side, to: Side, ip: XfsInode, other: XfsInode | null): void {
  const directory = ip.kind === 'dir';
  const newParent = from.dp.ino !== to.dp.ino;
  if (other === null) {
    dirAdd(tp, to.dp, to.name, ip.ino, ftypeOfMode(ip.mode));
    if (newParent && directory) addLinks(tp, to.dp, 1);
  } else {
    dirReplace(tp, to.dp, to.name, ip.ino, ftypeOfMode(ip.mode));
    if (ip.mp.features.parent) removeParent(tp, other, to.dp, to.name);
    dropLinks(tp, other, directory ? 2 : 1);
  }
  if (newParent && directory) dirReplace(tp, ip, DOTDOT, to.dp.ino, DirFtype.DIR);
  if (directory && (newParent || other !== null)) addLinks(tp, from.dp, -1);
  stamp(tp, ip, 'ctime');
  dirRemove(tp, from.dp, from.name);
  stamp(tp, to.dp, 'mtime', 'ctime');
  stamp(tp, from.dp, 'mtime', 'ctime');
  moveParent(tp, ip, from, to);
}

function moveParent(tp: Trans, ip: XfsInode, from: Side, to: Side): void {
  if (!ip.mp.features.parent) return;
  removeParent(tp, ip, from.dp, from.name);
  addParent(tp, ip, to.dp, to.name);
}

function exchange(tp: Trans, from: Side, to: Side, ip: XfsInode, other: XfsInode): void {
  dirReplace(tp, from.dp, from.name, other.ino, ftypeOfMode(other.mode));
  dirReplace(tp, to.dp, to.name, ip.ino, ftypeOfMode(ip.mode));
  if (from.dp.ino !== to.dp.ino) {
    if (other.kind === 'dir') changeHome(tp, other, ip, to.dp, from.dp);
    if (ip.kind === 'dir') changeHome(tp, ip, other, from.dp, to.dp);
    stamp(tp, to.dp, 'mtime', 'ctime');
  }
  stamp(tp, from.dp, 'mtime', 'ctime');
  moveParent(tp, ip, from, to);
  moveParent(tp, other, to, from);
}

/** A directory's `..` moves from `oldHome` to `newHome`; a directory that comes back the other way keeps the counts. */
function changeHome(tp: Trans, ip: XfsInode, partner: XfsInode, oldHome: XfsInode, newHome: XfsInode): void {
  dirReplace(tp, ip, DOTDOT, newHome.ino, DirFtype.DIR);
  if (partner.kind !== 'dir') {
    addLinks(tp, oldHome, -1);
    addLinks(tp, newHome, 1);
  }
  stamp(tp, ip, 'mtime', 'ctime');
  stamp(tp, partner, 'ctime');
}
