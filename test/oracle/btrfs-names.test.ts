// time limit: 300 s
/**
 * Random name operations on btrfs, done by Linux on a mounted image and by ourselves on an unmounted copy: the same
 * answer to each, the same tree as Linux sees it afterwards, and nothing for btrfs check to say.
 */
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { openDevice } from '../../core/device/open.ts';
import {
  type BtrfsVariant,
  checkComplaints,
  makeBtrfs,
  missingBtrfsJudges,
  withBtrfs,
} from '../harness/btrfs-judge.ts';
import { copyImage } from '../harness/kernel.ts';
import { kernelNames, kernelTree, missingPython } from '../harness/kernel-names.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { Names, randomOp } from '../harness/name-ops.ts';
import { ourNames } from '../harness/our-names.ts';
import { announceSeed, Random, rounds } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('names of btrfs against the kernel', missingBtrfsJudges() ?? missingPython());
const seed = announceSeed('btrfs-names');
const OPERATIONS = 500;

const VARIANTS: readonly BtrfsVariant[] = [
  { name: 'default', args: [] },
  { name: 'old', args: ['-n', '4096', '-O', '^no-holes,^extref,^skinny-metadata', '-R', '^free-space-tree'] },
  { name: 'small nodes', args: ['-n', '4096', '--csum', 'xxhash'] },
  { name: 'raid1', args: ['-d', 'raid1', '-m', 'raid1'], devices: 2 },
  { name: 'compressed', args: [], setup: [['btrfs', 'property', 'set', '{}', 'compression', 'zstd']] },
  { name: 'nodatacow', args: ['-n', '65536'], setup: [['chattr', '+C', '{}']] },
  { name: 'quotas', args: [], setup: [['btrfs', 'quota', 'enable', '{}']] },
];

function ours(paths: readonly string[], ops: Parameters<typeof ourNames>[1]): string[] {
  const [device, ...others] = paths.map((path) => openDevice(path));
  const fs = mountDevice(device as NonNullable<typeof device>, { devices: others });
  const got = ourNames(fs, ops);
  fs.unmount();
  for (const each of [device, ...others]) each?.close();
  return got;
}

function judge(variant: BtrfsVariant, random: Random): void {
  const dir = scratch(true);
  const theirs = makeBtrfs(dir, variant);
  const mine = theirs.map((path, i) => copyImage(path, join(dir, `fsio-${i}.img`)));
  for (let round = 0; round < rounds(2); round++) {
    const story = `seed ${seed}, ${variant.name}, round ${round}`;
    const names = new Names(random);
    const ops = Array.from({ length: OPERATIONS }, () => randomOp(random, names)).filter(
      // Linux does not open what is no regular file or directory for this; opening a fifo would wait.
      ([op, path]) => op !== 'chmod' || path !== '',
    );
    const wanted = withBtrfs(theirs, (mount) => kernelNames(mount, ops));
    const got = ours(mine, ops);
    for (const [i, answer] of wanted.entries())
      assert.is(got[i], answer, `${story}, operation ${i}: ${ops[i]?.join(' ')}`);
    assert.equal(checkComplaints(mine, true), [], story);
    const tree = withBtrfs(theirs, kernelTree);
    assert.equal(withBtrfs(mine, kernelTree), tree, story);
  }
}

for (const [index, variant] of VARIANTS.entries()) {
  test(variant.name, () => judge(variant, new Random(seed + index)));
}

test.run();
