/** Bytes of a file of the system directory, read straight from its blocks. */
import { corrupt } from '../../core/errors.ts';
import type { Gfs2Inode } from './inode.ts';
import { MetaPath } from './map/path.ts';
import { rawOps } from './meta-block.ts';
import { DINODE_SIZE } from './structure/dinode.ts';

const path = new MetaPath();

/** The bytes [pos, pos + length) of a file, all of which must have blocks. @throws FsError EUCLEAN a hole, or too short, EIO */
export function readFileBytes(ip: Gfs2Inode, pos: number, length: number): Uint8Array {
  if (pos + length > ip.size)
    throw corrupt({
      structure: `system file ${ip.ino}`,
      field: 'di_size',
      value: `${ip.size}`,
      rule: `< ${pos + length}`,
    });
  if (ip.height === 0) return ip.buf.bytes.slice(DINODE_SIZE + pos, DINODE_SIZE + pos + length);
  const { blockSize } = ip.mp;
  const into = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const offset = (pos + done) % blockSize;
    const block = fileBlock(ip, (pos + done - offset) / blockSize);
    const { bytes } = ip.mp.block(block, rawOps);
    const part = bytes.subarray(offset, Math.min(blockSize, offset + length - done));
    into.set(part, done);
    done += part.length;
  }
  return into;
}

/** The block where a file has its block `index`. @throws FsError EUCLEAN if it has none */
function fileBlock(ip: Gfs2Inode, index: number): number {
  const there = path.lookup(ip, index * ip.mp.blockSize) && path.levels === path.height;
  const block = there ? path.pointer(ip) : 0;
  if (block !== 0) return block;
  throw corrupt({ structure: `system file ${ip.ino}`, field: `block ${index}`, rule: 'a hole' });
}
