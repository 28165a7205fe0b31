import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { randomSequence } from '../../../commands/random.ts';
import { getopt, parseSize, quoteWord, splitLine } from '../../../commands/words.ts';

test('a line is split at blanks; quotes hold a word together only when they close at its end', () => {
  assert.equal(splitLine('pwrite  -S 0x61\t0 4k '), ['pwrite', '-S', '0x61', '0', '4k']);
  assert.equal(splitLine(`cat "a b" 'c d'`), ['cat', 'a b', 'c d']);
  assert.equal(splitLine(`cat a"b it's`), ['cat', 'a"b', "it's"]);
  assert.equal(splitLine(''), []);
});

test('quoteWord gives what splitLine undoes', () => {
  for (const name of ['plain', 'a b', 'a"b c', "it's", '']) assert.equal(splitLine(`x ${quoteWord(name)}`)[1], name);
});

test('numbers have bases, suffixes and the limits of C', () => {
  const size = (word: string) => parseSize(word, 4096, 512);
  assert.is(size('10'), 10n);
  assert.is(size('0x10'), 16n);
  assert.is(size('010'), 8n);
  assert.is(size('3b'), 12288n);
  assert.is(size('3s'), 1536n);
  assert.is(size('2K'), 2048n);
  assert.is(size('1e'), 1n << 60n);
  assert.is(size('8e'), -(1n << 63n));
  assert.is(size('99999999999999999999'), (1n << 63n) - 1n);
  assert.is(size('-1'), -1n);
  for (const word of ['', 'x', '1kk', '1.5k', 'k', '4q']) assert.is(size(word), null);
});

test('options may stand behind operands; -- ends them', () => {
  const takes = (name: string) => ({ b: true, q: false, json: false, at: true })[name];
  assert.equal(getopt(['0', '-qb', '4k', '1m'], takes), {
    options: [
      ['q', null],
      ['b', '4k'],
    ],
    operands: ['0', '1m'],
    complaint: null,
    complaints: [],
  });
  assert.equal(getopt(['-b4k', '--', '-q'], takes).operands, ['-q']);
  assert.equal(getopt(['--at=/a=b', '--json'], takes).options, [
    ['at', '/a=b'],
    ['json', null],
  ]);
  assert.equal(getopt(['-xqy', '0'], takes, true).complaints, ["invalid option -- 'x'", "invalid option -- 'y'"]);
  assert.is(getopt(['-x'], takes).complaint, "invalid option -- 'x'");
  assert.is(getopt(['-b'], takes).complaint, "option requires an argument -- 'b'");
});

test('random numbers are those of the C library', () => {
  const next = randomSequence(7);
  assert.equal([next(), next(), next()], [1045618677, 1863967299, 1272579899]);
  assert.is(randomSequence(0)(), randomSequence(1)());
});

test.run();
