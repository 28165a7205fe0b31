/**
 * What a superblock says: validity as Linux checks it when mounting (kernel: xfs_validate_sb_common,
 * xfs_sb_version_to_features) and the set of features as booleans, whether the bits lie in v4 or v5 fields.
 */
import { crc32cSkipping } from '../../core/checksum.ts';
import type { Device } from '../../core/device/device.ts';
import { corrupt, type Damage, FsError } from '../../core/errors.ts';
import type { Decoded } from '../../core/struct.ts';
import { Features2Bit, Incompat, RoCompat, VersionBit } from './structure/features.ts';
import { SB_MAGIC, Superblock } from './structure/sb.ts';

export type SuperblockValues = Decoded<typeof Superblock>;

/** Every optional part of the format, true where this image has it. */
export interface Features {
  readonly v5: boolean;
  readonly ftype: boolean;
  readonly reflink: boolean;
  readonly rmapbt: boolean;
  readonly finobt: boolean;
  readonly inobtCounts: boolean;
  readonly sparseInodes: boolean;
  readonly metaUuid: boolean;
  readonly bigtime: boolean;
  readonly needsRepair: boolean;
  readonly nrext64: boolean;
  readonly exchange: boolean;
  readonly parent: boolean;
  readonly metadir: boolean;
  readonly zoned: boolean;
  readonly zoneGaps: boolean;
  /** Realtime groups: on every metadir file system. */
  readonly rtgroups: boolean;
  readonly realtime: boolean;
  readonly asciiCi: boolean;
  readonly attr: boolean;
  readonly attr2: boolean;
  readonly nlink: boolean;
  readonly quota: boolean;
  readonly align: boolean;
  readonly dalign: boolean;
  readonly logV2: boolean;
  readonly sector: boolean;
  readonly extFlag: boolean;
  readonly dirV2: boolean;
  readonly moreBits: boolean;
  readonly lazySbCount: boolean;
  readonly projid32: boolean;
}

/** The features of a decoded superblock. */
export function superblockFeatures(sb: SuperblockValues): Features {
  const version = sb.versionnum;
  const v5 = (version & VersionBit.NUMBITS) === 5;
  const moreBits = v5 || (version & VersionBit.MOREBITS) !== 0;
  const has = (bit: number): boolean => (version & bit) !== 0;
  const has2 = (bit: number): boolean => moreBits && (sb.features2 & bit) !== 0;
  const ro = (bit: number): boolean => v5 && (sb.features_ro_compat & bit) !== 0;
  const incompat = (bit: number): boolean => v5 && (sb.features_incompat & bit) !== 0;
  return {
    v5,
    ftype: incompat(Incompat.FTYPE) || has2(Features2Bit.FTYPE),
    reflink: ro(RoCompat.REFLINK),
    rmapbt: ro(RoCompat.RMAPBT),
    finobt: ro(RoCompat.FINOBT),
    inobtCounts: ro(RoCompat.INOBTCNT),
    sparseInodes: incompat(Incompat.SPINODES),
    metaUuid: incompat(Incompat.META_UUID),
    bigtime: incompat(Incompat.BIGTIME),
    needsRepair: incompat(Incompat.NEEDSREPAIR),
    nrext64: incompat(Incompat.NREXT64),
    exchange: incompat(Incompat.EXCHRANGE),
    parent: incompat(Incompat.PARENT),
    metadir: incompat(Incompat.METADIR),
    zoned: incompat(Incompat.ZONED),
    zoneGaps: incompat(Incompat.ZONE_GAPS),
    rtgroups: incompat(Incompat.METADIR),
    realtime: sb.rblocks > 0,
    asciiCi: has(VersionBit.BORG),
    attr: has(VersionBit.ATTR),
    attr2: v5 || has2(Features2Bit.ATTR2),
    nlink: v5 || has(VersionBit.NLINK),
    quota: has(VersionBit.QUOTA),
    align: v5 || has(VersionBit.ALIGN),
    dalign: has(VersionBit.DALIGN),
    logV2: v5 || has(VersionBit.LOGV2),
    sector: has(VersionBit.SECTOR),
    extFlag: v5 || has(VersionBit.EXTFLG),
    dirV2: has(VersionBit.DIRV2),
    moreBits,
    lazySbCount: v5 || has2(Features2Bit.LAZYSBCOUNT),
    projid32: v5 || has2(Features2Bit.PROJID32),
  };
}

/** True if the device starts with an XFS superblock's magic number; never throws for a short device. */
export function hasXfsMagic(device: Device): boolean {
  if (device.size < 512) return false;
  const sector = new Uint8Array(512);
  device.read(0, sector);
  return new DataView(sector.buffer).getUint32(0) === SB_MAGIC;
}

