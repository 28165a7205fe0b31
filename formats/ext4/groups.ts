/**
 * The descriptors of block groups: where each group's bitmaps and inode table lie, and what is free in it. They fill
 * the blocks behind the superblock; with meta_bg each block of them (a metagroup) lies in the first of its groups.
 * A descriptor is verified when it is first asked for.
 *
 * Mirrors: fs/ext4/super.c (descriptor_loc, ext4_group_desc_csum, ext4_check_descriptors), balloc.c (ext4_bg_has_super).
 */
import type { Buf, BufOps } from '../../core/buffer-cache.ts';
import { corrupt, type Damage } from '../../core/errors.ts';
import { crc16, crc32cNumber, crc32cSkippingRaw } from './checksum.ts';
import type { Ext4Mount } from './mount.ts';
import { GroupDesc, GroupDescHigh } from './structure/group.ts';

const TWO32 = 2 ** 32;
const TWO16 = 2 ** 16;

/** Descriptors are judged one by one. */
const descBlockOps: BufOps = { name: 'group descriptors', logType: 0, verify: () => null };

/** Reads fields of descriptors; what one says is good until another is asked for. */
export class GroupTable {
  private readonly mp: Ext4Mount;
  /** Descriptors in a block. */
  readonly perBlock: number;
  private readonly verified: Uint8Array;
  /** Descriptors have upper halves. */
  readonly wide: boolean;

  constructor(mp: Ext4Mount) {
    this.mp = mp;
    this.perBlock = mp.blockSize / mp.descSize;
    this.verified = new Uint8Array(mp.groupCount);
    this.wide = mp.descSize >= 64;
  }

  /** The block that a group's descriptor lies in. */
  descBlock(group: number): number {
    const { mp } = this;
    const index = Math.floor(group / this.perBlock);
    if (!mp.incompat('meta_bg') || index < mp.sb.first_meta_bg) return mp.superBlock + index + 1;
    const first = index * this.perBlock;
    // With blocks of 1 KiB and none before the first group's, the superblock is in its second block.
    const second = mp.blockSize === 1024 && index === 0 && mp.firstDataBlock === 0 ? 1 : 0;
    return mp.groupStart(first) + (this.hasSuper(first) ? 1 : 0) + second;
  }

  /** True if the group starts with a superblock: the primary one or a copy. */
  hasSuper(group: number): boolean {
    const { mp } = this;
    if (group === 0) return true;
    if (mp.compat('sparse_super2')) return mp.sb.backup_bgs.includes(group);
    if (group <= 1 || !mp.roCompat('sparse_super')) return true;
    return group % 2 === 1 && (isPower(group, 3) || isPower(group, 5) || isPower(group, 7));
  }

  /** Blocks of descriptors in a group, without those reserved for more. */
  descBlocksIn(group: number): number {
    const { mp } = this;
    const metagroup = Math.floor(group / this.perBlock);
    const all = Math.ceil(mp.groupCount / this.perBlock);
    if (!mp.incompat('meta_bg') || metagroup < mp.sb.first_meta_bg) {
      if (!this.hasSuper(group)) return 0;
      return mp.incompat('meta_bg') ? mp.sb.first_meta_bg : all;
    }
    const place = group % this.perBlock;
    return place === 0 || place === 1 || place === this.perBlock - 1 ? 1 : 0;
  }

  /** The buffer with a group's descriptor, which was verified; `base` says where. @throws FsError EUCLEAN, EIO */
  buf(group: number): Buf {
    const buf = this.mp.block(this.descBlock(group), descBlockOps);
    if (this.verified[group] === 0) {
      const fault = this.damage(group, buf);
      if (fault !== null) throw corrupt(fault);
      this.verified[group] = 1;
    }
    return buf;
  }

  /** Byte offset of a group's descriptor in its buffer. */
  base(group: number): number {
    return (group % this.perBlock) * this.mp.descSize;
  }

  blockBitmap(group: number): number {
    return this.block(group, 'block_bitmap');
  }

  inodeBitmap(group: number): number {
    return this.block(group, 'inode_bitmap');
  }

