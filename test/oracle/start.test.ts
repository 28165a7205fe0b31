/** What a run loads of the program: its start is short only as long as it loads no more than it uses. */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { fsioOn, missingFsio } from '../harness/fsio.ts';
import { unpackImage } from '../harness/images.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('start', missingFsio());

/** The files of the program that commands on a file load: the build's own way to see them, since it keeps each one's code. */
function loaded(image: string, path: string, commands: readonly string[]): string[] {
  const kept = join(scratch(), 'kept');
  mkdirSync(kept);
  process.env.FSIO_BUILD_CACHE = kept;
  try {
    assert.is(fsioOn(image, path, commands, ['-r']).status, 0);
  } finally {
    delete process.env.FSIO_BUILD_CACHE;
  }
  return readdirSync(kept).map((name) => name.replace('.js.cache', ''));
}

test('a run loads the parts that it uses: those for changes only when it changes something', () => {
  const image = unpackImage('xfs-default', join(scratch(), 'a.img'));
  assert.equal(loaded(image, '/', ['stat']), ['main']);
  assert.equal(loaded(image, '/mib', ['stat']), ['main', 'names', 'reading'], 'a directory with blocks on the way');
  assert.equal(loaded(image, '/mib', ['fiemap', 'pread -q 0 4k']), ['main', 'names', 'reading']);
});

test.run();
