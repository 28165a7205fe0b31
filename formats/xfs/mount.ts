/**
 * One XFS image in use: its devices, geometry, features and buffers. Geometry is plain numbers computed once; block
 * and inode numbers are translated here and nowhere else.
 *
 *     FsBlock  = agno << agBlockLog | agbno        inode = agno << (agBlockLog + inodesPerBlockLog) | agino
 *     Groups are `agBlocks` apart on the device, so an FsBlock is not a device block when agBlocks is no power of two.
 */
import type { Buf, BufferCache, BufOps } from '../../core/buffer-cache.ts';
import type { Device } from '../../core/device/device.ts';
import { FsError } from '../../core/errors.ts';
import type { MountOptions } from '../../core/vfs/filesystem.ts';
import { SpaceCounters } from './alloc/counters.ts';
import type { XfsInode } from './inode.ts';
import type { InodeTable } from './inode-table.ts';
import type { XfsLog } from './log/log.ts';
import { countedQuotas, type QuotaKind } from './quota/types.ts';
import { INODES_PER_CHUNK } from './structure/btree-format.ts';
import { type Features, type SuperblockValues, superblockFeatures } from './superblock.ts';
import type { Trans } from './trans.ts';
import { type MountOps, mountOps } from './verify/ops.ts';

const BIG_CLUSTER_SIZE = 8192;

export class XfsMount {
  readonly device: Device;
  readonly logDevice: Device;
  readonly rtDevice: Device | null;
  readonly cache: BufferCache;
  readonly options: MountOptions;
  readonly readOnly: boolean;
  /** The superblock as it was when opened: geometry and features. Counters are read from `sbBuf`. */
  readonly sb: SuperblockValues;
  readonly features: Features;
  /** The verifiers of this mount, by structure name. */
  readonly ops: MountOps;
  /** Cursors of AG btrees that nobody uses, by kind (btree/ag-cursor.ts). */
  readonly idleCursors = new Map<object, object[]>();
  log!: XfsLog;
  /** The inodes in use. */
  inodes!: InodeTable;

  readonly blockSize: number;
  readonly blockLog: number;
  readonly sectorSize: number;
  readonly agCount: number;
  readonly agBlocks: number;
  readonly agBlockLog: number;
  /** Blocks of the data device. */
  readonly dataBlocks: number;
  readonly inodeSize: number;
  readonly inodesPerBlock: number;
  readonly inodesPerBlockLog: number;
  /** Bits of an inode number inside its group. */
  readonly aginoLog: number;
  /** Bytes of one inode buffer; whole blocks. */
  readonly inodeClusterSize: number;
  readonly blocksPerCluster: number;
  /** Alignment of inode clusters in blocks; 1 means that only the inode btree knows where a chunk starts. */
  readonly clusterAlign: number;
  /** Inodes and blocks that are allocated together: a chunk, or a block where that is more. */
  readonly inodesPerAlloc: number;
  readonly blocksPerAlloc: number;
  /** The superblock's inoalignmt: alignment of inode chunks in blocks, 0 for none. */
  readonly inodesPerChunkAlign: number;
  readonly dirBlockSize: number;
  readonly dirBlockLog: number;
  /** Blocks of a realtime extent. */
  readonly rtExtSize: number;
  /** The kinds of quota whose records are kept right. */
  readonly quotas: readonly QuotaKind[];
  /** First FsBlock of the internal log, 0 if the log is external. */
  readonly logStart: number;
  readonly logBlocks: number;
  readonly logSectorSize: number;
  /** What metadata blocks carry: meta_uuid where the image has one. */
  readonly uuid: Uint8Array;
  readonly rootIno: number;

  private readonly headers: (Buf | undefined)[] = [];
  private readonly agBlockUnit: number;
  private counters: SpaceCounters | null = null;
  private readonly aginoUnit: number;

