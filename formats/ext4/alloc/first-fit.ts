/** Finding a free block where it does not matter much which: the first, from a group on (kernel: ext4_mb_new_blocks_simple). */
import { FsError } from '../../../core/errors.ts';
import { blockBitmap, nextBit } from '../space/bitmaps.ts';
import type { Changes } from './changes.ts';
import { markBlocks } from './marks.ts';

/** Marks a free block (with bigalloc: the first of a cluster) as used. @throws FsError ENOSPC, EUCLEAN, EIO */
export function allocateBlock(changes: Changes, group: number, taken: (block: number) => boolean): number {
  const { mp } = changes;
  for (let i = 0; i < mp.groupCount; i++) {
    const at = (group + i) % mp.groupCount;
    if (mp.groups.freeClusters(at) === 0) continue;
    const start = mp.groupStart(at);
    const bitmap = blockBitmap(mp, at);
    for (let bit = nextBit(bitmap, 0, false); bit < bitmap.count; bit = nextBit(bitmap, bit + 1, false)) {
      const block = start + bit * mp.clusterBlocks;
      if (isTaken(block, mp.clusterBlocks, taken)) continue;
      markBlocks(changes, block, 1, true);
      return block;
    }
  }
  throw new FsError('ENOSPC');
}

function isTaken(block: number, count: number, taken: (block: number) => boolean): boolean {
  for (let i = 0; i < count; i++) if (taken(block + i)) return true;
  return false;
}
