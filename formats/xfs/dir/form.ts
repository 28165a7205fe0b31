/** Which form a directory has, by its size and the end of its blocks (kernel: xfs_dir2_format). */
import { corrupt } from '../../../core/errors.ts';
import { dataForkEnd } from '../da/block.ts';
import { type DirForm, recentBlocks } from '../da/recent.ts';
import type { XfsInode } from '../inode.ts';
import { diskSize } from '../inode-core.ts';
import type { DirGeometry } from './geometry.ts';

/** The form of a directory. @throws FsError EUCLEAN if size and blocks fit none */
export function dirForm(dp: XfsInode, geo: DirGeometry): DirForm {
  if (dp.dataFork.format === 'local') return 'short';
  const recent = recentBlocks(dp);
  recent.form ??= blockForm(dp, geo);
  return recent.form;
}

function blockForm(dp: XfsInode, geo: DirGeometry): DirForm {
  const end = dataForkEnd(dp);
  if (end === geo.fsbCount && diskSize(dp) === geo.blockSize) return 'block';
  if (end === geo.leafBlock + geo.fsbCount) return 'leaf';
  if (end > geo.leafBlock) return 'node';
  throw corrupt({
    structure: `directory ${dp.ino}`,
    field: 'size',
    value: String(diskSize(dp)),
    rule: `does not fit ${end} blocks`,
  });
}
