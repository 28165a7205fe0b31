/** What block groups take of each device. */
import type { BtrfsMount } from '../mount.ts';
import { BlockGroupFlag } from '../structure/chunk.ts';
import type { Member } from '../volumes/member.ts';

/** Bytes that chunks of the wanted types take of a device. */
export function bytesOn(mp: BtrfsMount, member: Member, wanted: (type: number, stripes: number) => boolean): number {
  let bytes = 0;
  for (const { type, stripes, stripeBytes } of mp.space.chunks) {
    if (!wanted(type, stripes.length)) continue;
    for (const stripe of stripes) if (stripe.member === member) bytes += stripeBytes;
  }
  return bytes;
}

/** Bytes of a device beyond what the file system may use. */
export function slackOf({ device, totalBytes }: Member): number {
  return Math.max(0, (device?.size ?? totalBytes) - totalBytes);
}

/** Data come first, then metadata, then system; within one type the profiles by their bits. */
export function groupOrder(a: number, b: number): number {
  return rank(a) - rank(b) || (a & PROFILE) - (b & PROFILE);
}

const PROFILE = 0x7f8;

function rank(flags: number): number {
  if ((flags & BlockGroupFlag.SYSTEM) !== 0) return 3;
  return (flags & BlockGroupFlag.METADATA) === 0 ? 0 : 1;
}
