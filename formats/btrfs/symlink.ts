/** The target of a symbolic link: the bytes of the file, which Linux writes as one inline extent. */
import { corrupt, FsError } from '../../core/errors.ts';
import { bufferedRead } from '../../core/iomap/read.ts';
import { decodeToNul } from '../../core/vfs/names.ts';
import type { BtrfsInode } from './inode.ts';

/** The longest target that Linux follows, and a file system could keep in one block. */
const PATH_MAX = 4096;

/** @throws FsError EINVAL for what is no link, EUCLEAN */
export function readSymlink(ip: BtrfsInode): string {
  if (ip.kind !== 'symlink') throw new FsError('EINVAL');
  const { size } = ip;
  if (size >= PATH_MAX)
    throw corrupt({
      structure: `link ${ip.ino} of tree ${ip.root.id}`,
      field: 'size',
      value: String(size),
      rule: `>= ${PATH_MAX}`,
    });
  const target = new Uint8Array(size);
  bufferedRead(ip, 0, target);
  return decodeToNul(target);
}
