/** A damaged inode among sound ones: listings name it, show all the others, and say by their exit status that one is missing. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { fsio, missingFsio } from '../harness/fsio.ts';
import { makeXfs, missingJudges, must, withMount, xfsIo } from '../harness/kernel.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('listings of a damaged image', missingJudges() ?? missingFsio());

/** An image with /a, /d/bad, /d/good and /z, where the inode of /d/bad is not one. */
function damaged(): string {
  const image = makeXfs(join(scratch(true), 'damaged.img'));
  const ino = withMount(image, (at) => {
    must('mkdir', `${at}/d`);
    for (const name of ['a', 'd/bad', 'd/good', 'z']) xfsIo(`open -f ${at}/${name}\npwrite -q 0 5000\n`);
    return must('stat', '-c', '%i', `${at}/d/bad`).trim();
  });
  const place = /\((\d+)\)/.exec(must('xfs_db', '-r', '-c', `convert inode ${ino} fsbyte`, image));
  const fd = openSync(image, 'r+');
  // Its size: the checksum tells. What a cluster of inodes is known by stays whole.
  writeSync(fd, Buffer.alloc(8, 0xee), 0, 8, Number(place?.[1]) + 56);
  closeSync(fd);
  return image;
}

test('ls, tree and manifest go on', () => {
  const image = damaged();
  const run = (...args: string[]) => fsio(['-r', ...args, image]);

  const long = run('-c', 'ls -l /d');
  assert.match(long.stdout, /^-rw.* good$/m);
  assert.not.match(long.stdout, /bad/);
  assert.match(long.stderr, /^ls: \/d\/bad: Structure needs cleaning: .*inode/m);
  assert.is(long.status, 1);
  assert.is(run('-c', 'ls /d').stdout, 'bad\ngood\n');

  const tree = run('-c', 'tree /');
  assert.match(Buffer.from(tree.stdout, 'latin1').toString('utf8'), /├── bad\n│ {3}└── good\n└── z\n$/);
  assert.match(tree.stderr, /^tree: \/d\/bad: Structure needs cleaning/);
  assert.is(tree.status, 1);

  const manifest = run('--json', '-c', 'manifest /');
  const items = manifest.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { path?: string; sha256?: string; error?: unknown });
  assert.equal(
    items.map(({ path, sha256, error }) => [path, sha256 !== undefined, error !== undefined]),
    [
      ['/', false, false],
      ['/a', true, false],
      ['/d', false, false],
      ['/d/bad', false, true],
      ['/d/good', true, false],
      ['/z', true, false],
      [undefined, false, true],
    ],
  );
  assert.is(manifest.status, 1);
});

test.run();
