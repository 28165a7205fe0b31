/** The resource groups, as the file `rindex` lists them, and what their bitmaps say (kernel: read_rindex_entry, compute_bitstructs). */
import type { Buf } from '../../core/buffer-cache.ts';
import { corrupt, FsError } from '../../core/errors.ts';
import { readFileBytes } from './file-bytes.ts';
import { bitmapOps, rgrpOps } from './meta-block.ts';
import type { Gfs2Mount } from './mount.ts';
import { META_SIZE } from './structure/meta.ts';
import { BLOCKS_PER_BYTE, RGRP_SIZE, Rindex } from './structure/rgrp.ts';

/** A resource group. Numbers of blocks. */
export interface ResourceGroup {
  readonly index: number;
  /** Where its header lies. */
  readonly addr: number;
  /** Blocks of header and bitmaps. */
  readonly length: number;
  /** The first block that the bitmaps tell of. */
  readonly data0: number;
  readonly data: number;
  readonly bitBytes: number;
}

export class ResourceGroups {
  private readonly mp: Gfs2Mount;
  private groups: readonly ResourceGroup[] | null = null;

  constructor(mp: Gfs2Mount) {
    this.mp = mp;
  }

  /** All groups, by address. @throws FsError EUCLEAN, EIO, EINVAL if the device is too short for them */
  get all(): readonly ResourceGroup[] {
    this.groups ??= this.read();
    return this.groups;
  }

  /** The group whose blocks, header and bitmaps included, have this one; null between and behind them. @throws FsError EUCLEAN */
  of(block: number): ResourceGroup | null {
    const { all } = this;
    let low = 0;
    let high = all.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((all[middle] as ResourceGroup).addr <= block) low = middle + 1;
      else high = middle;
    }
    const group = all[low - 1];
    return group !== undefined && block < group.data0 + group.data ? group : null;
  }

  /** The header of a group. @throws FsError EUCLEAN, EIO */
  header(group: ResourceGroup): Buf {
    return this.mp.block(group.addr, rgrpOps);
  }

  /** What the bitmap says of a block (BlockState), null if no bitmap tells of it. @throws FsError EUCLEAN, EIO */
  state(block: number): number | null {
    const group = this.of(block);
    if (group === null || block < group.data0) return null;
    const byte = Math.floor((block - group.data0) / BLOCKS_PER_BYTE);
    const { buf, at } = this.bitmap(group, byte);
    return ((buf.bytes[at] as number) >>> (((block - group.data0) % BLOCKS_PER_BYTE) * 2)) & 3;
  }

  /** The block of the bitmaps, and the byte there, that has a byte of a group's bitmap. */
  bitmap(group: ResourceGroup, byte: number): { readonly buf: Buf; readonly at: number } {
    const { blockSize, contentSize } = this.mp;
    const inHeader = blockSize - RGRP_SIZE;
    if (byte < inHeader) return { buf: this.header(group), at: RGRP_SIZE + byte };
    const rest = byte - inHeader;
    const index = Math.floor(rest / contentSize);
    return { buf: this.mp.block(group.addr + 1 + index, bitmapOps), at: META_SIZE + rest - index * contentSize };
  }

  private read(): ResourceGroup[] {
    const file = this.mp.system.file('rindex');
    const { size } = file;
    if (size === 0 || size % Rindex.size !== 0 || size > this.mp.blocks * this.mp.blockSize)
      throw corrupt({
        structure: `rindex, inode ${file.ino}`,
        field: 'di_size',
        value: `${size}`,
        rule: 'no whole entries',
      });
    const bytes = readFileBytes(file, 0, size);
    const view = new DataView(bytes.buffer);
    const groups = Array.from({ length: size / Rindex.size }, (_, index) => this.group(view, index));
    groups.sort((a, b) => a.addr - b.addr);
    for (const [i, { addr, index }] of groups.entries()) {
      const before = groups[i - 1];
      if (before !== undefined && addr < before.data0 + before.data)
        throw corrupt({
          structure: `rindex entry ${index}`,
          field: 'ri_addr',
          value: `${addr}`,
          rule: 'inside another group',
        });
    }
    return groups;
  }

  private group(view: DataView, index: number): ResourceGroup {
    const { mp } = this;
    const { get } = Rindex;
    const at = index * Rindex.size;
    const group = {
      index,
      addr: get.ri_addr(view, at),
      length: get.ri_length(view, at),
      data0: get.ri_data0(view, at),
      data: get.ri_data(view, at),
      bitBytes: get.ri_bitbytes(view, at),
    };
    const bad = (field: keyof typeof Rindex.at, value: number, rule: string): FsError =>
      corrupt({ structure: `rindex entry ${index}`, offset: at + Rindex.at[field], field, value: `${value}`, rule });
    const { addr, length, data0, data, bitBytes } = group;
    if (!(addr > mp.superBlock)) throw bad('ri_addr', addr, 'not behind the superblock');
    if (data0 < addr + length || length === 0) throw bad('ri_data0', data0, 'inside the bitmaps');
    if (bitBytes * BLOCKS_PER_BYTE < data || bitBytes > mp.blockSize - RGRP_SIZE + (length - 1) * mp.contentSize)
      throw bad('ri_bitbytes', bitBytes, `does not fit ${data} blocks and ${length} of bitmaps`);
    if (data0 + data <= mp.blocks) return group;
    const need = (data0 + data) * mp.blockSize;
    throw new FsError('EINVAL', {
      detail: `resource group ${index} ends at byte ${need}, ${mp.device.name} has ${mp.device.size}: truncated?`,
    });
  }
}
