/**
 * Free space as Linux reports it (kernel: gfs2_statfs_i): what all nodes have agreed on, and what the node of the first
 * journal, which a mount of the image would be, has changed since.
 */

import type { StatFs } from '../../core/vfs/filesystem.ts';
import { StatFsFlag, uuidFsid } from '../../core/vfs/statfs.ts';
import type { Gfs2Inode } from './inode.ts';
import type { Gfs2Mount } from './mount.ts';
import { GFS2_MAGIC } from './structure/meta.ts';
import { StatfsChange } from './structure/system.ts';

const NAME_MAX = 255;

export function gfs2Statfs(mp: Gfs2Mount): StatFs {
  const master = readChange(mp, mp.system.file('statfs'));
  const file = mp.system.perNode('statfs_change', 0);
  const local = file === null ? { total: 0, free: 0, dinodes: 0 } : readChange(mp, file);
  const total = Math.max(0, master.total + local.total);
  const free = Math.min(total, Math.max(0, master.free + local.free));
  const dinodes = Math.max(0, master.dinodes + local.dinodes);
  return {
    type: GFS2_MAGIC,
    blockSize: mp.blockSize,
    blocks: total,
    bfree: free,
    bavail: free,
    files: dinodes + free,
    ffree: free,
    fsid: uuidFsid(mp.sb.sb_uuid),
    nameMax: NAME_MAX,
    frsize: mp.blockSize,
    // As a mount of the image would be: asking for no change here is not a read-only mount.
    flags: StatFsFlag.VALID + StatFsFlag.RELATIME,
    geometry: [],
    counts: [],
  };
}

function readChange(mp: Gfs2Mount, file: Gfs2Inode): { total: number; free: number; dinodes: number } {
  const { view, at } = mp.system.stuffed(file, StatfsChange.size);
  const { get } = StatfsChange;
  return { total: get.sc_total(view, at), free: get.sc_free(view, at), dinodes: get.sc_dinodes(view, at) };
}
