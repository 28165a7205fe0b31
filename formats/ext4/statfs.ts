/**
 * Free space as Linux reports it (kernel: ext4_statfs, ext4_calculate_overhead, ext4_calculate_resv_clusters): without
 * the blocks that hold the format itself, and less what is kept for the super-user and for extent trees.
 */

import type { StatFs } from '../../core/vfs/filesystem.ts';
import { StatFsFlag, uuidFsid } from '../../core/vfs/statfs.ts';
import { SUPER_MAGIC } from './magic.ts';
import type { Ext4Mount } from './mount.ts';
import { NAME_MAX } from './structure/dir.ts';
import { reservedBlocksOf } from './superblock.ts';
import { baseMetaBlocks } from './system-zones.ts';

/** Clusters that allocation for extent trees may fall back on: a fiftieth, and no more than this. */
const MAX_RESERVED_CLUSTERS = 4096;

export function ext4Statfs(mp: Ext4Mount): StatFs {
  const { groups, clusterBlocks } = mp;
  let free = 0;
  let freeInodes = 0;
  for (let group = 0; group < mp.groupCount; group++) {
    free += groups.freeClusters(group);
    freeInodes += groups.freeInodes(group);
  }
  const clusters = Math.floor(mp.blocks / clusterBlocks);
  const kept = mp.incompat('extent') ? Math.min(Math.floor(clusters / 50), MAX_RESERVED_CLUSTERS) : 0;
  const reserved = reservedBlocksOf(mp.sb) + kept * clusterBlocks;
  return {
    type: SUPER_MAGIC,
    blockSize: mp.blockSize,
    blocks: mp.blocks - overheadClusters(mp) * clusterBlocks,
    bfree: free * clusterBlocks,
    bavail: Math.max(0, free * clusterBlocks - reserved),
    files: mp.sb.inodes_count,
    ffree: freeInodes,
    fsid: uuidFsid(mp.sb.uuid),
    nameMax: NAME_MAX,
    frsize: mp.blockSize,
    // As a mount of the image would be: asking for no change here is not a read-only mount.
    flags: StatFsFlag.VALID + StatFsFlag.RELATIME + (mp.mustStayReadOnly ? StatFsFlag.RDONLY : 0),
    geometry: [],
    counts: [],
  };
}

/** Clusters of the format itself: superblocks, descriptors, bitmaps, inode tables and the journal. */
function overheadClusters(mp: Ext4Mount): number {
  const { clusterBlocks } = mp;
  const known = mp.sb.overhead_clusters;
  if (clusterBlocks > 1 && known > 0 && known <= mp.blocks) return known;
  const journal = Math.ceil(journalBlocks(mp) / clusterBlocks);
  if (clusterBlocks > 1) return mp.zones.clusters(clusterBlocks) + journal;
  let overhead = mp.firstDataBlock + journal;
  for (let group = 0; group < mp.groupCount; group++) overhead += baseMetaBlocks(mp, group) + mp.tableBlocks + 2;
  return overhead;
}

/** Blocks of the journal, if it lies in a file. */
function journalBlocks(mp: Ext4Mount): number {
  const ino = mp.sb.journal_inum;
  return mp.compat('has_journal') && ino !== 0 ? Math.floor(mp.iget(ino).size / mp.blockSize) : 0;
}
