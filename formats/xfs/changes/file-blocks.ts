/** Blocks of files that are the file system's own. */
import { forkLookup } from '../bmap-fork.ts';
import { Extent } from '../extent.ts';
import type { XfsMount } from '../mount.ts';
import type { Differing } from './differing.ts';

/** The differing ones of the first `count` blocks of a file; they count as explained. */
export function* changedBlocks(mp: XfsMount, ino: number, count: number, blocks: Differing) {
  const extent = new Extent();
  const ip = mp.iget(ino);
  for (let off = 0; off < count && forkLookup(ip, 'data', off, extent); off = extent.end) {
    for (let block = extent.off; block < Math.min(count, extent.end); block++) {
      const addr = mp.fsbToAddr(extent.block + (block - extent.off));
      if (!blocks.touches(addr, mp.blockSize, mp.blockSize)) continue;
      blocks.explain(addr, mp.blockSize, mp.blockSize);
      yield { addr, block };
    }
  }
}
