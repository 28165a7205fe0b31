/**
 * The target of a symbolic link: in the inode, or in up to three extents of blocks, which on v5 carry a header each
 * (kernel: xfs_symlink_remote.c).
 */
import type { Buf } from '../../core/buffer-cache.ts';
import { corrupt, FsError } from '../../core/errors.ts';
import { decodeName } from '../../core/vfs/names.ts';
import { forkLookup } from './bmap-fork.ts';
import { Extent } from './extent.ts';
import type { XfsInode } from './inode.ts';
import { Dinode, SYMLINK_MAXLEN } from './structure/dinode.ts';
import { SymlinkHeader } from './structure/symlink.ts';

/** @throws FsError EINVAL for another kind of file, EUCLEAN for a damaged link */
export function readSymlink(ip: XfsInode): string {
  if (ip.kind !== 'symlink') throw new FsError('EINVAL');
  const size = Dinode.get.size(ip.buf.view, ip.base);
  if (size === 0 || size > SYMLINK_MAXLEN)
    throw corrupt({
      structure: `inode ${ip.ino}`,
      field: 'core.size',
      value: String(size),
      rule: 'no length of a symlink',
    });
  if (ip.dataFork.format !== 'local') return decodeName(readRemote(ip, size));
  const { start } = ip.dataFork;
  if (size > ip.dataFork.size)
    throw corrupt({
      structure: `inode ${ip.ino}`,
      field: 'core.size',
      value: String(size),
      rule: 'more than the fork holds',
    });
  return decodeName(ip.buf.bytes.subarray(start, start + size));
}

function readRemote(ip: XfsInode, size: number): Uint8Array {
  const { mp } = ip;
  const target = new Uint8Array(size);
  const extent = new Extent();
  const header = mp.features.v5 ? SymlinkHeader.size : 0;
  // Linux counts a header for every block, though each extent has only one.
  const blocks = Math.ceil(size / (mp.blockSize - header));
  let done = 0;
  for (let block = 0; done < size; block = extent.end) {
    const mapped = block < blocks && forkLookup(ip, 'data', block, extent) && extent.off === block;
    if (!mapped || !mp.validFsb(extent.block, extent.count))
      throw corrupt({
        structure: `inode ${ip.ino}`,
        field: `file block ${block}`,
        rule: 'no block of the symlink is mapped',
      });
    const length = Math.min(extent.count, blocks - block) * mp.blockSize;
    const buf = mp.cache.get(mp.fsbToAddr(extent.block), length, header === 0 ? mp.ops.raw : mp.ops.symlink);
    const count = Math.min(size - done, length - header);
    if (header !== 0) checkHeader(ip, buf, done, count);
    target.set(buf.bytes.subarray(header, header + count), done);
    done += count;
  }
  return target;
}

function checkHeader(ip: XfsInode, buf: Buf, offset: number, count: number): void {
  const wrong = (field: 'offset' | 'bytes' | 'owner', wanted: number): void => {
    const value = SymlinkHeader.get[field](buf.view, 0);
    if (value === wanted) return;
    const rule = `should be ${wanted}`;
    throw corrupt({
      structure: `symlink block of inode ${ip.ino}`,
      addr: buf.addr,
      offset: SymlinkHeader.at[field],
      field,
      value: String(value),
      rule,
    });
  };
  wrong('offset', offset);
  wrong('bytes', count);
  wrong('owner', ip.ino);
}
