/**
 * Work of many transactions that shall reach the disk together: all of it or nothing after a crash. What is too
 * large for the log to take at once is cut at points where the file system is valid.
 */
import type { XfsMount } from './mount.ts';

/** Transactions between two looks at how much the log would have to take. */
const LOOK = 64;

/** Runs `work` as one step for crashes; it calls `rest` between transactions where a cut would be valid. */
export function atomically<T>(mp: XfsMount, work: (rest: () => void) => T): T {
  const { log } = mp;
  const limit = (mp.logBlocks * mp.blockSize) / 4;
  let count = 0;
  log.beginAtomic();
  try {
    return work(() => {
      if (++count % LOOK !== 0 || log.cil.bytes < limit) return;
      log.endAtomic();
      log.beginAtomic();
    });
  } finally {
    log.endAtomic();
  }
}
