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
import { kernelNames, kernelTree, missingPython, type NameOp } from '../harness/kernel-names.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { ourNames } from '../harness/our-names.ts';
import { announceSeed, Random, rounds } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';
import { VARIANTS } from '../harness/variants.ts';

const test = gatedSuite('names against the kernel', missingJudges() ?? missingPython());
const seed = announceSeed('names');
const OPERATIONS = 500;
const XATTRS = [
  'user.a',
  'user.bb',
  `user.${'long'.repeat(40)}`,
  'trusted.t',
  'security.s',
  'user.c',
  'user.d',
  'user.e',
];

/** Few names, so that operations meet; some long, so that directories outgrow their inodes. */
class Names {
  private readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  name(): string {
    const { random } = this;
    const stem = `n${random.below(random.oneIn(3) ? 60 : 12)}`;
    return stem.endsWith('7') ? stem.padEnd(200, 'long-name-') : stem;
  }

  path(): string {
    const { random } = this;
    const parts = [this.name()];
    for (let depth = random.below(3); depth > 0; depth--) parts.unshift(`d${random.below(4)}`);
    if (random.oneIn(5)) parts[parts.length - 1] = `d${random.below(4)}`;
    return parts.join('/');
  }

  dir(): string {
    const { random } = this;
    const parts: string[] = [];
    for (let depth = random.below(3); depth > 0; depth--) parts.push(`d${random.below(4)}`);
    return parts.join('/');
  }
}

function randomOp(random: Random, names: Names): NameOp {
  const path = names.path();
  const roll = random.below(100);
  if (roll < 22) return ['create', path, random.pick([0o644, 0o600, 0o4755, 0o2777])];
  if (roll < 30) return ['mkdir', path, random.pick([0o755, 0o2775, 0o1777])];
  if (roll < 40) return ['unlink', path];
  if (roll < 45) return ['rmdir', path];
  if (roll < 57) return ['rename', path, names.path()];
  if (roll < 60) return ['noreplace', path, names.path()];
  if (roll < 65) return ['exchange', path, names.path()];
  if (roll < 71) return ['link', path, names.path()];
  if (roll < 76)
    return [
      'symlink',
      random.pick(['d0', 'd1/n1', 'd1/./../n2', 'target/'.repeat(5), 'target/'.repeat(40), 'target/'.repeat(100)]),
      path,
    ];
  if (roll < 79)
    return [
      'mknod',
      path,
      random.pick(['fifo', 'socket', 'char', 'block']),
      0o640,
      random.below(500),
      random.below(70000),
    ];
  if (roll < 81) return ['tmpfile', names.dir(), random.oneIn(2) ? '' : names.path()];
  if (roll < 84) return ['write', path, random.between(1, 300_000)];
  if (roll < 86) return ['chmod', path, random.below(0o10000)];
  if (roll < 87) return ['chown', path, random.below(1000), random.below(1000)];
  if (roll < 89) return ['utimes', path, random.below(1_000_000_000), random.below(1_000_000_000)];
  if (roll < 97) {
    const size = random.pick([0, 1, 30, 200, 260, 1500, 3500, 5000, 20_000, 65_536]);
    return ['setxattr', path, random.pick(XATTRS), size, random.pick([0, 0, 0, 1, 2])];
  }
  return ['removexattr', path, random.pick(XATTRS)];
}

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
