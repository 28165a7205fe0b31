// time limit: 90 s
/**
 * A file system that runs full: writing stops at the same byte as in Linux, which gives back preallocation and writes
 * everything back before it gives up; and the same commands on names and attributes still work, or not.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { openDevice } from '../../core/device/open.ts';
import { fsio, fsioOn, missingFsio } from '../harness/fsio.ts';
import { copyImage, makeXfs, missingJudges, repairComplaints, run, withMount, xfsIo } from '../harness/kernel.ts';
import { kernelNames, missingPython, type NameOp } from '../harness/kernel-names.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { ourNames } from '../harness/our-names.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';
import { VARIANTS } from '../harness/variants.ts';

const test = gatedSuite('a full file system', missingJudges() ?? missingFsio() ?? missingPython());

/** A sparse file of `most` bytes leaves little; then comes one write that does not fit. */
const FILL = (path: string, left: number): string =>
  `open -f ${path}/big\nfalloc 0 ${left}\nopen -f ${path}/a\npwrite -q -b 64k 0 60m\n`;

const OPS: readonly NameOp[] = [
  ['create', 'new', 0o644],
  ['mkdir', 'dir', 0o755],
  ['symlink', 'target', 'sym'],
  ['link', 'a', 'linked'],
  ['rename', 'linked', 'renamed'],
  ['setxattr', 'a', 'user.x', 10, 0],
  ['setxattr', 'a', 'trusted.x', 10, 0],
  ['removexattr', 'a', 'trusted.x'],
  ['chmod', 'a', 0o600],
  ['unlink', 'renamed'],
];

for (const variant of VARIANTS.slice(0, 3)) {
  test(variant.name, () => {
    const dir = scratch(true);
    const theirs = makeXfs(join(dir, 'kernel.img'), variant);
    const ours = copyImage(theirs, join(dir, 'fsio.img'));
    const most = Number(
      /\s(\d+)\s/.exec(
        withMount(theirs, (at) => run('df', ['-B1', '--output=avail', at]).stdout.replace('\n', ' ')),
      )?.[1],
    );
    const left = Math.floor(most / 65536 - 400) * 65536;
    const wanted = withMount(theirs, (at) => {
      const outcome = xfsIo(FILL(at, left));
      return [outcome.stdout + outcome.stderr, statSync(join(at, 'a')).size, ...kernelNames(at, OPS)];
    });
    const outcome = fsio([ours], FILL('', left));
    const size = /^stat\.size = (\d+)/m.exec(fsioOn(ours, '/a', ['stat']).stdout)?.[1];
    const device = openDevice(ours);
    const fs = mountDevice(device);
    const answers = ourNames(fs, OPS);
    fs.unmount();
    device.close();
    assert.equal([outcome.stdout + outcome.stderr, Number(size), ...answers], wanted);
    assert.equal(repairComplaints(ours), []);
  });
}

/** Clones in the last blocks: one of nothing but a hole, and one over which a write runs out of space half-way. */
const SHARED_FULL = (at: string): string => `
open -f ${at}/hole
truncate 589824
open -f ${at}/clone-of-hole
reflink ${at}/hole
open -f ${at}/c
pwrite -S 0x4f 294912 33
copy_range -s 212991 -d 593710 -l 458752 ${at}/c
open -f ${at}/a
reflink ${at}/c
open ${at}/c
pwrite -S 0x69 225280 327680
open ${at}/a
pwrite -S 0xbc 135985 393216
`;

test('clones where space is short', () => {
  const dir = scratch(true);
  const theirs = makeXfs(join(dir, 'kernel.img'), VARIANTS[2] as (typeof VARIANTS)[number]);
  withMount(theirs, (at) => {
    const free = Number(run('df', ['-B65536', '--output=avail', at]).stdout.split('\n')[1]);
    assert.is(xfsIo(`open -f ${at}/big\nfalloc 0 ${(free - 60) * 65536}\n`).stderr, '');
  });
  const ours = copyImage(theirs, join(dir, 'fsio.img'));
  const wanted = withMount(theirs, (at) => xfsIo(SHARED_FULL(at)));
  const got = fsio([ours], SHARED_FULL(''));
  // Lines that begin with a number tell how long it took.
  const done = ({ stdout, stderr }: { stdout: string; stderr: string }) =>
    `${stdout}${stderr}`.split('\n').filter((line) => !/^[\d.]+ /.test(line));
  assert.equal(done(got), done(wanted));
  assert.match(got.stdout, 'wrote 191695/393216');
  assert.equal(repairComplaints(ours), []);
});

test('small files whose reservations fill what is left', () => {
  const dir = scratch(true);
  const theirs = makeXfs(join(dir, 'kernel.img'), { bytes: 40 * 2 ** 20, tiny: true });
  const ours = copyImage(theirs, join(dir, 'fsio.img'));
  const script = (at: string): string =>
    [`open -f ${at}/big`, 'falloc 0 15m', 'close']
      .concat(Array.from({ length: 900 }, (_, i) => `open -f ${at}/f${i}\npwrite -q 0 1000\nclose`))
      .join('\n');
  withMount(theirs, (at) => assert.is(xfsIo(`${script(at)}\n`).stderr, ''));
  assert.is(fsio([ours], `${script('')}\n`).stderr, '');
  assert.equal(repairComplaints(ours), []);
});

test.run();
