/** Reading the bytes of something that is not read as files are: symbolic links, attribute values. */
import { corrupt } from '../../core/errors.ts';
import type { Ext4Inode } from './inode.ts';
import { BlockRun } from './map/run.ts';

const run = new BlockRun();

/** The first `size` bytes of an inode's blocks, which must be there. @throws FsError EUCLEAN, EIO */
export function readWhole(ip: Ext4Inode, size: number): Uint8Array {
  const { mp } = ip;
  const bytes = new Uint8Array(size);
  for (let done = 0; done < size; ) {
    ip.map(done / mp.blockSize, run);
    if (run.physical === 0 || run.unwritten)
      throw corrupt({
        structure: `inode ${ip.ino}`,
        field: `file block ${done / mp.blockSize}`,
        rule: 'no block is mapped',
      });
    const length = Math.min(size - done, run.length * mp.blockSize);
    mp.device.read(run.physical * mp.blockSize, bytes.subarray(done, done + length));
    done += length;
  }
  return bytes;
}