/**
 * Reads and checks the primary superblock.
 * @throws FsError EINVAL not XFS or a version that nobody reads, EUCLEAN damaged
 */
export function readSuperblock(device: Device): SuperblockValues {
  if (!hasXfsMagic(device)) throw new FsError('EINVAL', { detail: 'no XFS superblock' });
  const first = new Uint8Array(512);
  device.read(0, first);
  const sectorSize = Superblock.get.sectsize(new DataView(first.buffer), 0);
  if (sectorSize < 512 || sectorSize > 32768 || (sectorSize & (sectorSize - 1)) !== 0 || sectorSize > device.size)
    throw corrupt(damage('sectsize', String(sectorSize), 'not a power of two from 512 to 32768'));
  const bytes = new Uint8Array(sectorSize);
  device.read(0, bytes);
  const fault = checkSuperblock(bytes, new DataView(bytes.buffer), 0);
  if (fault !== null) throw corrupt(fault);
  return Superblock.decode(new DataView(bytes.buffer), 0);
}

/** The first rule that a superblock's bytes break, or null. Secondary copies may have stale counters. */
export function checkSuperblock(bytes: Uint8Array, view: DataView, addr: number): Damage | null {
  const get = Superblock.get;
  if (get.magicnum(view, 0) !== SB_MAGIC) return damage('magicnum', hex(get.magicnum(view, 0)), 'magic', addr);
  const version = get.versionnum(view, 0) & VersionBit.NUMBITS;
  if (version === 5) {
    const wanted = get.crc(view, 0);
    const found = crc32cSkipping(bytes, Superblock.at.crc);
    if (wanted !== found) return damage('crc', hex(wanted), `crc, computed ${hex(found)}`, addr);
  } else if (version !== 4) {
    return damage('versionnum', hex(get.versionnum(view, 0)), 'version is not 4 or 5', addr);
  }
  const sb = Superblock.decode(view, 0);
  return checkVersion(sb, addr) ?? checkSizes(sb, addr) ?? checkGroups(sb, addr) ?? checkLogAndRealtime(sb, addr);
}

const V4_KNOWN2 = Features2Bit.LAZYSBCOUNT | Features2Bit.ATTR2 | Features2Bit.PROJID32 | Features2Bit.FTYPE;
const V5_NEEDED =
  VersionBit.NLINK | VersionBit.ALIGN | VersionBit.LOGV2 | VersionBit.EXTFLG | VersionBit.DIRV2 | VersionBit.MOREBITS;
const V5_NEEDED2 = Features2Bit.LAZYSBCOUNT | Features2Bit.ATTR2 | Features2Bit.PROJID32 | Features2Bit.CRC;

function checkVersion(sb: SuperblockValues, addr: number): Damage | null {
  const bad = (rule: string): Damage => damage('versionnum', hex(sb.versionnum), rule, addr);
  const bad2 = (rule: string): Damage => damage('features2', hex(sb.features2), rule, addr);
  if ((sb.versionnum & VersionBit.SHARED) !== 0) return bad('has the unsupported shared bit');
  if ((sb.versionnum & VersionBit.NUMBITS) === 5) {
    if ((sb.versionnum & V5_NEEDED) !== V5_NEEDED) return bad('lacks bits that version 5 needs');
    if ((sb.features2 & V5_NEEDED2) !== V5_NEEDED2) return bad2('lacks bits that version 5 needs');
    if ((sb.features2 & ~(V4_KNOWN2 | Features2Bit.CRC)) !== 0) return bad2('has unknown bits');
    return null;
  }
  if ((sb.versionnum & VersionBit.DIRV2) === 0) return bad('version 1 directories are not supported');
  if ((sb.versionnum & VersionBit.EXTFLG) === 0) return bad('no unwritten extents: not supported');
  if ((sb.versionnum & VersionBit.MOREBITS) !== 0 && (sb.features2 & ~V4_KNOWN2) !== 0) return bad2('has unknown bits');
  return null;
}

function checkSizes(sb: SuperblockValues, addr: number): Damage | null {
  const v5 = (sb.versionnum & VersionBit.NUMBITS) === 5;
  if (sb.sectsize !== 2 ** sb.sectlog || sb.sectlog < 9 || sb.sectlog > 15)
    return damage('sectlog', String(sb.sectlog), `does not fit sectsize ${sb.sectsize}`, addr);
  if (sb.blocksize !== 2 ** sb.blocklog || sb.blocklog < (v5 ? 10 : 9) || sb.blocklog > 16)
    return damage('blocksize', String(sb.blocksize), `not a block size (blocklog ${sb.blocklog})`, addr);
  if (sb.sectsize > sb.blocksize) return damage('sectsize', String(sb.sectsize), `> blocksize ${sb.blocksize}`, addr);
  if (sb.dirblklog + sb.blocklog > 16)
    return damage('dirblklog', String(sb.dirblklog), 'directory block > 64 KiB', addr);
  if (sb.inodesize !== 2 ** sb.inodelog || sb.inodelog < 8 || sb.inodelog > 11)
    return damage('inodesize', String(sb.inodesize), 'not 256, 512, 1024 or 2048', addr);
  if (v5 && sb.inodesize < 512) return damage('inodesize', String(sb.inodesize), '< 512 on version 5', addr);
  if (sb.inopblog !== sb.blocklog - sb.inodelog || sb.inopblock !== 2 ** sb.inopblog)
    return damage('inopblock', String(sb.inopblock), `not blocksize / inodesize`, addr);
  if (sb.imax_pct > 100) return damage('imax_pct', String(sb.imax_pct), '> 100', addr);
  if (sb.shared_vn !== 0) return damage('shared_vn', String(sb.shared_vn), 'not 0', addr);
  return null;
}

