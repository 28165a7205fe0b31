/** fixed() against the printf of the system, where there is one; ties above all. */
import { spawnSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fixed } from '../../core/fixed.ts';

const fixedSuite = suite('fixed');

fixedSuite('ties go to the even digit, all else to the nearer', () => {
  const texts = (values: readonly number[], decimals: number) => values.map((value) => fixed(value, decimals));
  assert.equal(texts([1.625, 1.875, 0.125, 1.005, 312.86, 8], 2), ['1.62', '1.88', '0.12', '1.00', '312.86', '8.00']);
  assert.equal(texts([0.5, 1.5, 2.5], 0), ['0', '2', '2']);
  // printf(1) reads more digits than a number has: only what is exact in both can be compared.
  const exact = [1.625, 0.375, 2.5, 0.5, 1.0625, 1.03125, 0, 1e9 + 0.5, 2 ** 40 + 0.125, 7.8125];
  for (const decimals of [0, 1, 2, 3]) {
    const printf = spawnSync('/usr/bin/printf', [`%.${decimals}f\n`, ...exact.map(String)], { encoding: 'utf8' });
    if (printf.status !== 0) return;
    assert.equal(texts(exact, decimals), printf.stdout.trim().split('\n'));
  }
});

fixedSuite.run();
