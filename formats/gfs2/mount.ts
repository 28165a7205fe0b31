/**
 * One gfs2 image in use: its device, geometry and blocks. An inode's number is the block where its dinode lies.
 *
 *     height 0    dinode | data                                    232 bytes of dinode
 *     height 1    dinode | pointers to data blocks
 *     height n    dinode | pointers to indirect blocks             24 bytes of header, then pointers
 */
import { type Buf, BufferCache, type BufOps } from '../../core/buffer-cache.ts';
import type { Device } from '../../core/device/device.ts';
import type { MountOptions } from '../../core/vfs/filesystem.ts';
import type { Gfs2Inode } from './inode.ts';
import type { InodeTable } from './inode-table.ts';
import { ResourceGroups } from './rgrps.ts';
import { DINODE_SIZE, MAX_HEIGHT } from './structure/dinode.ts';
import { META_SIZE } from './structure/meta.ts';
import { SUPER_ADDR } from './structure/superblock.ts';
import { FORMAT_1802, type SuperblockValues } from './superblock.ts';
import { SystemFiles } from './system-files.ts';

const CACHE_BYTES = 64 * 1024 * 1024;

export class Gfs2Mount {
  readonly device: Device;
  readonly cache: BufferCache;
  readonly options: MountOptions;
  readonly sb: SuperblockValues;
  readonly blockSize: number;
  /** Blocks of the device. */
  readonly blocks: number;
  readonly superBlock: number;
  /** Pointers behind a dinode, and in an indirect block. */
  readonly dinodePointers: number;
  readonly pointers: number;
  /** Bytes behind the header of a block of metadata. */
  readonly contentSize: number;
  /** Blocks that a file of each height can have; numbers that round are far beyond any file. */
  readonly heightBlocks: readonly number[];
  readonly rgrps: ResourceGroups;
  readonly system: SystemFiles;
  /** The image as it is on disk, where this one is what recovery made of it. */
  onImage: Gfs2Mount = this;
  /** The inodes in use. */
  inodes!: InodeTable;

  constructor(sb: SuperblockValues, device: Device, options: MountOptions) {
    this.sb = sb;
    this.device = device;
    this.options = options;
    this.blockSize = sb.sb_bsize;
    this.blocks = Math.floor(device.size / sb.sb_bsize);
    this.superBlock = Math.floor(SUPER_ADDR / sb.sb_bsize);
    this.dinodePointers = (sb.sb_bsize - DINODE_SIZE) / 8;
    this.pointers = (sb.sb_bsize - META_SIZE) / 8;
    this.contentSize = sb.sb_bsize - META_SIZE;
    const heights = [1, this.dinodePointers];
    while (heights.length <= MAX_HEIGHT) heights.push((heights.at(-1) as number) * this.pointers);
    this.heightBlocks = heights;
    this.cache = new BufferCache(device, CACHE_BYTES);
    this.rgrps = new ResourceGroups(this);
    this.system = new SystemFiles(this);
  }

  /** Attributes may be `trusted`. */
  get hasTrusted(): boolean {
    return this.sb.sb_fs_format >= FORMAT_1802;
  }

  /** The verified block with this number. @throws FsError EUCLEAN damaged, EIO */
  block(block: number, ops: BufOps): Buf {
    return this.cache.get(block * this.blockSize, this.blockSize, ops);
  }

  /** True if `length` blocks from `block` are where something can lie. */
  validBlock(block: number, length = 1): boolean {
    return block > this.superBlock && block + length <= this.blocks;
  }

  /** The inode in this block. @throws FsError EUCLEAN damaged */
  iget(ino: number): Gfs2Inode {
    return this.inodes.get(ino);
  }
}
