/**
 * Where an image's journal lies: in an inode of its own, or on another device, which begins with a superblock that says
 * so (kernel: fs/ext4/super.c, ext4_load_journal).
 */
import type { Device } from '../../../core/device/device.ts';
import { corrupt, FsError } from '../../../core/errors.ts';
import { crc32cRaw } from '../checksum.ts';
import { SUPER_MAGIC, SUPER_OFFSET } from '../magic.ts';
import { BlockRun } from '../map/run.ts';
import type { Ext4Mount } from '../mount.ts';
import { Incompat, RoCompat } from '../structure/features.ts';
import { SUPER_SIZE, Superblock } from '../structure/superblock.ts';
import { blockSizeOf, blocksCountOf } from '../superblock.ts';
import { JournalArea } from './area.ts';

/** The blocks of an image's journal. @throws FsError ENODEV the device was not given, EUCLEAN, EINVAL, EIO */
export function journalArea(mp: Ext4Mount): JournalArea {
  const { journal_inum: ino, journal_dev: device } = mp.sb;
  if (ino !== 0 && device !== 0)
    throw corrupt({
      structure: 'superblock',
      field: 'journal_dev',
      value: `0x${device.toString(16)}`,
      rule: 'and an inode',
    });
  if (ino !== 0) return inodeArea(mp, ino);
  const external = mp.options.devices[0];
  if (external === undefined)
    throw new FsError('ENODEV', { detail: 'the journal is on another device: give it with --device' });
  return deviceArea(mp, external);
}

function inodeArea(mp: Ext4Mount, ino: number): JournalArea {
  const inode = mp.inodes.get(ino);
  if (inode.kind !== 'file' || inode.nlink === 0)
    throw corrupt({
      structure: `journal inode ${ino}`,
      field: 'mode',
      value: `0${inode.mode.toString(8)}`,
      rule: 'no journal',
    });
  const run = new BlockRun();
  const place = (block: number): number => {
    // The journal is read from front to back.
    if (!(block >= run.logical && block < run.logical + run.length)) inode.map(block, run);
    return run.physical === 0 ? -1 : (run.physical + (block - run.logical)) * mp.blockSize;
  };
  return new JournalArea(mp.device, mp.blockSize, Math.floor(inode.size / mp.blockSize), 0, place);
}

function deviceArea(mp: Ext4Mount, device: Device): JournalArea {
  const refuse = (detail: string): FsError => new FsError('EINVAL', { path: device.name, detail });
  if (device.size < SUPER_OFFSET + SUPER_SIZE) throw refuse('no external journal');
  const bytes = new Uint8Array(SUPER_SIZE);
  device.read(SUPER_OFFSET, bytes);
  const sb = Superblock.decode(new DataView(bytes.buffer), 0);
  if (sb.magic !== SUPER_MAGIC || (sb.feature_incompat & Incompat.journal_dev) === 0)
    throw refuse('no external journal');
  const summed = (sb.feature_ro_compat & RoCompat.metadata_csum) !== 0;
  if (summed && crc32cRaw(0xffffffff, bytes.subarray(0, Superblock.at.checksum)) !== sb.checksum)
    throw corrupt({
      structure: `superblock of the journal ${device.name}`,
      addr: SUPER_OFFSET,
      field: 'checksum',
      rule: 'crc',
    });
  if (Buffer.compare(sb.uuid, mp.sb.journal_uuid) !== 0) throw refuse('the journal of another file system');
  if (blockSizeOf(sb) !== mp.blockSize) throw refuse(`a journal with blocks of ${blockSizeOf(sb)} bytes`);
  // Blocks are counted from the start of the device; the journal begins behind the one that has the superblock.
  const start = Math.floor(SUPER_OFFSET / mp.blockSize) + 1;
  return new JournalArea(device, mp.blockSize, blocksCountOf(sb), start, (block) => block * mp.blockSize);
}
