/**
 * One ext2, ext3 or ext4 image in use: its device, geometry, features and blocks. Geometry is plain numbers computed
 * once; block, group and inode numbers are translated here and nowhere else.
 *
 *     group g    blocks [firstDataBlock + g * blocksPerGroup, …), inodes [1 + g * inodesPerGroup, …)
 *     cluster    clusterBlocks blocks: what a bit of a block bitmap stands for
 */
import { type Buf, BufferCache, type BufOps } from '../../core/buffer-cache.ts';
import type { Device } from '../../core/device/device.ts';
import type { MountOptions } from '../../core/vfs/filesystem.ts';
import { crc32cRaw } from './checksum.ts';
import { GroupTable } from './groups.ts';
import type { Ext4Inode } from './inode.ts';
import type { InodeTable } from './inode-table.ts';
import { Compat, Incompat, RoCompat } from './structure/features.ts';
import { RESIZE_INO } from './structure/inode.ts';
import {
  blockSizeOf,
  blocksCountOf,
  clusterBlocksOf,
  descSizeOf,
  firstInoOf,
  groupCountOf,
  inodeSizeOf,
  type SuperblockValues,
} from './superblock.ts';
import { SystemZones } from './system-zones.ts';

const CACHE_BYTES = 64 * 1024 * 1024;

export class Ext4Mount {
  readonly device: Device;
  readonly cache: BufferCache;
  readonly options: MountOptions;
  /** Linux would mount it for reading only. */
  readonly mustStayReadOnly: boolean;
  /** The superblock as it was when opened: geometry and features. */
  readonly sb: SuperblockValues;
  /** Where it was read from: the block of the primary one or of a copy. */
  readonly superBlock: number;
  readonly groups: GroupTable;
  /** The inodes in use. */
  inodes!: InodeTable;

  readonly blockSize: number;
  readonly clusterBlocks: number;
  readonly blocks: number;
  readonly firstDataBlock: number;
  readonly blocksPerGroup: number;
  readonly groupCount: number;
  readonly descSize: number;
  readonly inodeSize: number;
  readonly inodesPerBlock: number;
  readonly inodesPerGroup: number;
  /** Blocks of a group's inode table. */
  readonly tableBlocks: number;
  /** The first inode number that users' files may have. */
  readonly firstIno: number;
  /** metadata_csum: structures carry checksums that start from `csumSeed`. */
  readonly hasCsum: boolean;
  readonly csumSeed: number;
  private systemZones: SystemZones | null = null;

  constructor(sb: SuperblockValues, addr: number, device: Device, options: MountOptions, mustStayReadOnly: boolean) {
    this.sb = sb;
    this.device = device;
    this.options = options;
    this.mustStayReadOnly = mustStayReadOnly;
    this.blockSize = blockSizeOf(sb);
    this.superBlock = Math.floor(addr / this.blockSize);
    this.clusterBlocks = clusterBlocksOf(sb);
    this.blocks = blocksCountOf(sb);
    this.firstDataBlock = sb.first_data_block;
    this.blocksPerGroup = sb.blocks_per_group;
    this.groupCount = groupCountOf(sb);
    this.descSize = descSizeOf(sb);
    this.inodeSize = inodeSizeOf(sb);
    this.inodesPerBlock = this.blockSize / this.inodeSize;
    this.inodesPerGroup = sb.inodes_per_group;
    this.tableBlocks = Math.ceil(this.inodesPerGroup / this.inodesPerBlock);
    this.firstIno = firstInoOf(sb);
    this.hasCsum = this.roCompat('metadata_csum');
    this.csumSeed = this.incompat('metadata_csum_seed') ? sb.checksum_seed : crc32cRaw(0xffffffff, sb.uuid);
    this.cache = new BufferCache(device, CACHE_BYTES);
    this.groups = new GroupTable(this);
  }

  compat(name: keyof typeof Compat): boolean {
    return (this.sb.feature_compat & Compat[name]) !== 0;
  }

  incompat(name: keyof typeof Incompat): boolean {
    return (this.sb.feature_incompat & Incompat[name]) !== 0;
  }

  roCompat(name: keyof typeof RoCompat): boolean {
    return (this.sb.feature_ro_compat & RoCompat[name]) !== 0;
  }

  /** The verified block with this number. @throws FsError EUCLEAN damaged, EIO */
  block(block: number, ops: BufOps): Buf {
    return this.cache.get(block * this.blockSize, this.blockSize, ops);
  }

  /** The first block of a group. */
  groupStart(group: number): number {
    return this.firstDataBlock + group * this.blocksPerGroup;
  }

  /** Blocks in a group: the last may be shorter. */
  groupSize(group: number): number {
    return Math.min(this.blocksPerGroup, this.blocks - this.groupStart(group));
  }

  groupOfBlock(block: number): number {
    return Math.floor((block - this.firstDataBlock) / this.blocksPerGroup);
  }

  groupOfIno(ino: number): number {
    return Math.floor((ino - 1) / this.inodesPerGroup);
  }

  /** True if `length` blocks from `block` exist, behind the superblock. */
  validBlocks(block: number, length = 1): boolean {
    return block > this.firstDataBlock && length >= 1 && block + length <= this.blocks;
  }

  /** True if `length` blocks from `block` are where blocks of an inode can be. */
  validDataBlocks(ino: number, block: number, length: number): boolean {
    if (!this.validBlocks(block, length)) return false;
    return ino === this.sb.journal_inum || ino === RESIZE_INO || !this.zones.touches(block, block + length);
  }

  /** Where the format itself lies. */
  get zones(): SystemZones {
    this.systemZones ??= new SystemZones(this);
    return this.systemZones;
  }

  /** True if the number can be an inode's. */
  validIno(ino: number): boolean {
    return Number.isInteger(ino) && ino >= 1 && ino <= this.sb.inodes_count;
  }

  /** The inode with this number. @throws FsError ENOENT free, EUCLEAN damaged */
  iget(ino: number): Ext4Inode {
    return this.inodes.get(ino);
  }
}
