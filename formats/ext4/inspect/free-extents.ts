/** Free space as the bitmaps have it, in runs that may cross groups. */
import type { Ext4Mount } from '../mount.ts';
import { blockBitmap, nextBit } from '../space/bitmaps.ts';

/** Shows `visit` every run of free blocks by rising number, until it answers false. @throws FsError EUCLEAN, EIO */
export function freeExtents(mp: Ext4Mount, visit: (block: number, length: number) => boolean): void {
  let start = 0;
  let end = 0;
  for (let group = 0; group < mp.groupCount; group++) {
    const bitmap = blockBitmap(mp, group);
    const base = mp.groupStart(group);
    const last = base + mp.groupSize(group);
    let bit = nextBit(bitmap, 0, false);
    while (bit < bitmap.count) {
      const stop = nextBit(bitmap, bit, true);
      const from = base + bit * mp.clusterBlocks;
      if (from !== end) {
        if (end > start && !visit(start, end - start)) return;
        start = from;
      }
      end = Math.min(last, base + stop * mp.clusterBlocks);
      bit = nextBit(bitmap, stop, false);
    }
  }
  if (end > start) visit(start, end - start);
}
