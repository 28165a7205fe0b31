/**
 * min-dev-size: how small a device could be made. What lies behind the sum of all extents would be moved into the holes
 * between the others, one extent at a time; moving needs room of its own (btrfs-progs: inspect-internal min-dev-size).
 */
import { says, WordFailure, word } from '../../../core/vfs/word.ts';
import type { BtrfsMount } from '../mount.ts';
import { SUPER_OFFSETS } from '../structure/superblock.ts';
import type { Member } from '../volumes/member.ts';
import { mountOf } from './mount-of.ts';
import { sizeText } from './sizes.ts';

const MIB = 2 ** 20;
/** What lies before the first chunk. */
const RESERVED = MIB;
/** The largest system chunk, of which moving may need a new one. */
const SYSTEM_CHUNK = 32 * MIB;

export const minDevSize = word({
  name: 'min-dev-size',
  about: 'how small a device could be made',
  options: { id: { value: 'devid', kind: 'integer', about: 'of this device; else of the first' } },
  run(context, { options, operands }) {
    if (operands.length > 0) throw context.usage();
    const mp = mountOf(context);
    const devid = options.id ?? 1;
    const member = mp.space.members.all.find((known) => known.devid === devid);
    if (member === undefined) throw new WordFailure(`min-dev-size: no device ${devid}`);
    const bytes = leastBytes(mp, member);
    return says({ devid, bytes }, [`${bytes} bytes (${sizeText(bytes)})`]);
  },
});

interface Range {
  start: number;
  readonly end: number;
}

/** The device's extents by address. */
function extentsOn(mp: BtrfsMount, member: Member): Range[] {
  const all: Range[] = [];
  for (const { stripes, stripeBytes } of mp.space.chunks)
    for (const stripe of stripes)
      if (stripe.member === member) all.push({ start: stripe.addr, end: stripe.addr + stripeBytes });
  return all.sort((a, b) => a.start - b.start);
}

function leastBytes(mp: BtrfsMount, member: Member): number {
  const extents = extentsOn(mp, member);
  const holes: Range[] = [];
  let least = RESERVED;
  for (const [i, { start, end }] of extents.entries()) {
    least += end - start;
    const before = extents[i - 1];
    if (before !== undefined && before.end < start) holes.push({ start: before.end, end: start });
  }
  let scratch = 0;
  for (const { start, end } of extents.reverse()) {
    if (end - 1 <= least) break;
    const length = end - start;
    const hole = holes.find((range) => range.end - range.start >= length);
    if (hole === undefined) {
      least = end;
      break;
    }
    // A superblock in the new place may split what has to stay together.
    if (SUPER_OFFSETS.some((addr) => addr >= hole.start && addr < hole.start + length)) least += length;
    hole.start += length;
    scratch = Math.max(scratch, length);
  }
  return scratch === 0 ? least : least + scratch + SYSTEM_CHUNK;
}
