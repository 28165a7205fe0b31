// time limit: 300 s
/**
 * Random name operations, done by Linux on a mounted image and by ourselves on an unmounted copy: the same answer to
 * each, the same tree as Linux sees it afterwards, and nothing for xfs_repair to say.
 */
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { openDevice } from '../../core/device/open.ts';
import { unpackImage } from '../harness/images.ts';
import { copyImage, makeXfs, missingJudges, must, repairComplaints, withMount } from '../harness/kernel.ts';
import { kernelNames, kernelTree, missingPython } from '../harness/kernel-names.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { Names, randomOp } from '../harness/name-ops.ts';
import { ourNames } from '../harness/our-names.ts';
import { announceSeed, Random, rounds } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';
import { VARIANTS } from '../harness/variants.ts';

const test = gatedSuite('names against the kernel', missingJudges() ?? missingPython());
const seed = announceSeed('names');
const OPERATIONS = 500;

function compare(label: string, theirs: string, ours: string, random: Random, repair: boolean): void {
  for (let round = 0; round < rounds(2); round++) {
    const names = new Names(random);
    const ops = Array.from({ length: OPERATIONS }, () => randomOp(random, names)).filter(
      // Linux does not open what is no regular file or directory for this; opening a fifo would wait.
      ([op, path]) => op !== 'chmod' || path !== '',
    );
    const wanted = withMount(theirs, (mount) => kernelNames(mount, ops));
    const device = openDevice(ours);
    const fs = mountDevice(device);
    const got = ourNames(fs, ops);
    fs.unmount();
    device.close();
    for (const [i, answer] of wanted.entries())
      assert.is(got[i], answer, `seed ${seed}, ${label}, round ${round}, operation ${i}: ${ops[i]?.join(' ')}`);
    if (repair) assert.equal(repairComplaints(ours), [], `seed ${seed}, ${label}, round ${round}`);
    const tree = withMount(theirs, kernelTree);
    assert.equal(withMount(ours, kernelTree), tree, `seed ${seed}, ${label}, round ${round}`);
  }
}

for (const variant of VARIANTS) {
  test(variant.name, () => {
    const dir = scratch(true);
    const theirs = makeXfs(join(dir, 'kernel.img'), variant);
    compare(variant.name, theirs, copyImage(theirs, join(dir, 'fsio.img')), new Random(seed), true);
  });
}

test('parent pointers', () => {
  const dir = scratch(true);
  const theirs = unpackImage('xfs-7.2', join(dir, 'kernel.img'));
  compare('xfs-7.2', theirs, copyImage(theirs, join(dir, 'fsio.img')), new Random(seed), false);
});

test('POSIX ACLs are read as Linux shows them', () => {
  const dir = scratch(true);
  const image = makeXfs(join(dir, 'acl.img'));
  // Version 2; user::rw, user 5:rwx, group::r, mask::rwx, other::none.
  const entries = ['02000000', '01000600ffffffff', '0200070005000000', '04000400ffffffff', '10000700ffffffff']
    .concat('20000000ffffffff')
    .join('');
  const wanted = withMount(image, (at) => {
    must('mkdir', `${at}/d`);
    for (const name of ['access', 'default'])
      must(
        'python3',
        '-c',
        `import os; os.setxattr('${at}/d', 'system.posix_acl_${name}', bytes.fromhex('${entries}'))`,
      );
    const list = `import os; print(sorted((n, os.getxattr(p, n).hex()) for p in ["${at}/d"] for n in os.listxattr(p)))`;
    return must('python3', '-c', list).trim();
  });
  const device = openDevice(image);
  const fs = mountDevice(device, { readOnly: true });
  const inode = fs.iget(fs.root().lookup('d') as number);
  const got = inode.listXattrs().map(({ namespace, name, size }) => {
    const value = inode.getXattr(namespace, name) as Uint8Array;
    assert.is(value.length, size);
    return `('${namespace}.${name}', '${Buffer.from(value).toString('hex')}')`;
  });
  device.close();
  assert.is(`[${got.sort().join(', ')}]`, wanted);
});

test.run();
