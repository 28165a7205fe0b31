/** On striped images data goes where Linux puts it: at the start of a stripe unit, or right behind what is there. */
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { firstDifference } from '../harness/compare-output.ts';
import { fsio, missingFsio } from '../harness/fsio.ts';
import { copyImage, makeXfs, missingJudges, repairComplaints, withMount, xfsIo } from '../harness/kernel.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('striped images', missingJudges() ?? missingFsio());
const dir = scratch(true);
const NAMES = ['a', 'b', 'c', 'd', 'e'];
const SCRIPT = `open -f {d}/a
pwrite -q 0 6m
fsync
open -f {d}/b
pwrite -q 0 300k
fsync
pwrite -q 300k 3m
fsync
file 0
pwrite -q 6m 5m
fsync
open -f {d}/c
falloc 0 3m
falloc 3m 1m
falloc 8m 2m
open -f {d}/d
pwrite -q 0 100k
fsync
pwrite -q 1m 1m
fsync
open -f {d}/e
reflink {d}/a 0 0 4m
pwrite -q 64k 1m
fsync
${NAMES.map((_, i) => `file ${i}\nfiemap -v`).join('\n')}
`;

const extents = (text: string): string[] => text.split('\n').filter((line) => /^ *\d+: \[/.test(line));

for (const args of [
  '-d su=64k,sw=4 -l su=64k',
  '-d su=256k,sw=2 -b size=1024 -l su=32k',
  '-d su=2m,sw=1,agcount=2 -l su=32k',
]) {
  test(`mkfs.xfs ${args}`, () => {
    const theirs = makeXfs(join(dir, 'theirs.img'), { args: `${args},size=80m`.split(' '), bytes: 900 * 2 ** 20 });
    const ours = copyImage(theirs, join(dir, 'ours.img'));
    const wanted = withMount(theirs, (at) => extents(xfsIo(SCRIPT.replaceAll('{d}', at)).stdout));
    const got = extents(fsio([ours], SCRIPT.replaceAll('{d}', '')).stdout);
    assert.is(firstDifference(got, wanted), null);
    assert.ok(wanted.length > 12);
    assert.equal(repairComplaints(ours), []);
  });
}

test.run();
