/** Ranges against a set of numbers. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SeenRanges } from '../../../formats/ext4/map/seen-ranges.ts';
import { Random } from '../../harness/random.ts';

const test = suite('ranges that were seen');

test('any order of additions', () => {
  const seed = Date.now() % 1_000_000;
  process.stdout.write(`# seed ${seed}\n`);
  const random = new Random(seed);
  for (let round = 0; round < 2000; round++) {
    const ranges = new SeenRanges();
    const set = new Set<number>();
    for (let i = 0; i < 8; i++) {
      const from = random.below(40);
      const to = from + 1 + random.below(10);
      ranges.add(from, to);
      for (let at = from; at < to; at++) set.add(at);
    }
    for (let at = 0; at < 55; at++) {
      let end = at;
      while (set.has(end)) end++;
      assert.is(ranges.endAt(at), end, `the range of ${at}`);
    }
  }
});

test.run();
