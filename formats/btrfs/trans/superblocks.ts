/**
 * The superblock of a commit: where the roots are now, the oldest of four backups replaced by the same, and per
 * device that device's own item. Each device gets it at 64 KiB first, then its copies at 64 MiB and 256 GiB.
 * Mirrors update_super_roots() of transaction.c, backup_super_roots() and write_all_supers() of disk-io.c.
 */
import type { Device } from '../../../core/device/device.ts';
import { sealSuperblock } from '../checksum.ts';
import type { BtrfsMount } from '../mount.ts';
import { Objectid } from '../structure/key.ts';
import { RootBackup, SUPER_OFFSETS, SUPER_SIZE, SuperBlock, SuperFlag } from '../structure/superblock.ts';
import { readSuperblock } from '../superblock.ts';
import type { TreeRoot } from '../tree/root.ts';
import type { Member } from '../volumes/member.ts';
import type { TransactionManager } from './transaction.ts';

/** Brings mp.sb up to date and writes it everywhere. @throws FsError EIO */
export function writeSuperblocks(trans: TransactionManager): void {
  const { mp } = trans;
  updateRoots(trans);
  const bytes = new Uint8Array(SUPER_SIZE);
  const view = new DataView(bytes.buffer);
  for (const member of mp.space.members.all) {
    const { device } = member;
    if (device === null || member.seed) continue;
    mp.sb.dev_item = devItem(mp, member, device);
    SuperBlock.encode(view, 0, mp.sb);
    for (const offset of SUPER_OFFSETS) {
      if (offset + SUPER_SIZE > member.totalBytes) continue;
      SuperBlock.set.bytenr(view, 0, offset);
      sealSuperblock(mp, bytes);
      device.write(offset, bytes);
    }
    member.generation = mp.sb.generation;
    member.stale = false;
  }
}

function updateRoots(trans: TransactionManager): void {
  const { mp } = trans;
  const { sb, treeRoot, chunkRoot } = mp;
  const uuidTreeCurrent = sb.uuid_tree_generation === sb.generation;
  const backup = nextBackup(mp);
  sb.generation = trans.id;
  sb.cache_generation = mp.groups.cacheGeneration(sb.generation);
  sb.root = treeRoot.bytenr;
  sb.root_level = treeRoot.level;
  sb.chunk_root = chunkRoot.bytenr;
  sb.chunk_root_level = chunkRoot.level;
  sb.chunk_root_generation = chunkRoot.generation;
  sb.log_root = 0;
  sb.log_root_level = 0;
  // Only a uuid tree that was complete before this transaction is known to be complete after it.
  if (uuidTreeCurrent) sb.uuid_tree_generation = sb.generation;
  sb.flags |= SuperFlag.WRITTEN;
  sb.super_roots[backup] = backupRoots(mp);
}

/** The slot after that of the last commit. */
function nextBackup(mp: BtrfsMount): number {
  const newest = mp.sb.super_roots.findIndex((backup) => backup.tree_root_gen === mp.sb.generation);
  return (newest + 1) % mp.sb.super_roots.length;
}

function backupRoots(mp: BtrfsMount): BtrfsMount['sb']['super_roots'][number] {
  const { sb } = mp;
  const extent = mp.extentRoot();
  const csum = mp.csumRoot();
  const fs = mp.root(Objectid.FS_TREE);
  const at = (root: TreeRoot): [number, number, number] => [root.bytenr, root.generation, root.level];
  const backup = RootBackup.decode(new DataView(new ArrayBuffer(RootBackup.size)), 0);
  [backup.tree_root, backup.tree_root_gen, backup.tree_root_level] = at(mp.treeRoot);
  [backup.chunk_root, backup.chunk_root_gen, backup.chunk_root_level] = at(mp.chunkRoot);
  [backup.extent_root, backup.extent_root_gen, backup.extent_root_level] = at(extent);
  [backup.fs_root, backup.fs_root_gen, backup.fs_root_level] = at(fs);
  [backup.dev_root, backup.dev_root_gen, backup.dev_root_level] = at(mp.devRoot);
  [backup.csum_root, backup.csum_root_gen, backup.csum_root_level] = at(csum);
  backup.total_bytes = sb.total_bytes;
  backup.bytes_used = sb.bytes_used;
  backup.num_devices = sb.num_devices;
  return backup;
}

const items = new WeakMap<Device, BtrfsMount['sb']['dev_item']>();

/** The device's item as its own superblock has it, with the sizes of now. */
function devItem(mp: BtrfsMount, member: Member, device: Device): BtrfsMount['sb']['dev_item'] {
  let item = items.get(device);
  if (item === undefined) {
    // The good copy's: a damaged primary must not be written back as if it were right.
    item = readSuperblock(device).values.dev_item;
    items.set(device, item);
  }
  item.generation = 0;
  item.devid = member.devid;
  item.total_bytes = member.totalBytes;
  item.bytes_used = member.bytesUsed;
  item.fsid = mp.sb.dev_item.fsid;
  return item;
}
