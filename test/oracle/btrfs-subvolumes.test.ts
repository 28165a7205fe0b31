// time limit: 300 s
/**
 * Subvolumes and snapshots made, changed, moved and deleted at random among other name operations, by Linux on a mounted
 * image and by ourselves on an unmounted copy: the same answers, the same trees, and nothing for btrfs check to say.
 */
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { openDevice } from '../../core/device/open.ts';
import { FsError } from '../../core/errors.ts';
import type { Filesystem } from '../../core/vfs/filesystem.ts';
import { resolve } from '../../core/vfs/path.ts';
import type { BtrfsInode } from '../../formats/btrfs/inode.ts';
import { isPlaceholder } from '../../formats/btrfs/names/may.ts';
import { createSnapshot, createSubvolume } from '../../formats/btrfs/subvol/create.ts';
import { deleteNamed } from '../../formats/btrfs/subvol/delete.ts';
import { isSubvolumeTop } from '../../formats/btrfs/subvol/names.ts';
import { setReadOnly } from '../../formats/btrfs/subvol/settings.ts';
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
import { Names, randomOp } from '../harness/name-ops.ts';
import { ourNames } from '../harness/our-names.ts';
import { announceSeed, Random, rounds } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('subvolumes against the kernel', missingBtrfsJudges() ?? missingPython());
const seed = announceSeed('btrfs-subvolumes');
const OPERATIONS = 300;

const VARIANTS: readonly BtrfsVariant[] = [
  { name: 'default', args: [] },
  { name: 'old', args: ['-n', '4096', '-O', '^no-holes,^extref,^skinny-metadata', '-R', '^free-space-tree'] },
  { name: 'small nodes', args: ['-n', '4096'] },
  {
    name: 'quotas',
    args: ['-n', '4096'],
    setup: [
      ['btrfs', 'quota', 'enable', '{}'],
      ['btrfs', 'quota', 'rescan', '-w', '{}'],
    ],
  },
];

/** The directories of Names are often subvolumes here. */
function subvolumeOp(random: Random, names: Names): NameOp {
  const dir = (): string => [names.dir(), `d${random.below(4)}`].filter((part) => part !== '').join('/');
  const roll = random.below(20);
  if (roll < 7) return ['subvol', dir()];
  if (roll < 11) return ['delsubvol', dir()];
  if (roll < 17) return ['snap', random.oneIn(5) ? '' : dir(), dir(), random.oneIn(4) ? 1 : 0];
  return ['setro', dir(), random.oneIn(3) ? 1 : 0];
}

function inodeAt(fs: Filesystem, path: string): BtrfsInode {
  return (path === '' ? fs.root() : resolve(fs, fs.root(), path)) as BtrfsInode;
}

function placeOf(fs: Filesystem, path: string): { dir: BtrfsInode; name: string } {
  const slash = path.lastIndexOf('/');
  const dir = inodeAt(fs, slash < 0 ? '' : path.slice(0, slash));
  return { dir: forIoctl(dir), name: path.slice(slash + 1) };
}

/** What is opened for an ioctl must be a directory; where a subvolume is gone it has none. */
function opened(ip: BtrfsInode): BtrfsInode {
  if (ip.kind !== 'dir') throw new FsError('ENOTDIR');
  return ip;
}

function forIoctl(ip: BtrfsInode): BtrfsInode {
  if (isPlaceholder(opened(ip))) throw new FsError('ENOTTY');
  return ip;
}

/** What the ioctl says of what is no subvolume. */
function mustBeTop(ip: BtrfsInode): BtrfsInode {
  if (!isSubvolumeTop(ip)) throw new FsError('EINVAL');
  return ip;
}

function performOne(fs: Filesystem, [op, ...args]: NameOp): void {
  const path = String(args[0]);
  if (op === 'setro') {
    setReadOnly(mustBeTop(forIoctl(inodeAt(fs, path))).root, args[1] === 1);
    return;
  }
  const source = op === 'snap' ? opened(inodeAt(fs, path)) : null;
  const { dir, name } = placeOf(fs, op === 'snap' ? String(args[1]) : path);
  if (op === 'subvol') createSubvolume(dir, name, 0o777);
  else if (op === 'delsubvol') {
    const child = dir.child(name) as BtrfsInode | null;
    if (child === null) throw new FsError('ENOENT');
    deleteNamed(dir, name, child);
  } else createSnapshot(dir, name, mustBeTop(source as BtrfsInode).root, args[2] === 1);
}

const OWN = ['subvol', 'delsubvol', 'snap', 'setro'];

function perform(fs: Filesystem, op: NameOp): string {
  if (!OWN.includes(op[0])) return ourNames(fs, [op])[0] as string;
  try {
    performOne(fs, op);
    return 'ok';
  } catch (error) {
    if (error instanceof FsError) return error.code === 'EUCLEAN' ? error.message : error.code;
    throw new Error(`${op.join(' ')}: ${(error as Error).stack}`);
  }
}

function ours(path: string, ops: readonly NameOp[]): string[] {
  const device = openDevice(path);
  const fs = mountDevice(device);
  const got = ops.map((op) => perform(fs, op));
  fs.unmount();
  device.close();
  return got;
}

function judge(variant: BtrfsVariant, random: Random): void {
  const dir = scratch(true);
  const theirs = makeBtrfs(dir, variant);
  const mine = copyImage(theirs[0] as string, join(dir, 'fsio.img'));
  for (let round = 0; round < rounds(2); round++) {
    const story = `seed ${seed}, ${variant.name}, round ${round}`;
    const names = new Names(random);
    const ops = Array.from({ length: OPERATIONS }, () =>
      random.oneIn(4) ? subvolumeOp(random, names) : randomOp(random, names),
    ).filter(([op, path]) => op !== 'chmod' || path !== '');
    const wanted = withBtrfs(theirs, (mount) => kernelNames(mount, ops));
    const got = ours(mine, ops);
    for (const [i, answer] of wanted.entries())
      assert.is(got[i], answer.replace('ENOTSUP', 'EOPNOTSUPP'), `${story}, operation ${i}: ${ops[i]?.join(' ')}`);
    // Marked inconsistent, numbers of quota groups mean nothing before the next rescan.
    const complaints = checkComplaints([mine], true).filter(
      (line) => !/^(Rescan|Counts for|our:|disk:|diff:)/.test(line),
    );
    assert.equal(complaints, [], story);
    const tree = withBtrfs(theirs, kernelTree);
    assert.equal(withBtrfs([mine], kernelTree), tree, story);
  }
}

for (const [index, variant] of VARIANTS.entries()) {
  test(variant.name, () => judge(variant, new Random(seed + index)));
}

test.run();
