import { FsError } from '../../core/errors.ts';
import { decodeName, encodeName } from '../../core/vfs/names.ts';
import type { BtrfsMount } from './mount.ts';
import { LABEL_SIZE } from './structure/superblock.ts';

/** The name of the file system. */
export function readLabel(mp: BtrfsMount): string {
  return decodeName(Buffer.from(mp.sb.label, 'latin1'));
}

/** Sets the name of the file system. @throws FsError EINVAL for more than 255 bytes, EROFS */
export function writeLabel(mp: BtrfsMount, label: string): void {
  const bytes = encodeName(label);
  if (bytes.length >= LABEL_SIZE || bytes.includes(0)) throw new FsError('EINVAL');
  mp.change('label', 1, () => {
    // The superblock alone is changed, and is written by a commit of something: of the root tree, as Linux does it.
    mp.trans.cow(mp.treeRoot, mp.treeRoot.node(), null, 0);
    const before = mp.sb.label;
    mp.sb.label = Buffer.from(bytes).toString('latin1');
    mp.trans.onUndo(() => {
      mp.sb.label = before;
    });
  });
}
