/**
 * Reading a superblock: what it says is believed only if its checksum and every bound that Linux checks when mounting
 * are right (kernel: ext4_load_super, ext4_handle_clustersize, ext4_check_geometry of super.c).
 */
import type { Device } from '../../core/device/device.ts';
import { corrupt, type Damage, FsError } from '../../core/errors.ts';
import type { Decoded } from '../../core/struct.ts';
import { crc32cRaw } from './checksum.ts';
import { SUPER_MAGIC } from './magic.ts';
import { Incompat, RoCompat } from './structure/features.ts';
import { GOOD_OLD_FIRST_INO, GOOD_OLD_INODE_SIZE } from './structure/inode.ts';
import { GOOD_OLD_REV, SUPER_SIZE, Superblock } from './structure/superblock.ts';

export type SuperblockValues = Decoded<typeof Superblock>;

const CRC32C_CHKSUM = 1;
const MAX_LOG_BLOCK_SIZE = 6;
const MAX_LOG_CLUSTER_SIZE = 20;
const TWO32 = 2 ** 32;

/** Reads and checks the superblock at a byte address. @throws FsError EINVAL none there, EUCLEAN damaged */
export function readSuperblock(device: Device, addr: number): SuperblockValues {
  if (device.size < addr + SUPER_SIZE) throw new FsError('EINVAL', { detail: 'no ext2, ext3 or ext4 superblock' });
  const bytes = new Uint8Array(SUPER_SIZE);
  device.read(addr, bytes);
  const fault = superblockDamage(bytes, addr);
  if (fault !== null) throw corrupt(fault);
  return Superblock.decode(new DataView(bytes.buffer), 0);
}

/** The first rule that a superblock's bytes break, or null. */
export function superblockDamage(bytes: Uint8Array, addr: number): Damage | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const magic = Superblock.get.magic(view, 0);
  if (magic !== SUPER_MAGIC) return damage(addr, 'magic', hex(magic), 'magic');
  const sb = Superblock.decode(view, 0);
  if ((sb.feature_ro_compat & RoCompat.metadata_csum) !== 0) {
    if (sb.checksum_type !== CRC32C_CHKSUM)
      return damage(addr, 'checksum_type', String(sb.checksum_type), 'no checksum that is known');
    const computed = crc32cRaw(0xffffffff, bytes.subarray(0, Superblock.at.checksum));
    if (computed !== sb.checksum) return damage(addr, 'checksum', hex(sb.checksum), `crc, computed ${hex(computed)}`);
  }
  return checkInodes(sb, addr) ?? checkClusters(sb, addr) ?? checkGeometry(sb, addr);
}

function checkInodes(sb: SuperblockValues, addr: number): Damage | null {
  if (sb.log_block_size > MAX_LOG_BLOCK_SIZE)
    return damage(addr, 'log_block_size', String(sb.log_block_size), `> ${MAX_LOG_BLOCK_SIZE}`);
  const blockSize = blockSizeOf(sb);
  const size = inodeSizeOf(sb);
  if (size < GOOD_OLD_INODE_SIZE || (size & (size - 1)) !== 0 || size > blockSize)
    return damage(addr, 'inode_size', String(size), `no power of two from 128 to ${blockSize}`);
  if (firstInoOf(sb) < GOOD_OLD_FIRST_INO) return damage(addr, 'first_ino', String(sb.first_ino), '< 11');
  if ((sb.feature_incompat & Incompat['64bit']) !== 0) {
    const desc = sb.desc_size;
    if (desc < 64 || desc > 1024 || (desc & (desc - 1)) !== 0)
      return damage(addr, 'desc_size', String(desc), 'no power of two from 64 to 1024');
  }
  const perBlock = blockSize / size;
  if (sb.inodes_per_group < perBlock || sb.inodes_per_group > blockSize * 8)
    return damage(addr, 'inodes_per_group', String(sb.inodes_per_group), `not ${perBlock} to ${blockSize * 8}`);
  if (sb.reserved_gdt_blocks > blockSize / 4)
    return damage(addr, 'reserved_gdt_blocks', String(sb.reserved_gdt_blocks), `> ${blockSize / 4}`);
  if ((sb.feature_incompat & Incompat.encrypt) !== 0 && sb.encryption_level !== 0)
    return damage(addr, 'encryption_level', String(sb.encryption_level), 'not 0');
  return null;
}