  constructor(
    sb: SuperblockValues,
    devices: MountDevices,
    cache: BufferCache,
    options: MountOptions,
    readOnly: boolean,
  ) {
    this.device = devices.data;
    this.logDevice = devices.log;
    this.rtDevice = devices.realtime;
    this.cache = cache;
    this.options = options;
    this.readOnly = readOnly;
    this.sb = sb;
    this.features = superblockFeatures(sb);
    this.blockSize = sb.blocksize;
    this.blockLog = sb.blocklog;
    this.sectorSize = sb.sectsize;
    this.agCount = sb.agcount;
    this.agBlocks = sb.agblocks;
    this.agBlockLog = sb.agblklog;
    this.agBlockUnit = 2 ** sb.agblklog;
    this.dataBlocks = sb.dblocks;
    this.inodeSize = sb.inodesize;
    this.inodesPerBlock = sb.inopblock;
    this.inodesPerBlockLog = sb.inopblog;
    this.aginoLog = sb.agblklog + sb.inopblog;
    this.aginoUnit = 2 ** this.aginoLog;
    this.blocksPerCluster = blocksPerCluster(sb, this.features);
    this.inodeClusterSize = this.blocksPerCluster * sb.blocksize;
    this.clusterAlign = this.features.align && sb.inoalignmt >= this.blocksPerCluster ? sb.inoalignmt : 1;
    this.inodesPerAlloc = Math.max(INODES_PER_CHUNK, sb.inopblock);
    this.blocksPerAlloc = this.inodesPerAlloc / sb.inopblock;
    this.inodesPerChunkAlign = sb.inoalignmt;
    this.dirBlockLog = sb.blocklog + sb.dirblklog;
    this.dirBlockSize = 2 ** this.dirBlockLog;
    this.rtExtSize = sb.rextsize;
    this.quotas = countedQuotas(sb, this.features);
    this.logStart = sb.logstart;
    this.logBlocks = sb.logblocks;
    this.logSectorSize = sb.logsectsize === 0 ? 512 : sb.logsectsize;
    this.uuid = this.features.metaUuid ? sb.meta_uuid : sb.uuid;
    this.rootIno = sb.rootino;
    this.ops = mountOps(this);
  }

  /** How many blocks may still be promised. */
  get space(): SpaceCounters {
    this.counters ??= new SpaceCounters(this);
    return this.counters;
  }

  /** Promises blocks to a delayed allocation. @throws FsError ENOSPC */
  reserve(blocks: number): void {
    this.space.reserve(blocks);
  }

  /** Takes a promise back, or fulfils it after allocating. */
  unreserve(blocks: number): void {
    this.space.unreserve(blocks);
  }

  /** The primary superblock's buffer. */
  get sbBuf(): Buf {
    return this.header(0, 0, this.ops.sb);
  }

  /** Blocks in a group: the last may be shorter. */
  agSize(agno: number): number {
    return agno < this.agCount - 1 ? this.agBlocks : this.dataBlocks - agno * this.agBlocks;
  }

  fsbToAgno(fsb: number): number {
    return Math.floor(fsb / this.agBlockUnit);
  }

  fsbToAgbno(fsb: number): number {
    // The remainder of two floating numbers costs five times this.
    return fsb - Math.floor(fsb / this.agBlockUnit) * this.agBlockUnit;
  }

  agbToFsb(agno: number, agbno: number): number {
    return agno * this.agBlockUnit + agbno;
  }

  /** Device byte address of a block. */
  fsbToAddr(fsb: number): number {
    const agno = Math.floor(fsb / this.agBlockUnit);
    return this.agbToAddr(agno, fsb - agno * this.agBlockUnit);
  }

  agbToAddr(agno: number, agbno: number): number {
    return (agno * this.agBlocks + agbno) * this.blockSize;
  }

  /** The FsBlock at a device byte address, the inverse of fsbToAddr. */
  addrToFsb(addr: number): number {
    const block = Math.floor(addr / this.blockSize);
    const agno = Math.floor(block / this.agBlocks);
    return this.agbToFsb(agno, block - agno * this.agBlocks);
  }

  inoToAgno(ino: number): number {
    return Math.floor(ino / this.aginoUnit);
  }

  inoToAgino(ino: number): number {
    return ino % this.aginoUnit;
  }

  inoToAgbno(ino: number): number {
    return Math.floor((ino % this.aginoUnit) / this.inodesPerBlock);
  }

  /** Index of an inode in its block. */
  inoToOffset(ino: number): number {
    return ino % this.inodesPerBlock;
  }

  agInoToIno(agno: number, agino: number): number {
    return agno * this.aginoUnit + agino;
  }

  /** True if `length` blocks from `fsb` lie in one group, behind its headers. */
  validFsb(fsb: number, length = 1): boolean {
    if (!(fsb >= 0) || length < 1) return false;
    const agno = Math.floor(fsb / this.agBlockUnit);
    return agno < this.agCount && this.validAgbno(agno, fsb - agno * this.agBlockUnit, length);
  }