  inodeTable(group: number): number {
    return this.block(group, 'inode_table');
  }

  /** Free clusters. */
  freeClusters(group: number): number {
    return this.count(group, 'free_blocks_count');
  }

  freeInodes(group: number): number {
    return this.count(group, 'free_inodes_count');
  }

  usedDirs(group: number): number {
    return this.count(group, 'used_dirs_count');
  }

  /** Inodes at the end of the table that were never used. */
  unusedInodes(group: number): number {
    return this.count(group, 'itable_unused');
  }

  flags(group: number): number {
    return GroupDesc.get.flags(this.buf(group).view, this.base(group));
  }

  /** The checksum of one of the group's bitmaps; half of it where descriptors have no upper halves. */
  bitmapChecksum(group: number, kind: 'block' | 'inode'): number {
    return this.count(group, `${kind}_bitmap_csum`);
  }

  private block(group: number, name: BlockField): number {
    return this.blockIn(this.buf(group).view, this.base(group), name);
  }

  private blockIn(view: DataView, base: number, name: BlockField): number {
    const low = GroupDesc.get[`${name}_lo`](view, base);
    return this.wide ? low + GroupDescHigh.get[`${name}_hi`](view, base + GroupDesc.size) * TWO32 : low;
  }

  private count(group: number, name: CountField): number {
    const { view } = this.buf(group);
    const base = this.base(group);
    const low = GroupDesc.get[`${name}_lo`](view, base);
    return this.wide ? low + GroupDescHigh.get[`${name}_hi`](view, base + GroupDesc.size) * TWO16 : low;
  }

  /** The checksum that a descriptor should have; 0 where the image has none. */
  checksum(group: number, { bytes }: Buf): number {
    const { mp } = this;
    const base = this.base(group);
    const desc = bytes.subarray(base, base + mp.descSize);
    const at = GroupDesc.at.checksum;
    if (mp.hasCsum) return crc32cSkippingRaw(crc32cNumber(mp.csumSeed, group), desc, at, 2) & 0xffff;
    if (!mp.roCompat('uninit_bg')) return 0;
    const number = new Uint8Array(4);
    new DataView(number.buffer).setUint32(0, group, true);
    const crc = crc16(crc16(crc16(0xffff, mp.sb.uuid), number), desc.subarray(0, at));
    return crc16(crc, desc.subarray(at + 2));
  }

  private damage(group: number, buf: Buf): Damage | null {
    const { mp } = this;
    const base = this.base(group);
    const bad = (field: keyof typeof GroupDesc.at, value: string, rule: string): Damage => {
      const addr = buf.addr + base;
      return { structure: `descriptor of group ${group}`, addr, offset: GroupDesc.at[field], field, value, rule };
    };
    if (mp.hasCsum || mp.roCompat('uninit_bg')) {
      const found = GroupDesc.get.checksum(buf.view, base);
      const computed = this.checksum(group, buf);
      if (found !== computed) return bad('checksum', hex(found), `crc, computed ${hex(computed)}`);
    }
    const flex = mp.incompat('flex_bg');
    const first = flex ? mp.firstDataBlock : mp.groupStart(group);
    const end = flex ? mp.blocks : first + mp.groupSize(group);
    for (const name of BLOCK_FIELDS) {
      const block = this.blockIn(buf.view, base, name);
      const length = name === 'inode_table' ? mp.tableBlocks : 1;
      if (block < first || block + length > end)
        return bad(`${name}_lo`, String(block), `not in the blocks from ${first} to ${end - 1}`);
    }
    return null;
  }
}

const BLOCK_FIELDS = ['block_bitmap', 'inode_bitmap', 'inode_table'] as const;
type BlockField = (typeof BLOCK_FIELDS)[number];
type CountField =
  | 'free_blocks_count'
  | 'free_inodes_count'
  | 'used_dirs_count'
  | 'itable_unused'
  | 'block_bitmap_csum'
  | 'inode_bitmap_csum';

function isPower(value: number, base: number): boolean {
  let power = base;
  while (power < value) power *= base;
  return power === value;
}

const hex = (value: number): string => `0x${value.toString(16)}`;
