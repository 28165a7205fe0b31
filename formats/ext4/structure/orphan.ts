/** Blocks of the orphan file (kernel: struct ext4_orphan_block_tail): inode numbers, and at the end this. */
import { le32x, struct } from '../../../core/struct.ts';

export const ORPHAN_BLOCK_MAGIC = 0x0b10ca04;

export const OrphanBlockTail = struct('ext4_orphan_block_tail', 8, { magic: le32x, checksum: le32x });