  /** True if `length` blocks from `agbno` lie in the group, behind its headers. */
  validAgbno(agno: number, agbno: number, length = 1): boolean {
    return agbno * this.blockSize > 3 * this.sectorSize && length >= 1 && agbno + length <= this.agSize(agno);
  }

  /** True if the number can be an inode's: in a group, where inode chunks can be. */
  validIno(ino: number): boolean {
    if (!(ino >= 0)) return false;
    const agno = Math.floor(ino / this.aginoUnit);
    return agno < this.agCount && this.validAgino(agno, ino % this.aginoUnit);
  }

  validAgino(agno: number, agino: number): boolean {
    const align = this.clusterAlign;
    const headers = Math.floor((3 * this.sectorSize) / this.blockSize) + 1;
    const first = Math.ceil(headers / align) * align;
    const end = Math.floor(this.agSize(agno) / align) * align;
    const agbno = Math.floor(agino / this.inodesPerBlock);
    return agbno >= first && agbno < end;
  }

  /** Device byte address of a realtime block, on the realtime device (or the data device's realtime section). */
  rtbToAddr(rtb: number): number {
    return (this.sb.rtstart + this.rtbToBlock(rtb)) * this.blockSize;
  }

  private rtbToBlock(rtb: number): number {
    if (!this.features.rtgroups || this.features.zoneGaps) return rtb;
    const unit = 2 ** this.sb.rgblklog;
    return Math.floor(rtb / unit) * this.sb.rgextents * this.rtExtSize + (rtb % unit);
  }

  /** True if `length` realtime blocks from `rtb` exist. */
  validRtb(rtb: number, length = 1): boolean {
    const start = this.rtbToBlock(rtb);
    return rtb >= 0 && length >= 1 && start + length <= this.sb.rblocks;
  }

  /** The device that realtime blocks are on. @throws FsError ENODEV if it was not given */
  realtimeDevice(): Device {
    if (this.sb.rtstart > 0) return this.device;
    if (this.rtDevice === null)
      throw new FsError('ENODEV', { detail: 'the file is on the realtime device: give it with --device' });
    return this.rtDevice;
  }

  /** What was written to the data device and the realtime device is durable when it returns. @throws FsError EIO */
  flushDevices(): void {
    this.rtDevice?.flush();
    this.device.flush();
  }

  /** The AGF of a group, read and verified. */
  agf(agno: number): Buf {
    return this.header(agno, 1, this.ops.agf);
  }

  agi(agno: number): Buf {
    return this.header(agno, 2, this.ops.agi);
  }

  agfl(agno: number): Buf {
    return this.header(agno, 3, this.ops.agfl);
  }

  /** The sector `index` of a group, remembered: these few are asked for many times in every change. */
  private header(agno: number, index: number, ops: BufOps): Buf {
    const known = this.headers[agno * 4 + index];
    if (known?.cached && known.ops === ops) {
      known.used = true;
      return known;
    }
    const addr = this.agbToAddr(agno, 0) + index * this.sectorSize;
    const buf = this.cache.get(addr, this.sectorSize, ops);
    this.headers[agno * 4 + index] = buf;
    return buf;
  }

  /** The inode with this number. @throws FsError ENOENT free, EINVAL, EUCLEAN damaged */
  iget(ino: number): XfsInode {
    return this.inodes.get(ino);
  }

  /** Runs `fn` in a transaction: commit on return, cancel on throw. Set when the log is attached. */
  transact: <T>(name: string, fn: (tp: Trans) => T) => T = () => {
    throw new FsError('EROFS', { detail: 'no log is attached' });
  };
}

export interface MountDevices {
  readonly data: Device;
  /** The same as `data` when the log is internal. */
  readonly log: Device;
  readonly realtime: Device | null;
}

/** Blocks of one inode buffer (kernel: xfs_ialloc_setup_geometry): 8 KiB, scaled with the inode size on v5. */
function blocksPerCluster(sb: SuperblockValues, features: Features): number {
  let size = BIG_CLUSTER_SIZE;
  if (features.v5) {
    const scaled = size * (sb.inodesize / 256);
    if (sb.inoalignmt >= Math.floor(scaled / sb.blocksize)) size = scaled;
  }
  return size > sb.blocksize ? size / sb.blocksize : 1;
}
