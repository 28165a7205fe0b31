/**
 * Opening an image whose journal must be replayed: its transactions are laid over the device in memory, and the image is
 * opened anew on top of that. The image itself stays as it is.
 */

import type { Device } from '../../../core/device/device.ts';
import { ReplayDevice } from '../../../core/device/replay.ts';
import { FsError } from '../../../core/errors.ts';
import type { Ext4Mount } from '../mount.ts';
import { clearNeedsRecovery } from '../recover/superblock-edit.ts';
import { JournalSuperblock } from '../structure/journal.ts';
import { type FastTag, fastCommitTags } from './fast-commits.ts';
import { journalArea } from './find.ts';
import { replayTransactions } from './replay.ts';
import { scanJournal } from './scan.ts';
import { type Journal, openJournal, superblockChecksum } from './superblock.ts';

/** What replaying a journal gave. */
export interface Replayed {
  /** The image's device with the replayed blocks over it. */
  readonly device: Device;
  /** What fast commits did after the last transaction. */
  readonly fastTags: readonly FastTag[];
}

/** True if the image says that its journal must be replayed before anything is believed. */
export function needsRecovery(mp: Ext4Mount): boolean {
  return mp.compat('has_journal') && mp.incompat('needs_recovery');
}

/** An image whose journal need not be replayed, to be changed in memory all the same. */
export function unreplayed(mp: Ext4Mount): Replayed {
  return { device: new ReplayDevice(mp.device), fastTags: [] };
}

/** Replays the journal of an image in memory. @throws FsError EUCLEAN it is damaged, ENODEV, EINVAL, EIO */
export function replayJournal(mp: Ext4Mount): Replayed {
  try {
    return replay(mp);
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    throw new FsError(error.code, {
      detail: `the journal cannot be replayed (--norecovery shows the image without it): ${error.message}`,
      cause: error,
    });
  }
}

function replay(mp: Ext4Mount): Replayed {
  const journal = openJournal(journalArea(mp));
  const device = new ReplayDevice(mp.device);
  let fastTags: readonly FastTag[] = [];
  if (journal.start !== 0) {
    const scan = scanJournal(journal);
    fastTags = fastCommitTags(journal, scan.end, mp.inodeSize);
    replayTransactions(journal, scan, device);
    if (journal.area.device === mp.device) emptyJournal(journal, scan.end, device);
  }
  clearNeedsRecovery(device);
  return { device, fastTags };
}

/** Nothing is left to be replayed; numbers that were used are not used again. */
function emptyJournal(journal: Journal, end: number, device: Device): void {
  const sb = journal.sb.slice();
  const view = new DataView(sb.buffer);
  JournalSuperblock.set.start(view, 0, 0);
  JournalSuperblock.set.sequence(view, 0, (end + 1) >>> 0);
  if (journal.checksums >= 2) JournalSuperblock.set.checksum(view, 0, superblockChecksum(sb));
  device.write(journal.area.addr(0), sb);
}
