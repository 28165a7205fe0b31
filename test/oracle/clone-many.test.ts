// time limit: 120 s
/**
 * Files of many extents cloned, as a whole, in parts and one behind the other: the same commands by us and by Linux give
 * the same extents, as many blocks (those of the extent btrees among them) and the same bytes.
 */
import { createHash } from 'node:crypto';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { fsio, missingFsio } from '../harness/fsio.ts';
import { copyImage, makeXfs, missingJudges, repairComplaints, withMount, xfsIo } from '../harness/kernel.ts';
import { announceSeed, Random } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';
import type { Variant } from '../harness/variants.ts';

const test = gatedSuite('cloning files of many extents', missingJudges() ?? missingFsio());
const seed = announceSeed('clone-many');

const LAYOUTS: readonly Variant[] = [
  { name: 'default', args: ['-m', 'rmapbt=0'] },
  { name: '1k blocks, small groups', args: ['-b', 'size=1024', '-m', 'rmapbt=0', '-d', 'agcount=12'] },
  { name: 'rmapbt', args: ['-m', 'rmapbt=1'] },
];

const LENGTH = 24 * 2 ** 20;
const PIECES = 1500;

/** Space for the whole file, a piece of one to three blocks written here and there. */
function source(random: Random): string {
  const lines = [`falloc 0 ${LENGTH}`];
  const stride = LENGTH / PIECES;
  for (let i = 0; i < PIECES; i++) {
    const at = Math.floor((i * stride) / 4096) * 4096;
    lines.push(`pwrite -q -S ${i % 251} ${at} ${4096 * random.between(1, 3)}`);
  }
  return lines.join('\n');
}

/** {d}: the root directory. */
const SCRIPT = [
  'open -f {d}/whole',
  'reflink -q {d}/a',
  'open -f {d}/part',
  'pwrite -q -S 7 0 64k',
  'fsync',
  'reflink -q {d}/a 8k 1m 10m',
  'open -f {d}/twice',
  'reflink -q {d}/a 0 0 5m',
  'reflink -q {d}/a 5m 5m 8m',
  'reflink -q {d}/part 0 14m 9m',
  'open -f {d}/again',
  'reflink -q {d}/whole',
  'open {d}/whole',
  'pwrite -q -S 9 12m 1m',
  'fpunch 17m 1m',
  'fsync',
  'open -f {d}/changed',
  'reflink -q {d}/whole',
].join('\n');

const NAMES = ['a', 'whole', 'part', 'twice', 'again', 'changed'];

/** Extents without where they lie, blocks and checksum of each file. */
function described(image: string): string[] {
  const lines: string[] = [];
  withMount(image, (mount) => {
    for (const name of NAMES) {
      const path = join(mount, name);
      const extents = xfsIo(`open -r ${path}\nfiemap -v\n`)
        .stdout.replaceAll(/ +/g, ' ')
        .replaceAll(/\d+\.\.\d+(?= \d+ 0x)/g, 'blocks');
      const bytes = createHash('sha1').update(readFileSync(path)).digest('hex');
      lines.push(`${name}: ${statSync(path).blocks} blocks, ${bytes}`, ...extents.split('\n').slice(1));
    }
  });
  return lines;
}

for (const layout of LAYOUTS) {
  test(layout.name, () => {
    const dir = scratch(true);
    const base = makeXfs(join(dir, 'base.img'), { ...layout, bytes: 200 * 2 ** 20, tiny: true });
    withMount(base, (mount) => {
      const outcome = xfsIo(`open -f ${mount}/a\n${source(new Random(seed))}\n`);
      assert.is(outcome.stderr, '');
    });
    const theirs = copyImage(base, join(dir, 'theirs.img'));
    withMount(theirs, (mount) => assert.is(xfsIo(`${SCRIPT.replaceAll('{d}', mount)}\n`).stderr, ''));
    const ours = copyImage(base, join(dir, 'ours.img'));
    const outcome = fsio([ours], `${SCRIPT.replaceAll('{d}', '')}\n`);
    assert.is(outcome.stderr, '');
    assert.is(outcome.status, 0);
    assert.equal(repairComplaints(ours), [], `seed ${seed}`);
    const [got, wanted] = [described(ours), described(theirs)];
    const differs = wanted.findIndex((line, i) => line !== got[i]);
    assert.is(got[differs], wanted[differs], `seed ${seed}, line ${differs}`);
    assert.is(got.length, wanted.length);
    rmSync(dir, { recursive: true });
  });
}

test.run();
