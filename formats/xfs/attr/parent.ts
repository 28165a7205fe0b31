/**
 * Parent pointers: for every name of an inode an attribute with that name and, as value, the directory's inode number
 * and generation (kernel: xfs_parent.c). Only on images with the feature; files without a name have none.
 */
import { corrupt } from '../../../core/errors.ts';
import type { XfsInode } from '../inode.ts';
import { defaultForkOffset } from '../names/inode-init.ts';
import { AttrFlag, ParentRecord } from '../structure/attr.ts';
import { Dinode } from '../structure/dinode.ts';
import type { Trans } from '../trans.ts';
import { attrRemove, attrSet } from './edit.ts';
import type { ShortAttr } from './short-edit.ts';

/** Gives a new inode an empty attribute fork for its parent pointers. */
export function initParentFork(tp: Trans, ip: XfsInode): void {
  tp.modifyInode(ip);
  Dinode.set.forkoff(ip.buf.view, ip.base, defaultForkOffset(ip) / 8);
}

function pointer(dp: XfsInode, name: Uint8Array): ShortAttr {
  const value = new Uint8Array(ParentRecord.size);
  const view = new DataView(value.buffer);
  ParentRecord.set.ino(view, 0, dp.ino);
  ParentRecord.set.gen(view, 0, Dinode.get.gen(dp.buf.view, dp.base));
  return { flags: AttrFlag.PARENT, name, value };
}

/** `ip` has this name in `dp` now. @throws FsError ENOSPC */
export function addParent(tp: Trans, ip: XfsInode, dp: XfsInode, name: Uint8Array): void {
  attrSet(tp, ip, pointer(dp, name));
}

/** `ip` no longer has this name in `dp`. @throws FsError EUCLEAN if it did not point there */
export function removeParent(tp: Trans, ip: XfsInode, dp: XfsInode, name: Uint8Array): void {
  if (attrRemove(tp, ip, pointer(dp, name))) return;
  throw corrupt({ structure: `inode ${ip.ino}`, field: 'parent pointer', rule: `none to directory ${dp.ino}` });
}
