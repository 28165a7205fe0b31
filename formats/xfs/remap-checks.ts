/** Which files may share blocks (kernel: generic_remap_file_range_prep, xfs_reflink_remap_prep). */
import { FsError } from '../../core/errors.ts';
import type { XfsInode } from './inode.ts';
import { checkWritable } from './inode-write.ts';

/** @throws FsError EXDEV, EISDIR, EINVAL, EOPNOTSUPP, EPERM */
export function checkRemapFiles(target: XfsInode, source: XfsInode): void {
  if (source.mp !== target.mp) throw new FsError('EXDEV');
  if (source.kind === 'dir' || target.kind === 'dir') throw new FsError('EISDIR');
  if (source.kind !== 'file' || target.kind !== 'file') throw new FsError('EINVAL');
  if (!target.mp.features.reflink) throw new FsError('EOPNOTSUPP', { detail: 'the image has no reflink' });
  checkWritable(target);
  if (source.realtime || target.realtime) throw new FsError('EINVAL', { detail: 'a file is on the realtime device' });
}
