/**
 * Free space and geometry as Linux reports them (kernel: xfs_fs_statfs, xfs_fs_geometry, xfs_ioctl_fs_counts). What
 * Linux keeps back while mounted (its pool, per-group reservations, blocks set aside) is not free here either.
 */

import type { StatFs } from '../../core/vfs/filesystem.ts';
import { StatFsFlag } from '../../core/vfs/statfs.ts';
import type { XfsInode } from './inode.ts';
import { inodeFlags } from './inode-core.ts';
import type { XfsMount } from './mount.ts';
import { projectLimits } from './quota/count.ts';
import { DiFlag } from './structure/dinode.ts';
import { Superblock } from './structure/sb.ts';

const XFS_SUPER_MAGIC = 0x58465342;
const MAX_INODES = 2 ** 56 - 1;

/** As seen from `ip`; null: from a file without a project on the data device. */
export function xfsStatfs(mp: XfsMount, ip: XfsInode | null): StatFs {
  const { view } = mp.sbBuf;
  const icount = Superblock.get.icount(view, 0);
  const ifree = Superblock.get.ifree(view, 0);
  const frextents = Superblock.get.frextents(view, 0);
  const bfree = Math.max(0, mp.space.available);
  const files = countFiles(mp, icount, bfree);
  const { sb } = mp;
  const limits = ip === null ? null : projectSpace(mp, ip);
  const whole = mp.dataBlocks - (mp.logStart === 0 ? 0 : mp.logBlocks);
  const realtime = ip !== null && sb.rblocks > 0 && (inodeFlags(ip) & (DiFlag.REALTIME | DiFlag.RTINHERIT)) !== 0;
  return {
    type: XFS_SUPER_MAGIC,
    blockSize: mp.blockSize,
    ...(realtime
      ? blocksOf(sb.rblocks, frextents * mp.rtExtSize)
      : limits !== null && limits.blocks > 0 && limits.blocks < whole
        ? blocksOf(limits.blocks, Math.max(0, limits.blocks - limits.blocksUsed))
        : blocksOf(whole, bfree)),
    ...(limits !== null && limits.inodes > 0 && limits.inodes < files
      ? { files: limits.inodes, ffree: Math.max(0, limits.inodes - limits.inodesUsed) }
      : { files, ffree: Math.max(0, files - (icount - ifree)) }),
    fsid: [Superblock.get.uuid(view, 0).reduce((sum, byte) => (sum * 31 + byte) >>> 0, 0), 0],
    nameMax: 255,
    frsize: mp.blockSize,
    // As a mount of the image would be: asking for no change here is not a read-only mount.
    flags: StatFsFlag.VALID + StatFsFlag.RELATIME + (mp.readOnly && !mp.options.readOnly ? StatFsFlag.RDONLY : 0),
    geometry: [
      ['bsize', mp.blockSize],
      ['agcount', mp.agCount],
      ['agblocks', mp.agBlocks],
      ['datablocks', mp.dataBlocks],
      ['rtblocks', sb.rblocks],
      ['rtextents', sb.rextents],
      ['rtextsize', mp.rtExtSize],
      ['sunit', sb.unit],
      ['swidth', sb.width],
    ],
    counts: [
      ['freedata', Math.max(0, mp.space.roughlyAvailable)],
      ['freertx', frextents],
      ['freeino', ifree],
      ['allocino', icount],
    ],
  };
}

function blocksOf(blocks: number, free: number) {
  return { blocks, bfree: free, bavail: free };
}

/** What a project may have, below a directory that hands the project on; null without limits. */
function projectSpace(mp: XfsMount, ip: XfsInode) {
  if (mp.quotas.length === 0 || (inodeFlags(ip) & DiFlag.PROJINHERIT) === 0) return null;
  return projectLimits(ip);
}

/** Inodes that there are or could be: free blocks could all become inodes, up to imax_pct of the image. */
function countFiles(mp: XfsMount, icount: number, bfree: number): number {
  let files = Math.min(icount + bfree * mp.inodesPerBlock, MAX_INODES);
  const { imax_pct } = mp.sb;
  if (imax_pct > 0) {
    const blocks = Math.floor((mp.dataBlocks * imax_pct) / 100);
    const whole = Math.floor(blocks / mp.blocksPerAlloc) * mp.blocksPerAlloc;
    files = Math.min(files, whole * mp.inodesPerBlock);
  }
  return Math.max(files, icount);
}
