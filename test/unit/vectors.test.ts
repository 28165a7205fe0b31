/** How much one vectored call takes (xfs_io's -V), and which bytes. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { asked, readUnit, type Unit, writeUnit } from '../../commands/vectors.ts';

const test = suite('vectors');
const unit: Unit = { block: 4, vectors: 3, bytes: 12 };

test('one block is cut to what is left', () => {
  assert.equal(
    [12, 100, 11, 8, 5, 4, 1, 0].map((left) => asked(unit, left)),
    [12, 12, 11, 12, 9, 12, 9, 8],
  );
  assert.equal(
    [12, 3].map((left) => asked({ block: 4, vectors: 0, bytes: 4 }, left)),
    [4, 3],
  );
});

test('blocks lie apart in the buffer', () => {
  const buffer = new Uint8Array(12).fill(9);
  const bytes = readUnit(unit, 5, buffer, (into) => {
    into.forEach((_, i) => {
      into[i] = i;
    });
    return into.length;
  });
  assert.is(bytes, 9);
  assert.equal([...buffer], [0, 1, 2, 3, 4, 9, 9, 9, 5, 6, 7, 8]);
  let written: number[] = [];
  writeUnit(unit, 5, buffer, (from) => {
    written = [...from];
    return from.length;
  });
  assert.equal(written, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
});

test.run();
