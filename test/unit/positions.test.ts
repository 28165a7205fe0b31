/** Positions up to 2^63 and the labels that stand for them: which have one, and what labels keep. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FsError } from '../../core/errors.ts';
import {
  CHUNK_LOG,
  coarseLabel,
  coarseReal,
  crossesGap,
  exactPos,
  exactSpan,
  exactUnits,
  FAR,
  islandEnd,
  labelFrom,
  labelHigh,
  labelLength,
  labelOf,
  labelUnits,
  POS_END,
  posHex,
  realHigh,
  realUnits,
} from '../../core/positions.ts';

const TOP = 1n << 63n;
const PIB = 1n << 50n;
const TIB = 1n << 40n;

/** Places that files of tests and of people have. */
const NAMED: readonly bigint[] = [
  0n,
  4095n,
  BigInt(FAR) - 1n,
  BigInt(FAR),
  (1n << 53n) - 1n,
  1n << 53n,
  (1n << 53n) + 1n,
  64n * PIB,
  1024n * PIB + 63n * TIB,
  (1n << 62n) - 64n * TIB,
  1n << 62n,
  7n << 60n,
  TOP - PIB,
  TOP - 65536n,
  TOP - 2n,
  TOP - 1n,
  TOP,
];

test('every place that has a label comes back from it', () => {
  for (const real of NAMED) {
    const label = labelOf(real);
    assert.ok(label !== null, `${real} has a label`);
    assert.is(BigInt(exactPos(label)), real);
    assert.ok(label <= POS_END);
  }
});

test('order is kept', () => {
  const labels = NAMED.map((real) => labelOf(real) as number);
  for (const [i, label] of labels.entries()) if (i > 0) assert.ok(label > (labels[i - 1] as number));
});

test('a number stays a number while it is exact', () => {
  assert.is(exactPos(FAR + 5), FAR + 5);
  assert.is(exactPos(POS_END - 1), TOP - 1n);
  assert.is(posHex(POS_END - 2), '7ffffffffffffffe');
});

test('what lies in a gap has no label, and the first one behind it can be found', () => {
  const real = 3n << 52n;
  assert.is(labelOf(real), null);
  assert.is(BigInt(exactPos(labelFrom(real))), (1n << 54n) - 64n * TIB);
  assert.throws(
    () => labelHigh(Number(real >> 32n), 0),
    (error: unknown) => error instanceof FsError && error.code === 'EFBIG',
  );
});

test('a search by halves for the largest size goes from label to label', () => {
  let low = 0n;
  let high = TOP - 1n;
  while (low < high) {
    const middle = (low + high + 1n) / 2n;
    if (labelOf(middle) === null) high = middle - 1n;
    else low = middle;
  }
  assert.is(low, TOP - 1n);
});

test('inside an island distances and alignment are those of the positions', () => {
  for (const real of NAMED) {
    if (real >= TOP - 2n) continue;
    const label = labelOf(real) as number;
    assert.is(BigInt(label) % (1n << BigInt(CHUNK_LOG)), real % (1n << BigInt(CHUNK_LOG)));
    assert.is(labelOf(real + 1n), label + 1);
    assert.not.ok(crossesGap(label, 1));
  }
});

test('lengths across gaps are those of the positions', () => {
  const start = labelOf(4096n) as number;
  const end = labelOf(1n << 62n) as number;
  assert.ok(crossesGap(start, end - start));
  assert.is(exactSpan(start, end), (1n << 62n) - 4096n);
  assert.is(exactUnits(end, 512), 1n << 53n);
  assert.is(labelLength(start, (1n << 62n) - 4096n), end - start);
  assert.is(labelLength(start, TOP), Number.POSITIVE_INFINITY);
  assert.is(labelLength(0, 3n << 52n), null);
  assert.is(islandEnd(POS_END - 1), Number.POSITIVE_INFINITY);
});

test('the units of records on disk', () => {
  for (const real of NAMED) {
    const label = labelOf(real) as number;
    const [high, low] = [Number(real >> 32n), Number(real & 0xffffffffn)];
    assert.is(labelHigh(high, low) * 2 ** 32 + low, label);
    assert.is(realHigh(label), high);
    for (const blockLog of [10, 12, 16]) {
      const bits = CHUNK_LOG - blockLog;
      const block = Number(real >> BigInt(blockLog));
      assert.is(labelUnits(block, bits), Math.floor(label / 2 ** blockLog));
      assert.is(realUnits(Math.floor(label / 2 ** blockLog), bits), block);
    }
    if (real % 4096n !== 0n) continue;
    assert.is(coarseReal(label), Number(real));
    assert.is(coarseLabel(Number(real)), label);
  }
});

test('blocks behind the last byte of the largest file go on without a gap', () => {
  const bits = CHUNK_LOG - 12;
  const last = 2 ** 51;
  assert.is(labelUnits(last + 3, bits), POS_END / 4096 + 3);
  assert.is(realUnits(POS_END / 4096 + 3, bits), last + 3);
});

test.run();
