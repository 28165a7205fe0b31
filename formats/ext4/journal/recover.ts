/**
 * Opening an image whose journal must be replayed: its transactions are laid over the device in memory, and the image is
 * opened anew on top of that. The image itself stays as it is.
 */

import type { Device } from '../../../core/device/device.ts';
import { ReplayDevice } from '../../../core/device/replay.ts';
import { FsError } from '../../../core/errors.ts';
import { crc32cRaw } from '../checksum.ts';
import { SUPER_OFFSET } from '../magic.ts';
import type { Ext4Mount } from '../mount.ts';
import { Incompat, RoCompat } from '../structure/features.ts';
import { JournalSuperblock } from '../structure/journal.ts';
import { SUPER_SIZE, Superblock } from '../structure/superblock.ts';
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

function clearNeedsRecovery(device: Device): void {
  const sb = new Uint8Array(SUPER_SIZE);
  device.read(SUPER_OFFSET, sb);
  const view = new DataView(sb.buffer);
  const { get, set, at } = Superblock;
  set.feature_incompat(view, 0, (get.feature_incompat(view, 0) & ~Incompat.needs_recovery) >>> 0);
  if ((get.feature_ro_compat(view, 0) & RoCompat.metadata_csum) !== 0)
    set.checksum(view, 0, crc32cRaw(0xffffffff, sb.subarray(0, at.checksum)));
  device.write(SUPER_OFFSET, sb);
}