const MIN_AG_BYTES = 2 ** 24;
const MAX_AG_BYTES = 2 ** 40;
/** No image can hold more groups than its device has bytes for; this only bounds the loops over groups. */
const MAX_AG_COUNT = 2 ** 28;

function checkGroups(sb: SuperblockValues, addr: number): Damage | null {
  const agBytes = sb.agblocks * sb.blocksize;
  if (agBytes < MIN_AG_BYTES || agBytes > MAX_AG_BYTES)
    return damage('agblocks', String(sb.agblocks), 'group is not 16 MiB to 1 TiB', addr);
  if (sb.agblklog !== 32 - Math.clz32(sb.agblocks - 1))
    return damage('agblklog', String(sb.agblklog), `does not fit agblocks ${sb.agblocks}`, addr);
  if (sb.agcount === 0 || sb.agcount > MAX_AG_COUNT || sb.agcount !== Math.ceil(sb.dblocks / sb.agblocks))
    return damage('agcount', String(sb.agcount), `does not fit dblocks ${sb.dblocks}`, addr);
  if (sb.dblocks < (sb.agcount - 1) * sb.agblocks + 64)
    return damage('dblocks', String(sb.dblocks), 'last group is smaller than 64 blocks', addr);
  if ((sb.features_incompat & Incompat.SPINODES) !== 0 && (sb.versionnum & VersionBit.NUMBITS) === 5) {
    const align = (64 * sb.inodesize) / sb.blocksize;
    if (sb.inoalignmt !== Math.floor(align))
      return damage('inoalignmt', String(sb.inoalignmt), 'is not the inode chunk, with sparse inodes', addr);
    if (sb.spino_align !== 0 && (sb.spino_align > sb.inoalignmt || sb.inoalignmt % sb.spino_align !== 0))
      return damage('spino_align', String(sb.spino_align), `no factor of inoalignmt ${sb.inoalignmt}`, addr);
  }
  if ((sb.unit !== 0) !== ((sb.versionnum & VersionBit.DALIGN) !== 0))
    return damage('unit', String(sb.unit), 'disagrees with the dalign bit', addr);
  return null;
}

const MAX_LOG_BYTES = 2 ** 31;

function checkLogAndRealtime(sb: SuperblockValues, addr: number): Damage | null {
  if (sb.logblocks * sb.blocksize > MAX_LOG_BYTES)
    return damage('logblocks', String(sb.logblocks), 'log > 2 GiB', addr);
  if ((sb.versionnum & VersionBit.SECTOR) !== 0) {
    if (sb.logsectlog > 15 || sb.logsectsize !== 2 ** sb.logsectlog)
      return damage('logsectsize', String(sb.logsectsize), `does not fit logsectlog ${sb.logsectlog}`, addr);
  } else if (sb.logsectsize !== 0 || sb.logsectlog !== 0) {
    return damage('logsectsize', String(sb.logsectsize), 'not 0 without the sector bit', addr);
  }
  if (sb.logsunit > 1 && (sb.logsunit % sb.blocksize !== 0 || sb.logsunit > 262144))
    return damage('logsunit', String(sb.logsunit), 'no multiple of the block size up to 256 KiB', addr);
  const rtext = sb.rextsize * sb.blocksize;
  if (rtext > 2 ** 30 || rtext < 4096) return damage('rextsize', String(sb.rextsize), 'not 4 KiB to 1 GiB', addr);
  if (sb.rblocks > 0 && sb.rextents !== Math.floor(sb.rblocks / sb.rextsize))
    return damage('rextents', String(sb.rextents), `does not fit rblocks ${sb.rblocks}`, addr);
  return null;
}

function damage(field: string, value: string, rule: string, addr = 0): Damage {
  const offset = Superblock.at[field as keyof typeof Superblock.at];
  return { structure: 'superblock', addr, offset, field, value, rule };
}

const hex = (value: number): string => `0x${value.toString(16)}`;
