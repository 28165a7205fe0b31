/** Sets of ranges against a bitmap. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RangeSet } from '../../../formats/btrfs/space/ranges.ts';
import { announceSeed, Random } from '../../harness/random.ts';

const test = suite('btrfs ranges');
const SIZE = 5000;

/** Ranges of set bytes, as [start, length]. */
function runs(model: Uint8Array): [number, number][] {
  const found: [number, number][] = [];
  for (let at = 0; at < SIZE; ) {
    if (model[at] === 0) {
      at++;
      continue;
    }
    const end = model.indexOf(0, at);
    found.push([at, (end < 0 ? SIZE : end) - at]);
    at = end < 0 ? SIZE : end;
  }
  return found;
}

function check(set: RangeSet, model: Uint8Array, random: Random): void {
  const found: [number, number][] = [];
  set.forEach((start, length) => {
    found.push([start, length]);
  });
  const wanted = runs(model);
  assert.equal(found, wanted);
  assert.is(set.count, wanted.length);
  assert.is(
    set.bytes,
    wanted.reduce((sum, [, length]) => sum + length, 0),
  );
  assert.is(set.longest()?.length ?? 0, Math.max(0, ...wanted.map(([, length]) => length)));
  const [from, length, step] = [random.below(SIZE), 1 + random.below(6), random.pick([1, 2, 4])];
  const place = wanted
    .map(([start, bytes]) => [Math.ceil(Math.max(start, from) / step) * step, start + bytes] as const)
    .find(([start, end]) => end - start >= length);
  assert.is(set.find(length, from, step), place?.[0] ?? -1);
}

test('adds, removes, cuts and finds as a bitmap does', () => {
  const random = new Random(announceSeed('btrfs-ranges'));
  const set = new RangeSet();
  const model = new Uint8Array(SIZE);
  for (let i = 0; i < 12_000; i++) {
    const start = random.below(SIZE);
    const end = Math.min(SIZE, start + 1 + random.below(3));
    const part = model.subarray(start, end);
    const choice = random.below(10);
    if (choice < 6) {
      if (part.every((byte) => byte === 0)) set.add(start, end - start);
      else assert.throws(() => set.add(start, end - start), /free already/);
      if (part.every((byte) => byte === 0)) part.fill(1);
    } else if (choice < 8) {
      if (part.every((byte) => byte === 1)) set.remove(start, end - start);
      else assert.throws(() => set.remove(start, end - start), /not free/);
      if (part.every((byte) => byte === 1)) part.fill(0);
    } else {
      set.cut(start, end - start);
      part.fill(0);
    }
    if (i % 50 === 0) check(set, model, random);
  }
});

test.run();
