/**
 * Blanks what nobody needs of the journals of a gfs2 image: all but the newest header and what it says is still to be
 * replayed. mkfs fills a journal with headers, no two alike, that no packing makes small. IMAGE …
 */
import { openDevice } from '../../core/device/open.ts';
import type { Gfs2Filesystem } from '../../formats/gfs2/filesystem.ts';
import { JournalArea } from '../../formats/gfs2/journal/area.ts';
import { findHead } from '../../formats/gfs2/journal/head.ts';
import { LOG_HEAD_UNMOUNT } from '../../formats/gfs2/structure/log.ts';
import { mountDevice } from '../harness/mount-device.ts';

for (const image of process.argv.slice(2)) {
  const device = openDevice(image);
  const { mp } = mountDevice(device, { readOnly: true, norecovery: true }) as Gfs2Filesystem;
  device.enableWrites?.();
  for (const [jid, file] of mp.system.journals.entries()) {
    const area = new JournalArea(jid, file);
    const head = findHead(area);
    if (head === null) continue;
    const kept = new Set([head.lh_blkno]);
    const clean = (head.lh_flags & LOG_HEAD_UNMOUNT) !== 0;
    for (let block = clean ? head.lh_blkno : head.lh_tail; block !== head.lh_blkno; block = area.after(block))
      kept.add(block);
    const blank = new Uint8Array(mp.blockSize);
    for (let block = 0; block < area.blocks; block++) if (!kept.has(block)) device.write(area.addr(block), blank);
    console.log(`${image}: ${area.name}: ${kept.size} of ${area.blocks} blocks kept`);
  }
  device.flush();
  device.close();
}
