/**
 * Reading the superblock: up to three copies per device, each believed only if checksum, own address and every bound
 * are right. The newest good copy wins; the primary at equal age, since every commit writes it first. Checks mirror
 * btrfs_validate_super() of disk-io.c.
 */
import type { Device } from '../../core/device/device.ts';
import { type Damage, describeDamage, FsError } from '../../core/errors.ts';
import { type ChecksumKind, checksumKind, sealMatches } from './checksum.ts';
import { MAX_LEVEL } from './structure/block.ts';
import { chunkItemSize } from './structure/chunk.ts';
import { CompatRo, Incompat } from './structure/features.ts';
import { KEY_SIZE } from './structure/key.ts';
import {
  SUPER_FLAGS_KNOWN,
  SUPER_MAGIC,
  SUPER_OFFSETS,
  SUPER_SIZE,
  SuperBlock,
  SuperFlag,
  type SuperValues,
  SYSTEM_CHUNK_ARRAY_SIZE,
} from './structure/superblock.ts';

const MAX_METADATA_BLOCK = 65536;
const MIN_SECTOR = 4096;

/** A superblock that was verified, and where it came from. */
export interface FoundSuper {
  readonly values: SuperValues;
  readonly bytes: Uint8Array;
  readonly csum: ChecksumKind;
  /** Which copy: 0 is the primary. */
  readonly mirror: number;
  /** What was wrong with the other copies, one line each. */
  readonly notes: readonly string[];
}

/** True if the device has the magic of btrfs in a superblock's place. */
export function hasBtrfsMagic(device: Device): boolean {
  return SUPER_OFFSETS.some((_, mirror) => {
    const bytes = readCopy(device, mirror);
    if (bytes === null) return false;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    if (SuperBlock.get.magic(view, 0) === SUPER_MAGIC && mirror === 0) return true;
    // A copy alone may be all that a later mkfs of something else has left: it must be good.
    return superDamage(bytes, mirror) === null;
  });
}

/**
 * The newest good superblock of a device, or the copy that was asked for. @throws FsError EINVAL no btrfs or no such
 * copy, EUCLEAN every copy is damaged, or that one
 */
export function readSuperblock(device: Device, asked?: number): FoundSuper {
  const found = asked === undefined ? newestSuperblock(device) : superblockCopy(device, asked);
  const view = new DataView(found.bytes.buffer, found.bytes.byteOffset);
  const values = SuperBlock.decode(view, 0);
  return { ...found, values, csum: checksumKind(values.csum_type) as ChecksumKind };
}

type Chosen = Pick<FoundSuper, 'bytes' | 'mirror' | 'notes'>;

function superblockCopy(device: Device, mirror: number): Chosen {
  const bytes = mirror in SUPER_OFFSETS ? readCopy(device, mirror) : null;
  if (bytes === null) throw new FsError('EINVAL', { path: device.name, detail: `no superblock ${mirror}` });
  const damage = superDamage(bytes, mirror);
  if (damage !== null) throw new FsError('EUCLEAN', { path: device.name, damage });
  return { bytes, mirror, notes: [] };
}

function newestSuperblock(device: Device): Chosen {
  const copies: { mirror: number; bytes: Uint8Array; damage: Damage | null }[] = [];
  for (let mirror = 0; mirror < SUPER_OFFSETS.length; mirror++) {
    const bytes = readCopy(device, mirror);
    if (bytes !== null) copies.push({ mirror, bytes, damage: superDamage(bytes, mirror) });
  }
  const primary = copies[0];
  if (primary === undefined) throw new FsError('EINVAL', { path: device.name, detail: 'too small for btrfs' });
  const good = copies.filter((copy) => copy.damage === null);
  if (good.length === 0) throw unusable(device, primary.bytes, primary.damage as Damage);
  let best = good[0] as (typeof copies)[number];
  for (const copy of good) if (isNewer(copy.bytes, best.bytes)) best = copy;
  const notes: string[] = [];
  for (const copy of copies) {
    if (copy.damage === null) continue;
    notes.push(`${describeDamage(copy.damage)}; using the copy at 0x${SUPER_OFFSETS[best.mirror]?.toString(16)}`);
  }
  return { bytes: best.bytes, mirror: best.mirror, notes };
}

/** What is wrong with the bytes of a superblock copy, or null. */
export function superDamage(bytes: Uint8Array, mirror: number): Damage | null {
  const addr = SUPER_OFFSETS[mirror] as number;
  const structure = mirror === 0 ? 'superblock' : `superblock copy ${mirror}`;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const bad = (field: keyof typeof SuperBlock.at, rule: string): Damage => ({
    structure,
    addr,
    offset: SuperBlock.at[field],
    field,
    value: String(SuperBlock.fields.find((info) => info.name === field)?.read(view, 0)),
    rule,
  });
  if (SuperBlock.get.magic(view, 0) !== SUPER_MAGIC) return bad('magic', 'wrong');
  const kind = checksumKind(SuperBlock.get.csum_type(view, 0));
  if (kind === null) return bad('csum_type', 'unknown');
  if (!sealMatches(kind, bytes)) return { structure, addr, offset: 0, field: 'csum', rule: `wrong (${kind.name})` };
  try {
    return valuesDamage(SuperBlock.decode(view, 0), addr, bad);
  } catch (error) {
    if (error instanceof FsError) return { structure, addr, rule: error.message };
    throw error;
  }
}

