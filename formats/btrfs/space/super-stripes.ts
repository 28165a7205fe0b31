/** Where superblocks lie inside a chunk: addresses that are never allocated (kernel: exclude_super_stripes). */
import { BlockGroupFlag, STRIPE_LEN } from '../structure/chunk.ts';
import { SUPER_OFFSETS } from '../structure/superblock.ts';
import type { Chunk } from '../volumes/chunk.ts';

interface Bytes {
  readonly start: number;
  readonly length: number;
}

/** The logical ranges of a chunk that its columns keep for superblocks, ascending, none touching another. */
export function superStripes(chunk: Chunk): Bytes[] {
  const found: Bytes[] = [];
  const first = SUPER_OFFSETS[0] as number;
  if (chunk.logical < first) found.push({ start: chunk.logical, length: first - chunk.logical });
  const rowLength = chunk.parity ? STRIPE_LEN * chunk.dataStripes : STRIPE_LEN;
  for (const offset of SUPER_OFFSETS) {
    for (let column = 0; column < chunk.stripes.length; column++) {
      const start = logicalOf(chunk, column, offset, rowLength);
      if (start < 0 || start >= chunk.end) continue;
      found.push({ start, length: Math.min(rowLength, chunk.end - start) });
    }
  }
  return joined(found);
}

/** The logical address at which a column's device address appears; -1 if it lies elsewhere. */
function logicalOf(chunk: Chunk, column: number, addr: number, rowLength: number): number {
  const start = chunk.stripes[column]?.addr as number;
  if (addr < start || addr >= start + chunk.stripeBytes) return -1;
  const inStripe = (addr - start) % STRIPE_LEN;
  let row = (addr - start - inStripe) / STRIPE_LEN;
  if ((chunk.type & (BlockGroupFlag.RAID0 | BlockGroupFlag.RAID10)) !== 0) {
    row = Math.floor((row * chunk.stripes.length + column) / chunk.profile.subStripes);
  }
  return chunk.logical + row * rowLength + inStripe;
}

function joined(ranges: Bytes[]): Bytes[] {
  ranges.sort((a, b) => a.start - b.start);
  const result: { start: number; length: number }[] = [];
  for (const { start, length } of ranges) {
    const last = result.at(-1);
    if (last === undefined || last.start + last.length < start) result.push({ start, length });
    else last.length = Math.max(last.length, start + length - last.start);
  }
  return result;
}
