/**
 * The replication profiles of block groups: how many devices a chunk takes, how many copies and parities it keeps
 * (kernel: btrfs_raid_array).
 */
import { BLOCK_GROUP_PROFILE_MASK, BlockGroupFlag } from '../structure/chunk.ts';

/** How chunks of one profile are built. */
export interface Profile {
  /** As btrfs-progs prints it. */
  readonly name: string;
  readonly flag: number;
  /** Devices that hold the same bytes next to each other in the stripe list (raid10: 2). */
  readonly subStripes: number;
  /** Stripes that a chunk takes from each device. */
  readonly devStripes: number;
  /** 0: as many as there are. */
  readonly devsMax: number;
  readonly devsMin: number;
  /** Devices that may be missing. */
  readonly tolerated: number;
  /** The number of devices is a multiple of it. */
  readonly increment: number;
  readonly copies: number;
  readonly parities: number;
}

function profile(
  name: string,
  flag: number,
  [subStripes, devStripes, devsMax, devsMin, tolerated, increment, copies, parities]: readonly [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ],
): Profile {
  return { name, flag, subStripes, devStripes, devsMax, devsMin, tolerated, increment, copies, parities };
}

/** One entry a profile; `single` first. */
export const PROFILES: readonly Profile[] = [
  profile('single', 0, [1, 1, 1, 1, 0, 1, 1, 0]),
  profile('RAID0', BlockGroupFlag.RAID0, [1, 1, 0, 1, 0, 1, 1, 0]),
  profile('RAID1', BlockGroupFlag.RAID1, [1, 1, 2, 2, 1, 2, 2, 0]),
  profile('DUP', BlockGroupFlag.DUP, [1, 2, 1, 1, 0, 1, 2, 0]),
  profile('RAID10', BlockGroupFlag.RAID10, [2, 1, 0, 2, 1, 2, 2, 0]),
  profile('RAID5', BlockGroupFlag.RAID5, [1, 1, 0, 2, 1, 1, 1, 1]),
  profile('RAID6', BlockGroupFlag.RAID6, [1, 1, 0, 3, 2, 1, 1, 2]),
  profile('RAID1C3', BlockGroupFlag.RAID1C3, [1, 1, 3, 3, 2, 3, 3, 0]),
  profile('RAID1C4', BlockGroupFlag.RAID1C4, [1, 1, 4, 4, 3, 4, 4, 0]),
];

/** The profile of a group's flags; null when several or unknown profile bits are set. */
export function profileOf(flags: number): Profile | null {
  const bits = flags & BLOCK_GROUP_PROFILE_MASK;
  for (const entry of PROFILES) if (entry.flag === bits) return entry;
  return null;
}