/** What btrfstune was doing when it was interrupted, or null. */
function unfinished(flags: bigint): string | null {
  const names = Object.entries(SuperFlag).filter(([, bit]) => (flags & bit) !== 0n);
  if (names.reduce((known, [, bit]) => known | bit, 0n) !== flags) return null;
  return `${names.map(([name]) => name).join(', ')}: a conversion by btrfstune that has to be finished first`;
}

type Bad = (field: keyof typeof SuperBlock.at, rule: string) => Damage;

function valuesDamage(sb: SuperValues, addr: number, bad: Bad): Damage | null {
  if (sb.bytenr !== addr) return bad('bytenr', `not its own address ${addr}`);
  const strange = sb.flags & ~SUPER_FLAGS_KNOWN;
  if (strange !== 0n) return bad('flags', unfinished(strange) ?? 'unknown bit');
  for (const field of ['root_level', 'chunk_root_level', 'log_root_level'] as const) {
    if (sb[field] >= MAX_LEVEL) return bad(field, `>= ${MAX_LEVEL}`);
  }
  if (!isPowerOfTwo(sb.sectorsize) || sb.sectorsize < MIN_SECTOR || sb.sectorsize > MAX_METADATA_BLOCK) {
    return bad('sectorsize', 'not a power of two from 4096 to 65536');
  }
  if (!isPowerOfTwo(sb.nodesize) || sb.nodesize < sb.sectorsize || sb.nodesize > MAX_METADATA_BLOCK) {
    return bad('nodesize', `not a power of two from ${sb.sectorsize} to 65536`);
  }
  if (sb.leafsize !== sb.nodesize) return bad('leafsize', `not nodesize ${sb.nodesize}`);
  for (const field of ['root', 'chunk_root', 'log_root'] as const) {
    if (!(sb[field] >= 0) || sb[field] % sb.sectorsize !== 0) return bad(field, `not aligned to ${sb.sectorsize}`);
  }
  return identityDamage(sb, bad) ?? countsDamage(sb, bad);
}

function identityDamage(sb: SuperValues, bad: Bad): Damage | null {
  if (!sameBytes(sb.dev_item.fsid, metadataUuid(sb))) return bad('dev_item', 'its fsid is not that of the metadata');
  const bgTree = (sb.compat_ro_flags & CompatRo.BLOCK_GROUP_TREE) !== 0n;
  const needed =
    (sb.compat_ro_flags & CompatRo.FREE_SPACE_TREE_VALID) !== 0n && (sb.incompat_flags & Incompat.NO_HOLES) !== 0n;
  if (bgTree && !needed) return bad('compat_ro_flags', 'BLOCK_GROUP_TREE without FREE_SPACE_TREE_VALID and NO_HOLES');
  return null;
}

function countsDamage(sb: SuperValues, bad: Bad): Damage | null {
  if (!(sb.generation >= 0)) return bad('generation', 'beyond 2^53 - 1');
  if (!(sb.bytes_used >= 6 * sb.nodesize)) return bad('bytes_used', `< ${6 * sb.nodesize}`);
  if (!(sb.total_bytes >= 0)) return bad('total_bytes', 'beyond 2^53 - 1');
  if (!isPowerOfTwo(sb.stripesize)) return bad('stripesize', 'not a power of two');
  if (!(sb.num_devices >= 1)) return bad('num_devices', '< 1');
  if (sb.sys_chunk_array_size > SYSTEM_CHUNK_ARRAY_SIZE) return bad('sys_chunk_array_size', '> 2048');
  const least = KEY_SIZE + chunkItemSize(1);
  if (sb.sys_chunk_array_size < least) return bad('sys_chunk_array_size', `< ${least}`);
  return null;
}

/** The file system id that tree blocks carry: metadata_uuid where the image has one apart. */
export function metadataUuid(sb: SuperValues): Uint8Array {
  return (sb.incompat_flags & Incompat.METADATA_UUID) === 0n ? sb.fsid : sb.metadata_uuid;
}

function readCopy(device: Device, mirror: number): Uint8Array | null {
  const addr = SUPER_OFFSETS[mirror] as number;
  if (addr + SUPER_SIZE > device.size) return null;
  const bytes = new Uint8Array(SUPER_SIZE);
  device.read(addr, bytes);
  return bytes;
}

/** A copy of another file system, left over from before, is never newer. */
function isNewer(bytes: Uint8Array, than: Uint8Array): boolean {
  const a = new DataView(bytes.buffer, bytes.byteOffset);
  const b = new DataView(than.buffer, than.byteOffset);
  if (!sameBytes(SuperBlock.get.fsid(a, 0), SuperBlock.get.fsid(b, 0))) return false;
  return SuperBlock.get.generation(a, 0) > SuperBlock.get.generation(b, 0);
}

function unusable(device: Device, primary: Uint8Array, damage: Damage): FsError {
  const view = new DataView(primary.buffer, primary.byteOffset);
  if (SuperBlock.get.magic(view, 0) === SUPER_MAGIC) return new FsError('EUCLEAN', { path: device.name, damage });
  return new FsError('EINVAL', { path: device.name, detail: 'no btrfs superblock' });
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && (value & (value - 1)) === 0;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
