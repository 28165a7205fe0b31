/**
 * CoW staging extents outlive a crash in the refcount btree although no file knows them any more. They are freed
 * before the first change of an image, as Linux does when it mounts. Mirrors xfs_refcount_recover_cow_leftovers.
 */
import { cowKey, refcountbtCursor } from '../btree/refcount.ts';
import type { XfsMount } from '../mount.ts';
import { freeExtent } from './free.ts';
import { cowFree } from './refcount.ts';

/** Extents freed in one transaction. */
const BATCH = 64;

/** True if some AG has staging extents; reads one path of each refcount btree. */
export function hasCowLeftovers(mp: XfsMount): boolean {
  if (!mp.features.reflink) return false;
  for (let agno = 0; agno < mp.agCount; agno++) if (refcountbtCursor(mp, agno).lookup(cowKey(0), 'ge')) return true;
  return false;
}

/** Frees all staging extents; nobody may have any in use. @throws FsError EUCLEAN, EIO */
export function recoverCowLeftovers(mp: XfsMount): void {
  if (!mp.features.reflink) return;
  for (let agno = 0; agno < mp.agCount; agno++) {
    while (refcountbtCursor(mp, agno).lookup(cowKey(0), 'ge')) {
      mp.transact('cow leftovers', (tp) => {
        for (let i = 0; i < BATCH; i++) {
          const cursor = refcountbtCursor(mp, agno);
          if (!cursor.lookup(cowKey(0), 'ge')) return;
          const { startblock, blockcount } = cursor.get();
          const fsb = mp.agbToFsb(agno, startblock);
          cowFree(tp, fsb, blockcount);
          freeExtent(tp, fsb, blockcount, 'skip');
        }
      });
    }
  }
}
