/**
 * Free space as Linux reports it (kernel: btrfs_statfs, btrfs_calc_avail_data_space): all numbers in bytes of data that
 * the profile of data would take, what is not allocated to chunks yet counted as if all of it became data.
 */

import { roundDown } from '../../core/units.ts';
import type { StatFs } from '../../core/vfs/filesystem.ts';
import { StatFsFlag } from '../../core/vfs/statfs.ts';
import type { BtrfsMount } from './mount.ts';
import type { BlockGroup } from './space/block-group.ts';
import { globalReserve } from './space/global-reserve.ts';
import type { SpaceKind } from './space/space-kind.ts';
import { BlockGroupFlag, STRIPE_LEN } from './structure/chunk.ts';
import { NAME_MAX } from './structure/inode.ts';
import { PROFILES, type Profile, profileOf } from './volumes/profile.ts';

const BTRFS_SUPER_MAGIC = 0x9123683e;
const DEVICE_RESERVED = 1024 * 1024;
const THRESHOLD = 4 * 1024 * 1024;

export function btrfsStatfs(mp: BtrfsMount, subvolume: number): StatFs {
  const { data, meta, system } = mp.groups.spaces;
  const mixed = data === meta;
  const kinds = mixed ? [data, system] : [data, meta, system];
  const factor = dataFactor(data);
  const used = kinds.reduce((sum, kind) => sum + diskBytes(kind, (group) => group.used), 0);
  const blocks = Math.floor(Math.floor(mp.sb.total_bytes / factor) / mp.sectorSize);
  const reserve = globalReserve(mp);
  const free = blocks - Math.floor(Math.floor(used / factor) / mp.sectorSize) - Math.floor(reserve / mp.sectorSize);
  const freeMeta = mixed ? 0 : diskBytes(meta, (group) => group.length - group.used);
  return {
    type: BTRFS_SUPER_MAGIC,
    blockSize: mp.sectorSize,
    blocks,
    bfree: Math.max(0, free),
    bavail: available(mp, data, factor, mixed || !meta.full || freeMeta >= THRESHOLD + reserve),
    files: 0,
    ffree: 0,
    fsid: fsidOf(mp, subvolume),
    nameMax: NAME_MAX,
    frsize: mp.sectorSize,
    // As a mount of the image would be: asking for no change here is not a read-only mount.
    flags: StatFsFlag.VALID + StatFsFlag.RELATIME + (mp.readOnly && !mp.options.readOnly ? StatFsFlag.RDONLY : 0),
    geometry: [],
    counts: [],
  };
}

function available(mp: BtrfsMount, data: SpaceKind, factor: number, possible: boolean): number {
  if (!possible) return 0;
  const writable = (group: BlockGroup): number => (group.readOnly ? 0 : group.length - group.used);
  const inChunks = Math.floor(diskBytes(data, writable) / factor);
  const beyond = Math.floor(unallocated(mp, dataProfile(data)) / factor);
  return Math.floor((inChunks + beyond) / mp.sectorSize);
}

/** Bytes on the devices: each copy counts. */
function diskBytes(kind: SpaceKind, bytes: (group: BlockGroup) => number): number {
  return kind.groups.reduce((sum, group) => sum + bytes(group) * copies(group.flags), 0);
}

function copies(flags: number): number {
  return profileOf(flags)?.copies ?? 1;
}

/** The profile that Linux looks at last among those of data groups. */
function dataFactor(data: SpaceKind): number {
  let factor = 1;
  for (const { flag, copies: count } of LINUX_ORDER)
    if (data.groups.some((group) => profileOf(group.flags)?.flag === flag)) factor = count;
  return factor;
}

/** By the kernel's numbers of profiles (enum btrfs_raid_types). */
const LINUX_ORDER: readonly Profile[] = [
  0,
  BlockGroupFlag.RAID0,
  BlockGroupFlag.RAID1,
  BlockGroupFlag.DUP,
  BlockGroupFlag.RAID10,
  BlockGroupFlag.RAID5,
  BlockGroupFlag.RAID6,
  BlockGroupFlag.RAID1C3,
  BlockGroupFlag.RAID1C4,
].map((flag) => profileOf(flag) as Profile);

function dataProfile(data: SpaceKind): Profile {
  const used = data.groups.reduce((flags, group) => flags | group.flags, 0);
  for (const name of ['RAID1C4', 'RAID6', 'RAID1C3', 'RAID5', 'RAID10', 'RAID1', 'DUP', 'RAID0']) {
    const profile = PROFILES.find((each) => each.name === name) as Profile;
    if ((used & profile.flag) !== 0) return profile;
  }
  return PROFILES[0] as Profile;
}

/** What chunks of data could still take on the devices, in bytes there. */
function unallocated(mp: BtrfsMount, profile: Profile): number {
  const least = profile.devStripes * STRIPE_LEN;
  const rooms = mp.space.members.all
    .filter((member) => member.device !== null && !member.seed)
    .map((member) => roundDown(member.totalBytes - member.bytesUsed, STRIPE_LEN))
    .filter((room) => room > DEVICE_RESERVED + least)
    .map((room) => room - DEVICE_RESERVED)
    .sort((a, b) => b - a);
  let width = stripesAtLeast(profile, rooms.length);
  let sum = 0;
  for (let count = rooms.length; count >= Math.max(1, profile.devsMin); count--) {
    width = Math.min(width, count);
    const room = rooms[count - 1] as number;
    if (room < least) continue;
    sum += room * width;
    for (let i = count - width; i < count; i++) rooms[i] = (rooms[i] as number) - room;
  }
  return sum;
}

function stripesAtLeast(profile: Profile, devices: number): number {
  if (profile.flag === BlockGroupFlag.RAID0) return devices;
  if (profile.flag === BlockGroupFlag.RAID10) return 4;
  return profile.name.startsWith('RAID1') ? profile.copies : 1;
}

/** The two halves of the file system's id folded, with the subvolume's id in the second. */
function fsidOf(mp: BtrfsMount, subvolume: number): readonly [number, number] {
  const id = mp.sb.fsid;
  const view = new DataView(id.buffer, id.byteOffset, id.length);
  const high = Math.floor(subvolume / 2 ** 32);
  return [
    (view.getUint32(0) ^ view.getUint32(8) ^ high) >>> 0,
    (view.getUint32(4) ^ view.getUint32(12) ^ (subvolume % 2 ** 32)) >>> 0,
  ];
}
