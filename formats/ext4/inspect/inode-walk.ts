/** All inodes of an image that are in use, as the bitmaps say. */
import type { Ext4Mount } from '../mount.ts';
import { inodeBitmap, nextBit } from '../space/bitmaps.ts';

/** Shows `visit` the numbers of the inodes in use, from `from` on, until it answers false. @throws FsError EUCLEAN, EIO */
export function allocatedInodes(mp: Ext4Mount, from: number, visit: (ino: number) => boolean): void {
  const first = mp.groupOfIno(Math.max(1, from));
  for (let group = first; group < mp.groupCount; group++) {
    const bitmap = inodeBitmap(mp, group);
    const base = 1 + group * mp.inodesPerGroup;
    let bit = nextBit(bitmap, Math.max(0, from - base), true);
    for (; bit < bitmap.count; bit = nextBit(bitmap, bit + 1, true)) if (!visit(base + bit)) return;
  }
}
