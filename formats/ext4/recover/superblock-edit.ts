/** The superblock after recovery: nothing is left to be done, and its counts are those of the groups. */
import type { Device } from '../../../core/device/device.ts';
import { crc32cRaw } from '../checksum.ts';
import { SUPER_OFFSET } from '../magic.ts';
import type { Ext4Mount } from '../mount.ts';
import { Incompat, RoCompat } from '../structure/features.ts';
import { SUPER_SIZE, Superblock } from '../structure/superblock.ts';

/** Changes the primary superblock on a device, its checksum with it. @throws FsError EIO */
export function editSuperblock(device: Device, edit: (view: DataView) => void): void {
  const sb = new Uint8Array(SUPER_SIZE);
  device.read(SUPER_OFFSET, sb);
  const view = new DataView(sb.buffer);
  edit(view);
  const { get, set, at } = Superblock;
  if ((get.feature_ro_compat(view, 0) & RoCompat.metadata_csum) !== 0)
    set.checksum(view, 0, crc32cRaw(0xffffffff, sb.subarray(0, at.checksum)));
  device.write(SUPER_OFFSET, sb);
}

/** The journal has been replayed. */
export function clearNeedsRecovery(device: Device): void {
  editSuperblock(device, (view) => {
    const bits = Superblock.get.feature_incompat(view, 0) & ~Incompat.needs_recovery;
    Superblock.set.feature_incompat(view, 0, bits >>> 0);
  });
}

/** No orphan is left, and what was freed is counted. */
export function finishSuperblock(mp: Ext4Mount): void {
  let clusters = 0;
  let inodes = 0;
  for (let group = 0; group < mp.groupCount; group++) {
    clusters += mp.groups.freeClusters(group);
    inodes += mp.groups.freeInodes(group);
  }
  const blocks = clusters * mp.clusterBlocks;
  editSuperblock(mp.device, (view) => {
    const { get, set } = Superblock;
    set.last_orphan(view, 0, 0);
    set.feature_ro_compat(view, 0, (get.feature_ro_compat(view, 0) & ~RoCompat.orphan_present) >>> 0);
    set.free_inodes_count(view, 0, inodes);
    set.free_blocks_count_lo(view, 0, blocks % 2 ** 32);
    if (mp.incompat('64bit')) set.free_blocks_count_hi(view, 0, Math.floor(blocks / 2 ** 32));
  });
}
