/**
 * The free extents of a realtime section, from its bitmap: a file whose bits, in little-endian words of 32, stand for
 * realtime extents; 1 is free (kernel: xfs_rtbitmap.c, as written by little-endian machines).
 */
import { corrupt, FsError } from '../../../core/errors.ts';
import { forkLookup } from '../bmap-fork.ts';
import { Extent } from '../extent.ts';
import type { XfsMount } from '../mount.ts';

/** A run of free realtime extents. */
export interface FreeRun {
  readonly start: number;
  readonly count: number;
}

/** The free runs that touch realtime extents [first, last], cut to them. @throws FsError EUCLEAN, EIO, EOPNOTSUPP with realtime groups */
export function* freeRealtime(mp: XfsMount, first: number, last: number): Generator<FreeRun> {
  if (mp.features.rtgroups) throw new FsError('EOPNOTSUPP', { detail: 'fsmap of realtime groups' });
  const { rbmino } = mp.sb;
  if (rbmino === null) throw corrupt({ structure: 'superblock', field: 'rbmino', rule: 'no realtime bitmap' });
  const bitmap = mp.iget(rbmino);
  const block = new Uint8Array(mp.blockSize);
  const perBlock = mp.blockSize * 8;
  const extent = new Extent();
  let start = -1;
  let loaded = -1;
  for (let at = first; at <= last; at++) {
    const wanted = Math.floor(at / perBlock);
    if (wanted !== loaded) {
      if (!forkLookup(bitmap, 'data', wanted, extent) || extent.off > wanted)
        throw corrupt({
          structure: `realtime bitmap, inode ${rbmino}`,
          field: `block ${wanted}`,
          rule: 'is not mapped',
        });
      mp.device.read(mp.fsbToAddr(extent.block + (wanted - extent.off)), block);
      loaded = wanted;
    }
    const bit = at % perBlock;
    const free = (((block[bit >>> 3] as number) >>> (bit & 7)) & 1) === 1;
    if (free && start < 0) start = at;
    else if (!free && start >= 0) {
      yield { start, count: at - start };
      start = -1;
    }
  }
  if (start >= 0) yield { start, count: last + 1 - start };
}
