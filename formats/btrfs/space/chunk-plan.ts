/**
 * Where a new chunk would go, and how large it would be: as many devices as the profile can use, those with the
 * largest holes first, at most 1 GiB a stripe, at most 10 GiB (data), 256 MiB or 1 GiB (metadata), 32 MiB (system),
 * and at most a tenth of the file system (kernel: btrfs_create_chunk, decide_stripe_size_regular).
 */
import { roundDown, roundUp } from '../../../core/units.ts';
import { maxItemSize } from '../structure/block.ts';
import { BlockGroupFlag, ChunkItem, STRIPE_LEN, Stripe } from '../structure/chunk.ts';
import { KEY_SIZE } from '../structure/key.ts';
import { SYSTEM_CHUNK_ARRAY_SIZE } from '../structure/superblock.ts';
import { Chunk } from '../volumes/chunk.ts';
import type { LogicalSpace } from '../volumes/logical-space.ts';
import type { Member } from '../volumes/member.ts';
import { type Profile, profileOf } from '../volumes/profile.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
/** The start of each device, never part of a chunk. */
export const DEVICE_RESERVED = MIB;

/** Unused bytes of one device. */
interface Hole {
  readonly member: Member;
  readonly addr: number;
  readonly length: number;
  /** All that is unallocated on the device. */
  readonly total: number;
}

/** A chunk of this type (with profile bits) as it would be made next; null if the devices have no room for it. */
export function planChunk(space: LogicalSpace, type: number, nodeSize: number): Chunk | null {
  const profile = profileOf(type);
  if (profile === null) return null;
  const writable = space.members.all.filter((member) => !member.seed && member.device !== null);
  const total = writable.reduce((sum, member) => sum + member.totalBytes, 0);
  const wanted = largestChunk(type, total);
  const stripeLimit = Math.min(wanted, GIB);
  const holes = gatherHoles(space, writable, profile, stripeLimit);
  const count = usableDevices(holes.length, profile, type, nodeSize);
  if (count === 0) return null;
  const stripeCount = count * profile.devStripes;
  const dataStripes = (stripeCount - profile.parities) / profile.copies;
  const limit = Math.min(wanted, Math.floor((total * 10) / 100));
  let stripe = Math.floor((holes[count - 1] as Hole).length / profile.devStripes);
  if (stripe * dataStripes > limit) stripe = Math.min(roundUp(Math.floor(limit / dataStripes), 16 * MIB), stripe);
  stripe = roundDown(Math.min(stripe, GIB), STRIPE_LEN);
  if (stripe === 0) return null;
  const stripes: { member: Member; addr: number }[] = [];
  for (const { member, addr } of holes.slice(0, count)) {
    for (let i = 0; i < profile.devStripes; i++) stripes.push({ member, addr: addr + i * stripe });
  }
  return new Chunk(space.chunks.end, stripe * dataStripes, type, profile, stripes);
}

function largestChunk(type: number, total: number): number {
  if ((type & BlockGroupFlag.DATA) !== 0) return 10 * GIB;
  if ((type & BlockGroupFlag.SYSTEM) !== 0) return 32 * MIB;
  return total > 50 * GIB ? GIB : 256 * MIB;
}

function usableDevices(count: number, profile: Profile, type: number, nodeSize: number): number {
  const most = Math.min(
    profile.devsMax === 0 ? Number.POSITIVE_INFINITY : profile.devsMax,
    Math.floor((maxItemSize(nodeSize) - ChunkItem.size) / Stripe.size) + 1,
    (type & BlockGroupFlag.SYSTEM) === 0 ? Number.POSITIVE_INFINITY : maxSystemDevices(),
  );
  const usable = roundDown(count, profile.increment);
  return usable < profile.devsMin ? 0 : Math.min(usable, most);
}

/** So many that two such chunks fit the superblock's array. */
function maxSystemDevices(): number {
  const room = SYSTEM_CHUNK_ARRAY_SIZE - 2 * KEY_SIZE - 2 * ChunkItem.size;
  return Math.floor(room / Stripe.size / 2) + 1;
}

/** One hole a device, the largest first: the first that is long enough, or else the longest. */
function gatherHoles(space: LogicalSpace, members: readonly Member[], profile: Profile, limit: number): Hole[] {
  const least = STRIPE_LEN * profile.devStripes;
  const holes: Hole[] = [];
  for (const member of members) {
    const total = Math.max(0, member.totalBytes - member.bytesUsed);
    if (total < least) continue;
    const hole = findHole(space, member, limit * profile.devStripes);
    if (hole.length >= least) holes.push({ member, addr: hole.addr, length: hole.length, total });
  }
  return holes.sort((a, b) => b.length - a.length || b.total - a.total);
}

/** The first hole of at least `wanted` bytes, cut to that, or the longest. */
function findHole(space: LogicalSpace, member: Member, wanted: number): { addr: number; length: number } {
  const taken: { addr: number; end: number }[] = [];
  for (const chunk of space.chunks) {
    for (const stripe of chunk.stripes) {
      if (stripe.member === member) taken.push({ addr: stripe.addr, end: stripe.addr + chunk.stripeBytes });
    }
  }
  taken.sort((a, b) => a.addr - b.addr);
  taken.push({ addr: member.totalBytes, end: member.totalBytes });
  let best = { addr: 0, length: 0 };
  let at = DEVICE_RESERVED;
  for (const { addr, end } of taken) {
    if (addr - at >= wanted) return { addr: at, length: wanted };
    if (addr - at > best.length) best = { addr: at, length: addr - at };
    at = Math.max(at, end);
  }
  return best;
}