function checkClusters(sb: SuperblockValues, addr: number): Damage | null {
  const blockSize = blockSizeOf(sb);
  if (sb.log_cluster_size > MAX_LOG_CLUSTER_SIZE)
    return damage(addr, 'log_cluster_size', String(sb.log_cluster_size), `> ${MAX_LOG_CLUSTER_SIZE}`);
  if (sb.blocks_per_group === 0) return damage(addr, 'blocks_per_group', '0', 'not positive');
  if ((sb.feature_ro_compat & RoCompat.bigalloc) === 0) {
    if (sb.log_cluster_size !== sb.log_block_size)
      return damage(addr, 'log_cluster_size', String(sb.log_cluster_size), 'not the block size, without bigalloc');
    if (sb.blocks_per_group > blockSize * 8)
      return damage(addr, 'blocks_per_group', String(sb.blocks_per_group), `> ${blockSize * 8}`);
    return null;
  }
  if (sb.log_cluster_size < sb.log_block_size)
    return damage(addr, 'log_cluster_size', String(sb.log_cluster_size), 'clusters smaller than blocks');
  if (sb.clusters_per_group > blockSize * 8)
    return damage(addr, 'clusters_per_group', String(sb.clusters_per_group), `> ${blockSize * 8}`);
  if (sb.blocks_per_group !== sb.clusters_per_group * clusterBlocksOf(sb))
    return damage(addr, 'blocks_per_group', String(sb.blocks_per_group), 'does not fit clusters_per_group');
  return null;
}

function checkGeometry(sb: SuperblockValues, addr: number): Damage | null {
  const blocks = blocksCountOf(sb);
  if (blocks > Number.MAX_SAFE_INTEGER / blockSizeOf(sb))
    return damage(addr, 'blocks_count_hi', String(sb.blocks_count_hi), 'more than 2^53 bytes');
  if (sb.first_data_block >= blocks)
    return damage(addr, 'first_data_block', String(sb.first_data_block), `beyond the last of ${blocks} blocks`);
  if (sb.first_data_block === 0 && sb.log_block_size === 0 && sb.log_cluster_size === 0)
    return damage(addr, 'first_data_block', '0', 'the superblock lies in block 1');
  const groups = groupCountOf(sb);
  const perBlock = blockSizeOf(sb) / descSizeOf(sb);
  if (groups > TWO32 - perBlock) return damage(addr, 'blocks_count_lo', String(blocks), `${groups} groups`);
  if (groups * sb.inodes_per_group !== sb.inodes_count)
    return damage(addr, 'inodes_count', String(sb.inodes_count), `not ${sb.inodes_per_group} in ${groups} groups`);
  if ((sb.feature_incompat & Incompat.meta_bg) !== 0 && sb.first_meta_bg > Math.ceil(groups / perBlock))
    return damage(addr, 'first_meta_bg', String(sb.first_meta_bg), `> ${Math.ceil(groups / perBlock)}`);
  return null;
}

export function blockSizeOf(sb: SuperblockValues): number {
  return 1024 * 2 ** sb.log_block_size;
}

/** Blocks that are given out together; 1 without bigalloc. */
export function clusterBlocksOf(sb: SuperblockValues): number {
  return (sb.feature_ro_compat & RoCompat.bigalloc) === 0 ? 1 : 2 ** (sb.log_cluster_size - sb.log_block_size);
}

export function inodeSizeOf(sb: SuperblockValues): number {
  return sb.rev_level === GOOD_OLD_REV ? GOOD_OLD_INODE_SIZE : sb.inode_size;
}

/** The first inode number that users' files may have. */
export function firstInoOf(sb: SuperblockValues): number {
  return sb.rev_level === GOOD_OLD_REV ? GOOD_OLD_FIRST_INO : sb.first_ino;
}

/** Bytes of a group descriptor. */
export function descSizeOf(sb: SuperblockValues): number {
  return (sb.feature_incompat & Incompat['64bit']) !== 0 ? sb.desc_size : 32;
}

/** The upper halves of 64-bit counts, which older images may have filled with anything. */
function wide(sb: SuperblockValues, high: number): number {
  return (sb.feature_incompat & Incompat['64bit']) !== 0 ? high * TWO32 : 0;
}

export function blocksCountOf(sb: SuperblockValues): number {
  return wide(sb, sb.blocks_count_hi) + sb.blocks_count_lo;
}

/** Blocks kept for the super-user. */
export function reservedBlocksOf(sb: SuperblockValues): number {
  return wide(sb, sb.r_blocks_count_hi) + sb.r_blocks_count_lo;
}

/** Free blocks as the superblock counts them. */
export function freeBlocksOf(sb: SuperblockValues): number {
  return wide(sb, sb.free_blocks_count_hi) + sb.free_blocks_count_lo;
}

export function groupCountOf(sb: SuperblockValues): number {
  return Math.ceil((blocksCountOf(sb) - sb.first_data_block) / sb.blocks_per_group);
}

function damage(addr: number, field: keyof typeof Superblock.at, value: string, rule: string): Damage {
  return { structure: 'superblock', addr, offset: Superblock.at[field], field, value, rule };
}

const hex = (value: number): string => `0x${value.toString(16)}`;
