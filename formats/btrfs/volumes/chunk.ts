/**
 * A chunk: a run of logical addresses and where its bytes lie on the devices (kernel: struct btrfs_chunk_map,
 * btrfs_map_block).
 *
 *     raid0, 3 stripes          raid10, 4 stripes            raid6, 4 stripes (rotating by one a row)
 *     row 0 | d0 | d1 | d2 |    row 0 | d0 | d0 | d1 | d1 |   row 0 | d0 | d1 | P  | Q  |
 *     row 1 | d3 | d4 | d5 |    row 1 | d2 | d2 | d3 | d3 |   row 1 | Q  | d2 | d3 | P  |
 *
 * A cell is STRIPE_LEN bytes; the stripe list of the chunk item gives each column's device and first address.
 */

import { BlockGroupFlag, STRIPE_LEN } from '../structure/chunk.ts';
import type { Member } from './member.ts';
import type { Profile } from './profile.ts';

/** One column of a chunk. */
export interface Stripe {
  readonly member: Member;
  /** Device byte address of the column's first byte. */
  readonly addr: number;
}

/** Where a logical address lies; filled by Chunk.place. */
export class Place {
  /** Index in the chunk's stripe list. */
  stripe = 0;
  /** Byte offset in that column. */
  offset = 0;
  /** Bytes from there that lie together in this column. */
  run = 0;
  /** raid5 and raid6: the row, and which data cell of it; else 0. */
  row = 0;
  cell = 0;
}

export class Chunk {
  readonly logical: number;
  readonly length: number;
  /** BlockGroupFlag bits. */
  readonly type: number;
  readonly profile: Profile;
  readonly stripes: readonly Stripe[];
  /** Cells of a row that hold different data. */
  readonly dataStripes: number;
  /** Bytes that the chunk takes in each column. */
  readonly stripeBytes: number;
  /** Copies that can be read one by one, those rebuilt from parity included (kernel: btrfs_chunk_map_num_copies). */
  readonly mirrors: number;
  readonly parity: boolean;

  constructor(logical: number, length: number, type: number, profile: Profile, stripes: readonly Stripe[]) {
    this.logical = logical;
    this.length = length;
    this.type = type;
    this.profile = profile;
    this.stripes = stripes;
    this.parity = profile.parities > 0;
    this.dataStripes = Math.max(1, Math.floor((stripes.length - profile.parities) / profile.copies));
    this.stripeBytes = Math.ceil(length / this.dataStripes);
    if (profile.flag === BlockGroupFlag.RAID5) this.mirrors = 2;
    else if (profile.flag === BlockGroupFlag.RAID6) this.mirrors = stripes.length;
    else this.mirrors = profile.copies;
  }

  get end(): number {
    return this.logical + this.length;
  }

  /** Where the byte `offset` of the chunk lies in its copy `mirror` (from 1). Parity chunks: the data cell itself. */
  place(offset: number, mirror: number, into: Place): void {
    if (this.dataStripes === 1 && !this.parity) {
      into.stripe = mirror - 1;
      into.offset = offset;
      into.run = this.length - offset;
      into.row = into.cell = 0;
      return;
    }
    const cellNumber = Math.floor(offset / STRIPE_LEN);
    const inCell = offset - cellNumber * STRIPE_LEN;
    into.cell = cellNumber % this.dataStripes;
    into.row = (cellNumber - into.cell) / this.dataStripes;
    into.offset = into.row * STRIPE_LEN + inCell;
    into.run = Math.min(STRIPE_LEN - inCell, this.length - offset);
    if (this.parity) into.stripe = this.column(into.row, into.cell);
    else into.stripe = into.cell * this.profile.copies + (mirror - 1);
  }

  /** Parity chunks: the column of a row's cell; P is cell `dataStripes`, Q the one after. */
  column(row: number, cell: number): number {
    return (row + cell) % this.stripes.length;
  }
}
