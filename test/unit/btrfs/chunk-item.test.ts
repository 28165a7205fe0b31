/** Chunk items: good ones are taken, and each rule that one breaks is named. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { nameDistance, UNLIKE } from '../../../core/device/neighbours.ts';
import { FsError } from '../../../core/errors.ts';
import {
  BlockGroupFlag,
  ChunkItem,
  chunkItemSize,
  STRIPE_LEN,
  Stripe,
} from '../../../formats/btrfs/structure/chunk.ts';
import { Place } from '../../../formats/btrfs/volumes/chunk.ts';
import { readChunkItem } from '../../../formats/btrfs/volumes/chunk-item.ts';
import { ChunkMap } from '../../../formats/btrfs/volumes/chunk-map.ts';
import { Member } from '../../../formats/btrfs/volumes/member.ts';

const test = suite('btrfs chunk items');
const { DATA, METADATA, SYSTEM, RAID0, RAID1, RAID10, RAID5, RAID6, DUP } = BlockGroupFlag;
const MIB = 2 ** 20;

interface Wish {
  readonly type?: number;
  readonly stripes?: number;
  readonly length?: number;
  readonly stripeLength?: number;
  readonly sectorSize?: number;
  readonly subStripes?: number;
  readonly size?: number;
  readonly logical?: number;
  readonly mixed?: boolean;
}

function parse(wish: Wish) {
  const stripes = wish.stripes ?? 1;
  const view = new DataView(new ArrayBuffer(chunkItemSize(Math.max(stripes, 1))));
  ChunkItem.encode(view, 0, {
    length: wish.length ?? 16 * MIB,
    stripe_len: wish.stripeLength ?? STRIPE_LEN,
    type: wish.type ?? DATA,
    sector_size: wish.sectorSize ?? 4096,
    num_stripes: stripes,
    sub_stripes: wish.subStripes ?? 1,
  });
  for (let i = 0; i < stripes; i++) {
    Stripe.encode(view, ChunkItem.size + i * Stripe.size, { devid: i + 1, offset: MIB * (i + 1) });
  }
  return readChunkItem(view, 0, wish.size ?? chunkItemSize(stripes), wish.logical ?? 64 * MIB, {
    sectorSize: 4096,
    mixedGroups: wish.mixed ?? false,
    member: (devid, uuid) => new Member(devid, uuid, null, 0),
  });
}

const BROKEN: readonly (readonly [Wish, RegExp])[] = [
  [{ stripes: 0, size: 48 }, /item size/],
  [{ size: 48 + 64 }, /num_stripes/],
  [{ type: 0 }, /type 0x0: holds nothing/],
  [{ type: DATA | 0x2000 }, /unknown bits/],
  [{ type: SYSTEM | DATA }, /system and more/],
  [{ type: DATA | METADATA }, /mixed/],
  [{ type: DATA | RAID0 | RAID1, stripes: 2 }, /several profiles/],
  [{ type: DATA | RAID1, stripes: 3 }, /wrong for RAID1/],
  [{ type: DATA | DUP, stripes: 1 }, /wrong for DUP/],
  [{ type: DATA | RAID5, stripes: 1 }, /wrong for RAID5/],
  [{ type: DATA | RAID6, stripes: 2 }, /wrong for RAID6/],
  [{ type: DATA | RAID10, stripes: 4, subStripes: 1 }, /wrong for RAID10/],
  [{ stripes: 2 }, /wrong for single/],
  [{ length: 0 }, /length 0/],
  [{ length: MIB + 1 }, /not whole sectors/],
  [{ length: 2 ** 49 }, /too long/],
  [{ logical: 4097 }, /not sector aligned/],
  [{ sectorSize: 512 }, /sector_size 512/],
  [{ stripeLength: 4096 }, /stripe_len 4096/],
];

for (const [wish, words] of BROKEN) {
  test(`refused: ${JSON.stringify(wish)}`, () => {
    assert.throws(
      () => parse(wish),
      (error: unknown) => error instanceof FsError && error.code === 'EUCLEAN' && words.test(error.message),
    );
  });
}

test('raid10: cells alternate between pairs, copies lie next to each other', () => {
  const chunk = parse({ type: DATA | RAID10, stripes: 4, subStripes: 2 });
  const place = new Place();
  const at = (offset: number, mirror: number): string => {
    chunk.place(offset, mirror, place);
    return `${place.stripe}+${place.offset}`;
  };
  assert.is(chunk.mirrors, 2);
  assert.is(at(0, 1), '0+0');
  assert.is(at(0, 2), '1+0');
  assert.is(at(STRIPE_LEN + 5, 1), '2+5');
  assert.is(at(2 * STRIPE_LEN, 2), `1+${STRIPE_LEN}`);
});

test('raid6: the columns turn by one a row', () => {
  const chunk = parse({ type: DATA | RAID6, stripes: 4 });
  const columns = [0, 1, 2, 3].map((row) => [0, 1, 2, 3].map((cell) => chunk.column(row, cell)).join(''));
  assert.equal(columns, ['0123', '1230', '2301', '3012']);
  assert.is(chunk.mirrors, 4);
  assert.is(chunk.stripeBytes, 8 * MIB);
});

test('a map finds chunks, keeps one of two equal ones and refuses overlaps', () => {
  const map = new ChunkMap();
  const first = map.add(parse({}));
  assert.is(map.add(parse({})), first);
  const second = map.add(parse({ logical: 16 * MIB }));
  assert.is(map.find(31 * MIB), second);
  assert.is(map.find(40 * MIB), null);
  assert.is(map.find(64 * MIB), first);
  assert.throws(() => map.add(parse({ logical: 72 * MIB })), /overlaps/);
  assert.throws(() => map.get(79 * MIB, 2 * MIB), /in no chunk/);
});

test('names of twins are near, others far', () => {
  assert.is(nameDistance('disk1.img', 'disk2.img'), 1);
  assert.is(nameDistance('disk9.img', 'disk10.img'), 1);
  assert.is(nameDistance('v1-disk1.img', 'v2-disk2.img'), 2);
  assert.is(nameDistance('sda', 'sdb'), 1);
  assert.is(nameDistance('disk1.img', 'backup1.img'), UNLIKE);
});

test.run();
