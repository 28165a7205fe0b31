/**
 * Opening an image whose log is dirty: the log is replayed over the device in memory, the image is opened anew on top
 * of that, and what transactions must still do (intents, unlinked inodes, counters) is done in memory too. The image
 * itself stays as it is until the first change.
 */
import type { Device } from '../../../../core/device/device.ts';
import { FsError } from '../../../../core/errors.ts';
import type { XfsMount } from '../../mount.ts';
import { Agf, Agi } from '../../structure/ag.ts';
import { Superblock } from '../../structure/sb.ts';
import { finishIntents } from './finish.ts';
import { type Replayed, replayLog } from './replay.ts';
import { freeUnlinked } from './unlinked.ts';

/**
 * The mount after recovery: `mp` itself if its log is clean, else a new one, made by `remount` over the replayed data
 * device. @throws FsError EUCLEAN the log is damaged or cannot be replayed, EIO
 */
export function recoverMount(mp: XfsMount, remount: (data: Device) => XfsMount): XfsMount {
  const state = mp.log.found();
  if (state.clean) return mp;
  let replayed: Replayed;
  try {
    replayed = replayLog(mp, state);
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    throw new FsError(error.code, {
      detail: `the log cannot be replayed (--norecovery shows the image without it): ${error.message}`,
      cause: error,
    });
  }
  const recovered = remount(replayed.device);
  recovered.log.adopt(replayed);
  recountCounters(recovered);
  return recovered;
}

/**
 * The second half of recovery, once inodes can be used: intents and unlinked inodes. It stays in memory; what would
 * make the first checkpoint too large waits for the first change of the image. @throws FsError EUCLEAN, EOPNOTSUPP
 */
export function finishRecovery(mp: XfsMount): void {
  const { log } = mp;
  const replayed = log.recovered;
  if (replayed === null) return;
  const limit = log.found().area.blocks * 64;
  let done = false;
  log.recover(() => {
    finishIntents(mp, replayed.intents);
    done = freeUnlinked(mp, () => log.cil.bytes < limit);
  });
  if (!done) log.onStart(() => freeUnlinked(mp, () => true));
}

/** After a crash the lazy counters of the superblock are stale: the groups know (kernel: xfs_initialize_perag_data). */
function recountCounters(mp: XfsMount): void {
  if (!mp.features.lazySbCount) return;
  let icount = 0;
  let ifree = 0;
  let free = 0;
  for (let agno = 0; agno < mp.agCount; agno++) {
    const agf = mp.agf(agno).view;
    const agi = mp.agi(agno).view;
    icount += Agi.get.count(agi, 0);
    ifree += Agi.get.freecount(agi, 0);
    free += Agf.get.freeblks(agf, 0) + Agf.get.flcount(agf, 0) + Agf.get.btreeblks(agf, 0);
  }
  const { view } = mp.sbBuf;
  Superblock.set.icount(view, 0, icount);
  Superblock.set.ifree(view, 0, ifree);
  Superblock.set.fdblocks(view, 0, free);
  mp.log.countersChanged = true;
}
