/**
 * Writing the targets of symbolic links: into the inode when they fit, else into up to three extents, which on v5
 * carry a header each (kernel: xfs_symlink.c, xfs_symlink_remote.c).
 */
import { writeBe64 } from '../../../core/struct.ts';
import { cancelBlock } from '../attr/remote.ts';
import { forkLookup } from '../bmap-fork.ts';
import { daMap, daUnmap } from '../da/block.ts';
import { Extent } from '../extent.ts';
import type { XfsInode } from '../inode.ts';
import { diskSize, setDiskSize, setForkFormat } from '../inode-core.ts';
import { SYMLINK_MAGIC, SymlinkHeader } from '../structure/symlink.ts';
import type { Trans } from '../trans.ts';

const extent = new Extent();

/** Blocks of a target, as Linux counts them: a header for each block. */
function blocksFor(ip: XfsInode, length: number): number {
  const header = ip.mp.features.v5 ? SymlinkHeader.size : 0;
  return Math.ceil(length / (ip.mp.blockSize - header));
}

/** Blocks that Linux reserves for a target of `length` bytes. */
export function targetBlocks(ip: XfsInode, length: number): number {
  return length <= ip.mp.inodeSize - ip.coreSize ? 0 : blocksFor(ip, length);
}

/** Stores the target in a new symlink inode. @throws FsError ENOSPC */
export function writeTarget(tp: Trans, ip: XfsInode, target: Uint8Array): void {
  tp.modifyInode(ip);
  const fork = ip.dataFork;
  if (target.length <= fork.size) {
    setForkFormat(ip, 'data', 'local');
    ip.buf.bytes.set(target, fork.start);
    setDiskSize(ip, target.length);
    return;
  }
  setForkFormat(ip, 'data', 'extents');
  writeBlocks(tp, ip, target);
  setDiskSize(ip, target.length);
}

function writeBlocks(tp: Trans, ip: XfsInode, target: Uint8Array): void {
  const { mp } = ip;
  const count = blocksFor(ip, target.length);
  daMap(tp, ip, 'data', 0, count);
  const header = mp.features.v5 ? SymlinkHeader.size : 0;
  let done = 0;
  for (let block = 0; block < count; block = extent.end) {
    forkLookup(ip, 'data', block, extent);
    const length = Math.min(extent.count, count - block) * mp.blockSize;
    const buf = mp.cache.init(mp.fsbToAddr(extent.block), length, header === 0 ? mp.ops.raw : mp.ops.symlink);
    tp.init(buf);
    const part = target.subarray(done, done + length - header);
    buf.bytes.set(part, header);
    if (header > 0) {
      SymlinkHeader.set.magic(buf.view, 0, SYMLINK_MAGIC);
      SymlinkHeader.set.offset(buf.view, 0, done);
      SymlinkHeader.set.bytes(buf.view, 0, part.length);
      buf.bytes.set(mp.uuid, SymlinkHeader.at.uuid);
      writeBe64(buf.view, SymlinkHeader.at.owner, ip.ino);
      writeBe64(buf.view, SymlinkHeader.at.blkno, buf.addr / 512);
    }
    done += part.length;
  }
}

/** The attribute fork takes the inode's room: a target that no longer fits moves to a block. @throws FsError ENOSPC */
export function moveSymlinkOut(tp: Trans, ip: XfsInode): void {
  tp.modifyInode(ip);
  const { start } = ip.dataFork;
  const target = ip.buf.bytes.slice(start, start + diskSize(ip));
  ip.buf.bytes.fill(0, start, start + target.length);
  setForkFormat(ip, 'data', 'extents');
  writeBlocks(tp, ip, target);
}

/** Frees the blocks of a symlink that goes away. */
export function freeTarget(tp: Trans, ip: XfsInode): void {
  if (ip.dataFork.format !== 'local') {
    const { mp } = ip;
    const ops = mp.features.v5 ? mp.ops.symlink : mp.ops.raw;
    for (let block = 0; forkLookup(ip, 'data', block, extent); ) {
      const { off, end, count } = extent;
      const addr = mp.fsbToAddr(extent.block);
      cancelBlock(tp, mp, addr, count * mp.blockSize, ops);
      daUnmap(tp, ip, 'data', off, count);
      block = end;
    }
  }
  tp.modifyInode(ip);
  setForkFormat(ip, 'data', 'extents');
  setDiskSize(ip, 0);
}
