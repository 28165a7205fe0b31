/** The free extents of a realtime section, from its bitmap. */
import { FsError } from '../../../core/errors.ts';
import type { XfsMount } from '../mount.ts';
import { findChange } from '../rt/bitmap.ts';

/** A run of free realtime extents. */
export interface FreeRun {
  readonly start: number;
  readonly count: number;
}

/** The free runs that touch realtime extents [first, last], cut to them. @throws FsError EUCLEAN, EIO, EOPNOTSUPP with realtime groups */
export function* freeRealtime(mp: XfsMount, first: number, last: number): Generator<FreeRun> {
  if (mp.features.rtgroups) throw new FsError('EOPNOTSUPP', { detail: 'fsmap of realtime groups' });
  for (let at = findChange(mp, first, last + 1, false); at <= last; ) {
    const end = findChange(mp, at, last + 1, true);
    yield { start: at, count: end - at };
    at = findChange(mp, end, last + 1, false);
  }
}
