// time limit: 300 s
/**
 * What random names do not meet: many names of one hash in a directory, so many links that they need extended
 * references or are refused, directories that grow to thousands of names and shrink again. Linux gives the same answers
 * and sees the same trees; btrfs check has nothing to say.
 */
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { openDevice } from '../../core/device/open.ts';
import { nameHash } from '../../formats/btrfs/name-hash.ts';
import {
  type BtrfsVariant,
  checkComplaints,
  makeBtrfs,
  missingBtrfsJudges,
  withBtrfs,
} from '../harness/btrfs-judge.ts';
import { copyImage } from '../harness/kernel.ts';
import { kernelNames, kernelTree, missingPython, type NameOp } from '../harness/kernel-names.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { ourNames } from '../harness/our-names.ts';
import { announceSeed, Random } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('full directories of btrfs', missingBtrfsJudges() ?? missingPython());
const seed = announceSeed('btrfs-churn');
const LENGTH = 60;

/** The name of LENGTH letters where bit i decides whether letter i is `a` or `q`. */
function nameOf(bits: bigint): string {
  return Array.from({ length: LENGTH }, (_, i) => (((bits >> BigInt(i)) & 1n) === 1n ? 'q' : 'a')).join('');
}

/** Sets of letters that may change together without changing the hash, which is linear in them. */
function hashlessChanges(): bigint[] {
  const base = nameHash(Buffer.from(nameOf(0n)));
  const rows = Array.from({ length: LENGTH }, (_, i) => ({
    hash: (nameHash(Buffer.from(nameOf(1n << BigInt(i)))) ^ base) >>> 0,
    bits: 1n << BigInt(i),
  }));
  const pivots = new Map<number, { hash: number; bits: bigint }>();
  const found: bigint[] = [];
  for (const row of rows) {
    let { hash, bits } = row;
    while (hash !== 0) {
      const top = 31 - Math.clz32(hash);
      const pivot = pivots.get(top);
      if (pivot === undefined) {
        pivots.set(top, { hash, bits });
        break;
      }
      hash = (hash ^ pivot.hash) >>> 0;
      bits ^= pivot.bits;
    }
    if (hash === 0) found.push(bits);
  }
  return found;
}

/** The names of one hash, as many as wanted. */
function sameHash(count: number): string[] {
  const changes = hashlessChanges();
  return Array.from({ length: count }, (_, number) =>
    nameOf(changes.reduce((bits, change, i) => (((number >> i) & 1) === 1 ? bits ^ change : bits), 0n)),
  );
}

function collisions(random: Random): NameOp[] {
  const names = sameHash(400);
  const ops: NameOp[] = [['mkdir', 'd', 0o755]];
  for (let i = 0; i < 900; i++) {
    const name = `d/${random.pick(names)}`;
    const roll = random.below(10);
    if (roll < 6) ops.push(['create', name, 0o644]);
    else if (roll < 8) ops.push(['unlink', name]);
    else if (roll < 9) ops.push(['rename', name, `d/${random.pick(names)}`]);
    else ops.push(['setxattr', 'd', `user.${random.pick(names)}`, random.below(30), 0]);
  }
  return ops;
}

function links(random: Random): NameOp[] {
  const ops: NameOp[] = [
    ['create', 'f', 0o644],
    ['mkdir', 'd', 0o755],
    ['mkdir', 'e', 0o755],
  ];
  const name = (): string => `${random.pick(['d', 'e'])}/${'l'.repeat(random.between(1, 200))}${random.below(800)}`;
  for (let i = 0; i < 1200; i++) {
    const roll = random.below(10);
    if (roll < 7) ops.push(['link', 'f', name()]);
    else if (roll < 8) ops.push(['unlink', name()]);
    else ops.push([roll < 9 ? 'rename' : 'exchange', name(), name()]);
  }
  return ops;
}

function crowd(random: Random): NameOp[] {
  const ops: NameOp[] = [['mkdir', 'd', 0o755]];
  const name = (): string => `d/${'n'.repeat(random.below(30))}${random.below(4000)}`;
  for (let i = 0; i < 6000; i++) ops.push(random.oneIn(4) ? ['rename', name(), name()] : ['create', name(), 0o600]);
  for (let i = 0; i < 9000; i++) ops.push(['unlink', name()]);
  return ops;
}

const VARIANTS: readonly BtrfsVariant[] = [
  { name: 'default', args: [] },
  { name: 'old', args: ['-n', '4096', '-O', '^no-holes,^extref,^skinny-metadata', '-R', '^free-space-tree'] },
  { name: '4k nodes', args: ['-n', '4096'] },
];

for (const variant of VARIANTS) {
  for (const [what, make] of Object.entries({ collisions, links, crowd })) {
    test(`${what}, ${variant.name}`, () => {
      const random = new Random(seed);
      const dir = scratch(true);
      const theirs = makeBtrfs(dir, variant);
      const mine = copyImage(theirs[0] as string, join(dir, 'fsio.img'));
      const ops = make(random);
      const wanted = withBtrfs(theirs, (mount) => kernelNames(mount, ops));
      const device = openDevice(mine);
      const fs = mountDevice(device);
      const got = ourNames(fs, ops);
      fs.unmount();
      device.close();
      for (const [i, answer] of wanted.entries())
        assert.is(got[i], answer, `seed ${seed}, operation ${i}: ${ops[i]?.join(' ')}`);
      assert.equal(checkComplaints([mine]), [], `seed ${seed}`);
      const tree = withBtrfs(theirs, kernelTree);
      assert.equal(withBtrfs([mine], kernelTree), tree, `seed ${seed}`);
    });
  }
}

test.run();
