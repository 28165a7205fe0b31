/** The target of a symbolic link: always in the dinode (kernel: gfs2_get_link). */
import { corrupt, FsError } from '../../core/errors.ts';
import { decodeToNul } from '../../core/vfs/names.ts';
import type { Gfs2Inode } from './inode.ts';
import { DINODE_SIZE } from './structure/dinode.ts';

/** @throws FsError EINVAL for another kind of file, EUCLEAN for a damaged link */
export function readSymlink(ip: Gfs2Inode): string {
  if (ip.kind !== 'symlink') throw new FsError('EINVAL');
  const { size, height } = ip;
  if (height !== 0)
    throw corrupt({ structure: `symlink ${ip.ino}`, field: 'di_height', value: `${height}`, rule: '> 0' });
  if (size === 0) throw corrupt({ structure: `symlink ${ip.ino}`, field: 'di_size', value: '0', rule: 'no target' });
  return decodeToNul(ip.buf.bytes.subarray(DINODE_SIZE, DINODE_SIZE + size));
}
