/**
 * Opening an image whose journals are dirty: all are replayed over the device in memory, by number, and the image is
 * opened anew on top of that. The image itself stays as it is.
 */
import type { Device } from '../../../core/device/device.ts';
import { ReplayDevice } from '../../../core/device/replay.ts';
import { FsError } from '../../../core/errors.ts';
import type { Gfs2Filesystem } from '../filesystem.ts';
import type { Gfs2Inode } from '../inode.ts';
import { LOG_HEAD_UNMOUNT } from '../structure/log.ts';
import { StatfsChange } from '../structure/system.ts';
import { JournalArea } from './area.ts';
import { findHead, type Head } from './head.ts';
import { replayJournal } from './replay.ts';

interface DirtyJournal {
  readonly area: JournalArea;
  readonly head: Head;
}

/**
 * The file system after recovery: `fs` itself if its journals are clean, else a new one that `open` makes over the
 * replayed device. What the user must know goes to `notes`. @throws FsError EUCLEAN a journal cannot be replayed, EIO
 */
export function openJournals(
  fs: Gfs2Filesystem,
  open: (device: Device) => Gfs2Filesystem,
  notes: string[],
): Gfs2Filesystem {
  const { mp } = fs;
  try {
    const dirty = dirtyJournals(fs);
    if (dirty.length === 0) return fs;
    if (mp.options.norecovery) {
      const which = dirty.map(({ area }) => area.jid).join(', ');
      notes.push(`log not replayed: dirty journals ${which}; shown is the state without them`);
      return fs;
    }
    const overlay = new ReplayDevice(mp.device);
    for (const { area, head } of dirty) {
      replayJournal(area, head, overlay);
      recoverStatfs(fs, area.jid, head, overlay);
    }
    const recovered = open(overlay);
    recovered.mp.onImage = mp;
    return recovered;
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    if (mp.options.norecovery) {
      notes.push(`log not replayed: ${error.message}`);
      return fs;
    }
    throw new FsError(error.code, {
      detail: `the log cannot be replayed (--norecovery shows the image without it): ${error.message}`,
      cause: error,
    });
  }
}

/** Journals whose newest header does not say that all was in place. */
function dirtyJournals({ mp }: Gfs2Filesystem): DirtyJournal[] {
  const found: DirtyJournal[] = [];
  for (const [jid, file] of mp.system.journals.entries()) {
    const area = new JournalArea(jid, file);
    const head = findHead(area);
    if (head !== null && (head.lh_flags & LOG_HEAD_UNMOUNT) === 0) found.push({ area, head });
  }
  return found;
}

/** What the journal's node had not told the others of free space is in its newest header (kernel: recover_local_statfs). */
function recoverStatfs({ mp }: Gfs2Filesystem, jid: number, head: Head, overlay: Device): void {
  const { lh_local_total: total, lh_local_free: free, lh_local_dinodes: dinodes } = head;
  if (total !== 0 || free !== 0 || dinodes !== 0)
    changeStatfs(mp.system.file('statfs'), overlay, (old) => ({
      sc_total: old.sc_total + total,
      sc_free: old.sc_free + free,
      sc_dinodes: old.sc_dinodes + dinodes,
    }));
  const local = mp.system.perNode('statfs_change', jid);
  if (local !== null) changeStatfs(local, overlay, () => ({ sc_total: 0, sc_free: 0, sc_dinodes: 0 }));
}

type Counts = Readonly<Record<'sc_total' | 'sc_free' | 'sc_dinodes', number>>;

/** Changes the counts of a statfs file on the device; what memory has of its dinode is older. */
function changeStatfs(file: Gfs2Inode, device: Device, change: (old: Counts) => Counts): void {
  const { at } = file.mp.system.stuffed(file, StatfsChange.size);
  const bytes = new Uint8Array(StatfsChange.size);
  const view = new DataView(bytes.buffer);
  device.read(file.buf.addr + at, bytes);
  const changed = change(StatfsChange.decode(view, 0));
  for (const value of Object.values(changed))
    if (!Number.isSafeInteger(value))
      throw new FsError('EUCLEAN', { detail: `statfs file ${file.ino}: ${value} blocks` });
  StatfsChange.encode(view, 0, changed);
  device.write(file.buf.addr + at, bytes);
}
