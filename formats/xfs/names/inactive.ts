/**
 * The end of an inode: when its last name and its last user are gone, its blocks and then the inode itself are freed
 * (kernel: xfs_inactive, xfs_ifree). What takes more than one transaction starts with the inode in its AGI's chain of
 * unlinked inodes, so that after a crash Linux goes on with it; an inode without extents goes in the transaction
 * that takes its name.
 */
import { FsError } from '../../../core/errors.ts';
import { freeInode } from '../alloc/inode-alloc.ts';
import { unlinkedAdd, unlinkedRemove } from '../alloc/unlinked.ts';
import { cancelBlock } from '../attr/remote.ts';
import { forkLookup } from '../bmap-fork.ts';
import { daUnmap } from '../da/block.ts';
import { Extent } from '../extent.ts';
import type { XfsInode } from '../inode.ts';
import { setForkFormat } from '../inode-core.ts';
import type { XfsMount } from '../mount.ts';
import { DiFlag2, Dinode, ForkFormat } from '../structure/dinode.ts';
import type { Trans } from '../trans.ts';
import { freeFrom } from '../truncate.ts';
import { addLinks } from './inode-init.ts';
import { freeTarget } from './symlink-blocks.ts';

const extent = new Extent();

/** Inodes of a mount that have no name but are still in use. */
const orphans = new WeakMap<XfsMount, Set<number>>();

function orphansOf(mp: XfsMount): Set<number> {
  let set = orphans.get(mp);
  if (set === undefined) {
    set = new Set();
    orphans.set(mp, set);
  }
  return set;
}

/** Takes one name (or two, for a directory) from an inode whose directory entry goes in this transaction. */
export function dropLinks(tp: Trans, ip: XfsInode, count: number): void {
  if (addLinks(tp, ip, -count) > 0) return;
  if (!ip.inUse && !hasData(ip)) {
    freeWhole(tp, ip);
    return;
  }
  addOrphan(tp, ip);
}

/** The inode has no name in any directory: its AGI remembers it. */
export function addOrphan(tp: Trans, ip: XfsInode): void {
  unlinkedAdd(tp, ip);
  const set = orphansOf(ip.mp);
  set.add(ip.ino);
  tp.onAbort(() => set.delete(ip.ino));
}

/** The inode gets a name again. */
export function adoptOrphan(tp: Trans, ip: XfsInode): void {
  unlinkedRemove(tp, ip);
  const set = orphansOf(ip.mp);
  const had = set.delete(ip.ino);
  tp.onAbort(() => had && set.add(ip.ino));
}

/** True if freeing the inode takes more than its own transaction. */
function hasData(ip: XfsInode): boolean {
  return (
    ip.kind === 'file' &&
    (ip.dataFork.nextents > 0 || ip.delalloc.size > 0 || ip.cow.size > 0 || ip.pages.dirtyBytes > 0)
  );
}

/** Frees an inode without a name that nobody uses any more; does nothing for others. */
export function freeIfOrphan(ip: XfsInode): void {
  if (!ip.inUse && orphansOf(ip.mp).has(ip.ino)) freeOrphan(ip);
}

/** Frees an inode that hangs in its AGI's chain. @throws FsError EUCLEAN, EOPNOTSUPP */
export function freeOrphan(ip: XfsInode): void {
  if (ip.kind === 'file') {
    ip.pages.truncate(0);
    freeFrom(ip, 0);
  }
  ip.mp.transact('free inode', (tp) => {
    adoptOrphan(tp, ip);
    freeWhole(tp, ip);
  });
}

/** Frees every inode of this kind: the image is closed, nobody uses anything any more. */
export function freeOrphans(mp: XfsMount): void {
  for (const ino of [...orphansOf(mp)]) freeOrphan(mp.inodes.get(ino));
}

/** Frees an inode that has no data extents: symlink target, attributes, the inode. */
function freeWhole(tp: Trans, ip: XfsInode): void {
  if (ip.kind === 'symlink') freeTarget(tp, ip);
  else if (ip.kind === 'dir' && ip.dataFork.format !== 'local') throw new FsError('ENOTEMPTY');
  freeAttrFork(tp, ip);
  tp.modifyInode(ip);
  const { view, bytes } = ip.buf;
  const { mp, base } = ip;
  const { start, size } = ip.dataFork;
  bytes.fill(0, start, start + size);
  const { set } = Dinode;
  set.format(view, base, ForkFormat.EXTENTS);
  set.size(view, base, 0);
  set.mode(view, base, 0);
  set.nlink(view, base, 0);
  set.flags(view, base, 0);
  set.gen(view, base, (Dinode.get.gen(view, base) + 1) >>> 0);
  if (ip.version >= 3) {
    const flags2 = (mp.features.bigtime ? DiFlag2.BIGTIME : 0) | (mp.features.nrext64 ? DiFlag2.NREXT64 : 0);
    set.flags2(view, base, BigInt(flags2));
  }
  freeInode(tp, ip.ino);
  tp.onCommit(() => mp.inodes.forget(ip.ino));
}

function freeAttrFork(tp: Trans, ip: XfsInode): void {
  if (!ip.hasAttrFork) return;
  const { mp } = ip;
  if (ip.attrFork.format !== 'local') {
    while (forkLookup(ip, 'attr', 0, extent)) {
      const { off, count, block } = extent;
      for (let i = 0; i < count; i++) cancelBlock(tp, mp, mp.fsbToAddr(block + i), mp.blockSize, mp.ops.attrLeaf);
      daUnmap(tp, ip, 'attr', off, count);
    }
  }
  tp.modifyInode(ip);
  const { start, size } = ip.attrFork;
  ip.buf.bytes.fill(0, start, start + size);
  setForkFormat(ip, 'attr', 'extents');
  Dinode.set.forkoff(ip.buf.view, ip.base, 0);
}
