/**
 * Chunk items, from the superblock's array or the chunk tree: checked by Linux's rules before they are believed
 * (kernel: btrfs_check_chunk_valid), because every later address goes through them.
 */
import { corrupt, type FsError } from '../../../core/errors.ts';
import {
  BLOCK_GROUP_PROFILE_MASK,
  BLOCK_GROUP_TYPE_MASK,
  BlockGroupFlag,
  ChunkItem,
  chunkItemSize,
  STRIPE_LEN,
  Stripe,
} from '../structure/chunk.ts';
import { Chunk, type Stripe as Column } from './chunk.ts';
import { hex, type Member } from './member.ts';
import { type Profile, profileOf } from './profile.ts';

/** What the checks and the stripes need to know of the file system. */
export interface ChunkContext {
  readonly sectorSize: number;
  readonly mixedGroups: boolean;
  /** The device with this id and uuid; a missing one is made up. */
  member(devid: number, uuid: string): Member;
}

/**
 * Decodes the chunk item of `size` bytes at `at` for the logical address in its key.
 * @throws FsError EUCLEAN naming the field and the rule
 */
export function readChunkItem(view: DataView, at: number, size: number, logical: number, context: ChunkContext): Chunk {
  if (size < chunkItemSize(1)) throw bad(logical, 'item size', size, `< ${chunkItemSize(1)}`);
  const count = ChunkItem.get.num_stripes(view, at);
  if (size !== chunkItemSize(count)) throw bad(logical, 'num_stripes', count, `item has ${size} bytes`);
  const type = chunkType(view, at, logical, context.mixedGroups);
  const profile = profileOf(type);
  if (profile === null) throw bad(logical, 'type', `0x${type.toString(16)}`, 'several profiles');
  checkStripeCount(profile, count, ChunkItem.get.sub_stripes(view, at), logical);
  const length = checkGeometry(view, at, logical, context.sectorSize);
  const chunk = new Chunk(logical, length, type, profile, readColumns(view, at + ChunkItem.size, count, context));
  for (const { addr } of chunk.stripes) {
    if (addr < 0 || addr + chunk.stripeBytes > Number.MAX_SAFE_INTEGER) throw bad(logical, 'offset', addr, 'too large');
  }
  return chunk;
}

function checkGeometry(view: DataView, at: number, logical: number, sectorSize: number): number {
  const length = ChunkItem.get.length(view, at);
  const ownSectorSize = ChunkItem.get.sector_size(view, at);
  const stripeLength = ChunkItem.get.stripe_len(view, at);
  if (logical < 0 || logical % sectorSize !== 0) throw bad(logical, 'logical', logical, 'not sector aligned');
  if (ownSectorSize !== sectorSize) throw bad(logical, 'sector_size', ownSectorSize, `not ${sectorSize}`);
  if (length <= 0 || length % sectorSize !== 0) throw bad(logical, 'length', length, 'not whole sectors');
  if (length >= 0xffffffff * STRIPE_LEN) throw bad(logical, 'length', length, 'too long');
  if (logical + length > Number.MAX_SAFE_INTEGER) throw bad(logical, 'length', length, 'ends beyond 2^53');
  if (stripeLength !== STRIPE_LEN) throw bad(logical, 'stripe_len', stripeLength, `not ${STRIPE_LEN}`);
  return length;
}

function readColumns(view: DataView, at: number, count: number, context: ChunkContext): Column[] {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const columns: Column[] = [];
  for (let i = 0; i < count; i++) {
    const base = at + i * Stripe.size;
    const member = context.member(Stripe.get.devid(view, base), hex(bytes, base + Stripe.at.dev_uuid));
    columns.push({ member, addr: Stripe.get.offset(view, base) });
  }
  return columns;
}

function chunkType(view: DataView, at: number, logical: number, mixed: boolean): number {
  const type = ChunkItem.get.type(view, at);
  const text = `0x${type.toString(16)}`;
  if (type < 0 || type > 0xffffffff || (type & ~(BLOCK_GROUP_TYPE_MASK | BLOCK_GROUP_PROFILE_MASK)) !== 0) {
    throw bad(logical, 'type', text, 'unknown bits');
  }
  if ((type & BLOCK_GROUP_TYPE_MASK) === 0) throw bad(logical, 'type', text, 'holds nothing');
  const both = BlockGroupFlag.DATA | BlockGroupFlag.METADATA;
  if ((type & BlockGroupFlag.SYSTEM) !== 0 && (type & both) !== 0) throw bad(logical, 'type', text, 'system and more');
  if (!mixed && (type & both) === both) throw bad(logical, 'type', text, 'mixed without the feature');
  return type;
}

function checkStripeCount(profile: Profile, count: number, subStripes: number, logical: number): void {
  const { flag, devsMin, copies, parities, devStripes } = profile;
  let good = count >= 1 && count >= copies && count > parities;
  if (flag === 0 || flag === BlockGroupFlag.DUP) good &&= count === devStripes;
  else if (flag === BlockGroupFlag.RAID5 || flag === BlockGroupFlag.RAID6) good &&= count >= devsMin;
  else if (flag === BlockGroupFlag.RAID10) good &&= subStripes === 2 && count % 2 === 0;
  else if (flag !== BlockGroupFlag.RAID0) good &&= count === devsMin;
  if (!good) throw bad(logical, 'num_stripes', count, `wrong for ${profile.name}`);
}

function bad(logical: number, field: string, value: number | string, rule: string): FsError {
  return corrupt({ structure: `chunk ${logical}`, field, value: String(value), rule });
}
