// time limit: 120 s
/**
 * Block groups that become empty go when the image is closed, as Linux's cleaner removes them after a commit; the last
 * one of its kind stays. The devices' bytes are free for groups of another kind at once.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
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
import { copyImage, must } from '../harness/kernel.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { announceSeed, sample } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('empty block groups', missingBtrfsJudges());
const seed = announceSeed('btrfs-empty-groups');
const MIB = 2 ** 20;
const words = (text: string): string[] => text.split(' ').filter((word) => word !== '');

const VARIANTS: readonly BtrfsVariant[] = [
  { name: 'default', args: [], bytes: 2048 * MIB },
  { name: 'raid1', args: words('-d raid1 -m raid1'), devices: 2, bytes: 1024 * MIB },
  { name: 'raid5', args: words('-d raid5 -m raid1'), devices: 3, bytes: 1024 * MIB },
  { name: 'mixed', args: words('--mixed -n 4096'), bytes: 2048 * MIB },
  { name: '4 KiB nodes, sha256', args: words('-n 4096 --csum sha256'), bytes: 2048 * MIB },
];

/** Profiles and sizes of all groups, from `btrfs filesystem df`; what is used differs by a few blocks. */
function groups(mount: string): string[] {
  const text = must('btrfs', 'filesystem', 'df', '-b', mount);
  return [...text.matchAll(/^(.*): total=(\d+)/gm)].map((match) => `${match[1]} ${match[2]}`);
}

function fill(mount: string): void {
  mkdirSync(join(mount, 'd'));
  for (let i = 0; i < 6; i++) must('fallocate', '-l', '90m', join(mount, 'd', `large${i}`));
  for (let i = 0; i < 300; i++) writeFileSync(join(mount, 'd', `small${i}`), Buffer.alloc(5000 + i, i));
}

const REMOVED = ['large0', 'large1', 'large2', 'large3', 'large4'];

for (const variant of sample(VARIANTS, 3, seed)) {
  test(variant.name, () => {
    const dir = scratch(true);
    const theirs = makeBtrfs(dir, variant);
    withBtrfs(theirs, fill);
    const ours = theirs.map((path, i) => copyImage(path, join(dir, `ours.${i}`)));
    const before = withBtrfs(theirs, (mount) => {
      const full = groups(mount);
      for (const name of REMOVED) rmSync(join(mount, 'd', name));
      return full;
    });
    const [first, ...others] = ours as [string, ...string[]];
    const fs = mountDevice(openDevice(first), { devices: others.map((path) => openDevice(path)) });
    const folder = fs.root().child('d');
    for (const name of REMOVED) folder?.unlink(name);
    fs.unmount();
    assert.equal(checkComplaints(ours, variant.name !== 'raid5'), []);
    // The cleaner runs after a commit that the timer made; discarding first would take ten seconds.
    withBtrfs(
      theirs,
      (mount) => must('sh', '-c', `touch ${mount}; sleep 3; touch ${mount}; sleep 2`),
      'nodiscard,commit=1',
    );
    const [got, wanted] = [ours, theirs].map((paths) => withBtrfs(paths, groups, 'ro'));
    assert.equal(got, wanted);
    // Mixed ones stay, as in Linux.
    if (variant.name !== 'mixed') assert.not.equal(got, before, 'groups were removed');
  });
}

test('what data had can become metadata in the same session', () => {
  const dir = scratch(true);
  const [image] = makeBtrfs(dir, { name: 'small', args: [], bytes: 300 * MIB }) as [string];
  withBtrfs([image], (mount) => {
    mkdirSync(join(mount, 'd'));
    for (let i = 0; i < 100; i++) {
      try {
        must('fallocate', '-l', '8m', join(mount, 'd', `f${i}`));
      } catch {
        break;
      }
    }
  });
  const fs = mountDevice(openDevice(image));
  const folder = fs.root().child('d');
  if (folder === null) throw new Error('no folder');
  for (const entry of [...folder.entries()]) if (entry.name.startsWith('f')) folder.unlink(entry.name);
  // More than the metadata group that there is can hold.
  const value = new Uint8Array(3800).fill(7);
  for (let i = 0; i < 7000; i++) folder.create(`x${i}`, 0o644).setXattr('user', 'x', value);
  fs.unmount();
  assert.equal(checkComplaints([image], true), []);
  withBtrfs([image], (mount) => assert.is(must('ls', join(mount, 'd')).split('\n').length, 7001));
});

test.run();
