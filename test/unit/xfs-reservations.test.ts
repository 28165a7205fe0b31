/** The list of in-memory extents against a sorted array; and the rounding to extent size hints. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DELAY, Extent } from '../../formats/xfs/extent.ts';
import { alignToHint } from '../../formats/xfs/extent-hint.ts';
import { Reservations } from '../../formats/xfs/reservations.ts';
import { announceSeed, Random } from '../harness/random.ts';

const seed = announceSeed('xfs-reservations');

interface Entry {
  off: number;
  count: number;
  indlen: number;
}

test('finds, replaces and removes as a sorted array does', () => {
  const random = new Random(seed);
  const list = new Reservations();
  const model: Entry[] = [];
  const e = new Extent();
  for (let i = 0; i < 20_000; i++) {
    const off = random.below(20_000) * 4;
    const at = model.findIndex((entry) => entry.off >= off);
    const index = at < 0 ? model.length : at;
    if (model[index]?.off === off) {
      if (random.oneIn(2)) {
        list.remove(off);
        model.splice(index, 1);
      } else {
        list.replace(off, e.set(off, DELAY, 3, false), i);
        model[index] = { off, count: 3, indlen: i };
      }
    } else if (random.below(3) > 0) {
      list.insert(e.set(off, DELAY, 2, false), i);
      model.splice(index, 0, { off, count: 2, indlen: i });
    }
    const ask = off + random.below(4);
    assert.is(list.lookup(ask, e) ? e.off : -1, model.find((m) => m.off + m.count > ask)?.off ?? -1);
    assert.is(list.before(ask, e) ? e.off : -1, model.findLast((m) => m.off < ask)?.off ?? -1);
  }
  assert.is(list.size, model.length);
  assert.is(
    list.blocks,
    model.reduce((sum, m) => sum + m.count, 0),
  );
  for (const entry of model) assert.is(list.indlenAt(entry.off), entry.indlen);
});

const span = (off: number, count: number, hint: number, before: Extent | null, after: Extent | null) => {
  const result = { off, count };
  alignToHint(result, hint, before, after, true);
  return [result.off, result.count];
};

test('a reservation grows to whole hints', () => {
  assert.equal(span(33, 1, 32, null, null), [32, 32]);
  assert.equal(span(31, 2, 32, null, null), [0, 64]);
});

test('a reservation does not run into its neighbours', () => {
  const before = new Extent().set(30, DELAY, 6, false);
  const after = new Extent().set(50, DELAY, 8, false);
  assert.equal(span(40, 1, 32, before, null), [36, 32]);
  assert.equal(span(40, 1, 32, before, after), [36, 14]);
  assert.equal(span(40, 10, 32, null, after), [18, 32]);
});

test.run();
