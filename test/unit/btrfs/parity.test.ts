/** raid5 and raid6 rows on devices in memory: what was written is rebuilt from whatever the profile lets go missing. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MemoryDevice } from '../../../core/device/memory.ts';
import { BlockGroupFlag, STRIPE_LEN } from '../../../formats/btrfs/structure/chunk.ts';
import { Chunk, Place } from '../../../formats/btrfs/volumes/chunk.ts';
import { Member } from '../../../formats/btrfs/volumes/member.ts';
import { rebuildCell, writeRows } from '../../../formats/btrfs/volumes/parity.ts';
import { type Profile, profileOf } from '../../../formats/btrfs/volumes/profile.ts';
import { assertBytes } from '../../harness/assert-bytes.ts';
import { announceSeed, Random } from '../../harness/random.ts';

const test = suite('btrfs parity');
const seed = announceSeed('btrfs-parity');
const ROWS = 5;

function chunkOf(flag: number, columns: number): Chunk {
  const profile = profileOf(flag) as Profile;
  const stripes = Array.from({ length: columns }, (_, i) => {
    const device = new MemoryDevice((ROWS + 1) * STRIPE_LEN, { name: `${i}` });

    return { member: new Member(i + 1, `${i}`, device, 1), addr: STRIPE_LEN };
  });
  return new Chunk(0, (columns - profile.parities) * ROWS * STRIPE_LEN, flag | BlockGroupFlag.DATA, profile, stripes);
}

/** Reads all of a chunk cell by cell: as copy `mirror`, or (0) rebuilding only what lies on missing devices. */
function readAll(chunk: Chunk, mirror: number): Uint8Array {
  const bytes = new Uint8Array(chunk.length);
  const place = new Place();
  for (let at = 0; at < chunk.length; at += STRIPE_LEN) {
    chunk.place(at, 1, place);
    const { member, addr } = chunk.stripes[place.stripe] as (typeof chunk.stripes)[number];
    const into = bytes.subarray(at, at + STRIPE_LEN);
    if (mirror === 0 && member.device !== null) member.read(addr + place.offset, into);
    else rebuildCell(chunk, place.row, place.cell, 0, into, Math.max(mirror, 2));
  }
  return bytes;
}

for (const [flag, columns] of [
  [BlockGroupFlag.RAID5, 2],
  [BlockGroupFlag.RAID5, 4],
  [BlockGroupFlag.RAID6, 3],
  [BlockGroupFlag.RAID6, 5],
] as const) {
  const chunk = chunkOf(flag, columns);
  const { name, parities } = chunk.profile;
  const wanted = new Uint8Array(chunk.length);
  const random = new Random(seed);

  test(`${name} of ${columns}: random writes, rebuilt without any device or two`, () => {
    for (let i = 0; i < 60; i++) {
      const start = random.below(chunk.length);
      const length = Math.min(chunk.length - start, 1 + random.below(random.oneIn(3) ? 500_000 : 9000));
      const bytes = Buffer.alloc(length);
      for (let at = 0; at < length; at++) bytes[at] = random.below(256);
      writeRows(chunk, start, bytes, () => true);
      wanted.set(bytes, start);
    }
    for (let mirror = 2; mirror <= chunk.mirrors; mirror++)
      assertBytes(readAll(chunk, mirror), wanted, `copy ${mirror}`);
    for (const { member } of chunk.stripes) {
      const { device } = member;
      member.device = null;
      assertBytes(readAll(chunk, 0), wanted, `without ${member.devid}`);
      for (const other of parities < 2 ? [] : chunk.stripes.slice(member.devid)) {
        const second = other.member.device;
        other.member.device = null;
        assertBytes(readAll(chunk, 0), wanted, `without ${member.devid} and ${other.member.devid}`);
        other.member.device = second;
      }
      member.device = device;
    }
  });

  test(`${name} of ${columns}: one more missing is an error that names devices`, () => {
    const lost = chunk.stripes.slice(0, parities + 1);
    const kept = lost.map(({ member }) => member.device);
    for (const { member } of lost) member.device = null;
    assert.throws(() => readAll(chunk, 2), /device \d/);
    for (const [i, { member }] of lost.entries()) member.device = kept[i] ?? null;
  });
}

test.run();
