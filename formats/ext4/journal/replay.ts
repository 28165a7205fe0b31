/** Writes what a journal's whole transactions hold to a device, which is to be one in memory (kernel: PASS_REPLAY). */
import type { Device } from '../../../core/device/device.ts';
import { corrupt } from '../../../core/errors.ts';
import { JOURNAL_MAGIC, JournalBlockType, TagFlag } from '../structure/journal.ts';
import { copyIsGood } from './checksum.ts';
import { isLater, type JournalScan } from './scan.ts';
import type { Journal } from './superblock.ts';
import type { Tag } from './tags.ts';
import { journalBlocks } from './walk.ts';

/** Replays the transactions that `scan` found. @throws FsError EUCLEAN, EIO */
export function replayTransactions(journal: Journal, scan: JournalScan, device: Device): void {
  for (const block of journalBlocks(journal)) {
    if (!isLater(scan.end, block.sequence)) break;
    if (block.type !== JournalBlockType.DESCRIPTOR) continue;
    for (const [i, tag] of block.tags.entries()) {
      const last = scan.revoked.get(tag.target);
      if (last !== undefined && !isLater(block.sequence, last)) continue;
      replayCopy(journal, tag, block.places[i] as number, block.sequence, device);
    }
  }
}

function replayCopy(journal: Journal, tag: Tag, place: number, sequence: number, device: Device): void {
  const { area } = journal;
  const copy = area.read(place);
  const structure = `journal copy of block ${tag.target} in transaction ${sequence}`;
  if (!copyIsGood(journal, tag, copy, sequence)) throw corrupt({ structure, addr: area.addr(place), rule: 'checksum' });
  const addr = tag.target * area.blockSize;
  if (addr + area.blockSize > device.size)
    throw corrupt({ structure, addr: area.addr(place), rule: 'the device has no such block' });
  // A block that began with the journal's own magic number is kept without it.
  if ((tag.flags & TagFlag.ESCAPE) !== 0) new DataView(copy.buffer).setUint32(0, JOURNAL_MAGIC);
  device.write(addr, copy);
}
