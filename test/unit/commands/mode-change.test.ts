/** Symbolic modes against the host's chmod: every change on files and directories of many modes. */
import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { parseMode } from '../../../commands/mode-change.ts';
import { run } from '../../harness/kernel.ts';
import { announceSeed, Random, rounds } from '../../harness/random.ts';
import { scratch } from '../../harness/scratch.ts';
import { gatedSuite } from '../../harness/suite.ts';

const test = gatedSuite('chmod modes', process.platform === 'linux' ? null : 'needs the chmod of coreutils');
const GIVEN = [
  'u+rwX,g-w',
  'a=',
  '+t',
  'o=g',
  '755',
  '02755',
  '00755',
  'u=rwx,go=',
  'ug+s',
  'a-x+X',
  '=',
  'u+s,g=u',
  '+w',
  '-x',
];

/** A mode that the grammar allows. */
function anyMode(random: Random): string {
  const some = (letters: string, most: number) =>
    Array.from({ length: random.below(most + 1) }, () => letters[random.below(letters.length)]).join('');
  const change = () =>
    random.pick(['+', '-', '=']) + (random.oneIn(3) ? random.pick(['u', 'g', 'o']) : some('rwxXst', 4));
  const clause = () => some('ugoa', 2) + Array.from({ length: random.between(1, 2) }, change).join('');
  return Array.from({ length: random.between(1, 3) }, clause).join(',');
}

test("as the host's chmod", () => {
  const random = new Random(announceSeed('mode-change'));
  const dir = scratch(true);
  writeFileSync(join(dir, 'file'), '');
  mkdirSync(join(dir, 'dir'));
  const words = [...GIVEN, ...Array.from({ length: rounds(60) }, () => anyMode(random))];
  for (const word of words)
    for (const name of ['file', 'dir']) {
      const old = random.below(0o10000);
      const umask = random.pick([0o022, 0, 0o077, 0o027]);
      chmodSync(join(dir, name), old);
      const host = run('sh', ['-c', `umask ${umask.toString(8)}; chmod -- "$0" "$1"`, word, join(dir, name)]);
      // Where the umask keeps a removal from being whole, chmod complains, having done it.
      const wanted = statSync(join(dir, name)).mode & 0o7777;
      const got = parseMode(word)?.(old, name === 'dir', umask);
      assert.is(
        got?.toString(8),
        wanted.toString(8),
        `${word} of ${old.toString(8)} ${name}, umask ${umask.toString(8)}: ${host.stderr}`,
      );
    }
});

test('what is no mode', () => {
  for (const word of ['', 'u', '8', '10000', 'u+q', 'z+r', 'u+r,', 'ug', 'u+rg', '=ug', 'u644'])
    assert.is(parseMode(word), null, word);
});

test.run();
