/** map: what it draws is what fiemap and statfs say; the letters fit the columns, the SVG is one. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { fsio, missingFsio } from '../harness/fsio.ts';
import { type ImageName, unpackImage } from '../harness/images.ts';
import { run } from '../harness/kernel.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('map', missingFsio());
const IMAGES: readonly ImageName[] = ['xfs-default', 'xfs-rmap-1k', 'btrfs-default', 'btrfs-compress'];

interface Segment {
  readonly start: number;
  readonly length: number;
  readonly kind: string;
  readonly note: string;
}
interface Band {
  readonly name: string;
  readonly start: number;
  readonly length: number;
  readonly segments: readonly Segment[];
}

function ask(image: string, command: string): { bands: Band[] } {
  const { stdout, stderr, status } = fsio(['-r', '--json', '-c', command, image]);
  assert.is(status, 0, stderr + stdout);
  return JSON.parse(Buffer.from(stdout, 'latin1').toString('utf8'));
}

for (const name of IMAGES) {
  test(`${name}: the whole image is covered once, and what is free is what statfs calls free`, () => {
    const image = unpackImage(name, join(scratch(true), 'a.img'));
    const { bands } = ask(image, 'map');
    let free = 0;
    for (const band of bands) {
      let at = band.start;
      for (const { start, length, kind } of band.segments) {
        assert.is(start, at, band.name);
        at += length;
        if (kind === 'free') free += length;
      }
      assert.is(at, band.start + band.length, band.name);
    }
    if (!name.startsWith('xfs')) return;
    const { stdout } = run(process.env.FSIO_DB ?? 'xfs_db', ['-r', '-c', 'sb 0', '-c', 'p blocksize fdblocks', image]);
    const [block = 0, blocks = 0] = [...stdout.matchAll(/= (\d+)/g)].map(([, number]) => Number(number));
    // The free list's blocks are free to the superblock, and in nobody's free-space btree.
    assert.ok(Math.abs(free - block * blocks) <= 64 * block, `${free} and ${block * blocks}`);
  });

  test(`${name}: a file's extents are fiemap's`, () => {
    const image = unpackImage(name, join(scratch(true), 'a.img'));
    const { bands } = ask(image, 'map /sparse');
    const lines = fsio(['-r', '-c', 'fiemap -v', `${image}:/sparse`])
      .stdout.split('\n')
      .slice(2);
    const extents = lines.filter((line) => line.includes('..') && !line.includes('hole')).length;
    const drawn = bands[0]?.segments.filter(({ kind }) => kind !== 'hole') ?? [];
    assert.is(drawn.length, extents);
    const clone = ask(image, 'map /clone').bands[0]?.segments ?? [];
    if (clone.some(({ kind }) => kind === 'shared'))
      assert.match(clone.map(({ note }) => note).join(), /shared with inode \d+/);
  });
}

test('letters fit the columns; SVG is well formed', () => {
  const dir = scratch(true);
  const image = unpackImage('xfs-default', join(dir, 'a.img'));
  const program = process.env.FSIO_PROGRAM ?? join(process.cwd(), 'dist', 'fsio.js');
  for (const columns of ['40', '80', '200']) {
    const { stdout } = run(process.execPath, [program, '-r', '-c', 'map /frag', image], { env: { COLUMNS: columns } });
    const drawn = stdout.split('\n').filter((line) => line.includes('|'));
    assert.is(drawn.length, 2);
    for (const line of drawn) assert.is(line.length, Number(columns), line);
  }
  const svg = join(dir, 'map.svg');
  assert.is(fsio(['-r', '-c', `map --svg ${svg} /frag`, image]).status, 0);
  const text = readFileSync(svg, 'utf8');
  assert.match(text, /^<svg xmlns=/);
  assert.match(text, /<\/svg>\n$/);
  assert.ok((text.match(/<title>/g)?.length ?? 0) >= 300);
  assert.is(
    text.match(/<rect/g)?.length,
    (text.match(/<rect[^>]*\/>/g)?.length ?? 0) + (text.match(/<\/rect>/g)?.length ?? 0),
  );
});

test('tree draws what lies below', () => {
  const image = unpackImage('xfs-default', join(scratch(true), 'a.img'));
  const { stdout } = fsio(['-r', '-c', 'tree -L 1 /', image]);
  assert.match(Buffer.from(stdout, 'latin1').toString('utf8'), /^\/\n├── .*\n(.*\n)*└── .*\n$/);
});

test.run();
