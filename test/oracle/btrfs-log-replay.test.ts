// time limit: 900 s
/**
 * Crashed btrfs: Linux changes files at random and makes some of them durable with fsync; the image is copied as it is
 * then, with its log trees. What we show of the copy, replaying the log in memory, must be what Linux shows of it after
 * replaying it, in every name, size, time, extent and attribute. FSIO_SEED repeats a run, FSIO_ROUNDS makes it longer.
 */
import { createHash } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { openDevice } from '../../core/device/open.ts';
import { bufferedWrite } from '../../core/iomap/write.ts';
import {
  type BtrfsVariant,
  checkComplaints,
  makeBtrfs,
  missingBtrfsJudges,
  withBtrfs,
} from '../harness/btrfs-judge.ts';
import { copyImage } from '../harness/kernel.ts';
import { kernelNames, missingPython, type NameOp } from '../harness/kernel-names.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { Random, sample } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';
import { compareTree } from '../harness/tree-compare.ts';

const test = gatedSuite('btrfs log replay', missingBtrfsJudges() ?? missingPython());
const seed = Number(process.env.FSIO_SEED ?? (process.env.CI ? 1 : Date.now() % 1_000_000));
const rounds = Number(process.env.FSIO_ROUNDS ?? 1);

/** Each subvolume has a log tree of its own. */
const SUBVOLUMES = [
  ['btrfs', '-q', 'subvolume', 'create', '{}/s0'],
  ['cp', '/etc/services', '{}/s0/f1'],
  ['btrfs', '-q', 'subvolume', 'snapshot', '{}/s0', '{}/s1'],
] as const;

const VARIANTS: readonly (BtrfsVariant & { readonly options?: string })[] = [
  { name: 'defaults', args: [] },
  { name: 'a subvolume and a snapshot', args: [], setup: SUBVOLUMES },
  { name: '4 KiB nodes, explicit holes', args: ['-n', '4096', '-O', '^no-holes', '-R', '^free-space-tree'] },
  { name: 'compressed', args: [], options: 'compress-force=lzo' },
  { name: 'mixed groups', args: ['-M', '--csum', 'xxhash'] },
];

/** Copies of one mount, and operations between two of them. */
const COPIES = 8;
const MOST_OPS = 40;
const KEEP_SIZE = 1;
const PUNCH_HOLE = 2 | KEEP_SIZE;

class Workload {
  private readonly random: Random;
  /** Directories stay where they are: changes of theirs often make Linux commit instead of writing a log. */
  private readonly mild: boolean;

  constructor(random: Random) {
    this.random = random;
    this.mild = random.oneIn(2);
  }

  private dir(): string {
    return this.random.pick(['', '', 'd0', 'd1', 'd1/d2', 's0', 's1']);
  }

  private path(): string {
    const dir = this.dir();
    const name = this.random.oneIn(6)
      ? this.random.pick(['d0', 'd1', 'd2', 'd3'])
      : `${this.random.oneIn(8) ? 'l'.repeat(200) : 'f'}${this.random.below(8)}`;
    return dir === '' ? name : `${dir}/${name}`;
  }

  op(): NameOp {
    const { random } = this;
    const path = this.path();
    const pos = random.below(40) * 4096 + (random.oneIn(3) ? random.below(4096) : 0);
    const length = random.oneIn(3) ? random.between(1, 3000) : random.between(1, 16) * 4096;
    const roll = random.below(100);
    if (this.mild && [45, 57, 67].some((from) => roll >= from && roll < from + 5))
      return ['pwrite', path, pos, length, 7];
    if (roll < 14) return ['create', path, 0o644];
    if (roll < 30) return ['pwrite', path, random.oneIn(4) ? 0 : pos, length, random.below(256)];
    if (roll < 34) return ['truncate', path, random.oneIn(3) ? random.below(3000) : pos];
    if (roll < 37) return ['falloc', path, PUNCH_HOLE, pos, length];
    if (roll < 41) return ['falloc', path, random.pick([0, KEEP_SIZE]), pos, length];
    if (roll < 45) return ['clone', path, this.path()];
    if (roll < 50) return ['mkdir', path, 0o755];
    if (roll < 57) return ['unlink', path];
    if (roll < 59) return ['rmdir', path];
    if (roll < 67) return ['rename', path, this.path()];
    if (roll < 70) return ['exchange', path, this.path()];
    if (roll < 77) return ['link', path, this.path()];
    if (roll < 81) return ['setxattr', path, `user.x${random.below(4)}`, random.between(1, 300), 0];
    if (roll < 83) return ['removexattr', path, `user.x${random.below(4)}`];
    if (roll < 84) return ['symlink', 'target', path];
    if (roll < 86) return this.attributes(path);
    if (roll < 96) return ['fsync', path];
    if (roll < 98) return ['fsync', this.dir()];
    return ['fdatasync', path];
  }

  private attributes(path: string): NameOp {
    const { random } = this;
    if (random.oneIn(3)) return ['chmod', path, random.pick([0o600, 0o755])];
    if (random.oneIn(2)) return ['chown', path, random.below(1000), random.below(1000)];
    return ['utimes', path, random.below(1_000_000_000), random.below(1_000_000_000)];
  }

  /** Operations up to a copy of the image; most changes before it are only in the log, if anywhere. */
  untilCopy(image: string, copy: string): NameOp[] {
    const { random } = this;
    const ops: NameOp[] = [];
    if (random.oneIn(2)) for (let i = random.below(MOST_OPS); i > 0; i--) ops.push(this.op());
    ops.push(['syncfs']);
    for (let i = random.between(1, MOST_OPS); i > 0; i--) ops.push(this.op());
    for (let i = random.between(1, 4); i > 0; i--) ops.push(['fsync', random.oneIn(3) ? this.dir() : this.path()]);
    ops.push(['copy-image', image, copy]);
    return ops;
  }
}

/** Chance may let every fsync become a commit; this one is a log. */
function surelyLogged(image: string, copy: string): NameOp[] {
  const file: NameOp[] = [['create', 'sure', 0o644], ['syncfs'], ['pwrite', 'sure', 5000, 9000, 7], ['fsync', 'sure']];
  return [...file, ['copy-image', image, copy]];
}

function hashOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

/** Offset of log_root in a superblock. */
const LOG_ROOT = 0x10000 + 96;

/** Differences between Linux's view of a crashed copy and ours; false if there is no log in it. */
function judge(copy: string, wrong: string[]): boolean {
  const bytes = readFileSync(copy);
  if (bytes.readBigUInt64LE(LOG_ROOT) === 0n) return false;
  const before = hashOf(copy);
  // Linux replays its own copy for good, ours stays what it is.
  const theirs = copyImage(copy, `${copy}.linux`);
  const fs = mountDevice(openDevice(copy), { readOnly: true });
  const found: string[] = [];
  const mountedAt = BigInt(Date.now()) * 1_000_000n;
  const options = { extentFlags: 0xffff, mountedAt };
  withBtrfs([theirs], (at) => compareTree(fs.root(), Buffer.from(at), found, options), 'noatime');
  assert.is(hashOf(copy), before, `${copy} changed`);
  rmSync(theirs);
  wrong.push(...found.map((text) => `${copy}: ${text}`));
  return true;
}

/** The first change makes the replay permanent: what `btrfs check` and Linux say of the image then. */
function judgeWritten(copy: string, wrong: string[]): void {
  const fs = mountDevice(openDevice(copy));
  const file = fs.root().create('written-after-replay', 0o644);
  bufferedWrite(file, 0, new Uint8Array(100_000).fill(7));
  fs.unmount();
  wrong.push(...checkComplaints([copy], true).map((text) => `${copy}, written: ${text}`));
  const again = mountDevice(openDevice(copy, { readOnly: true }), { readOnly: true });
  const options = { extentFlags: 0xffff };
  withBtrfs([copy], (at) => compareTree(again.root(), Buffer.from(at), wrong, options), 'ro,noatime');
}

for (const [index, variant] of sample(VARIANTS, 2, seed).entries()) {
  test(variant.name, () => {
    let judged = 0;
    for (let round = 0; round < rounds; round++) {
      const random = new Random(seed + index * 1000 + round);
      const dir = scratch(true);
      const images = makeBtrfs(dir, { bytes: 128 * 2 ** 20, ...variant });
      const image = images[0] as string;
      const workload = new Workload(random);
      const copies = Array.from({ length: COPIES }, (_, i) => join(dir, `copy-${i}.img`));
      const start: NameOp[] = ['d0', 'd1', 'd1/d2'].map((name) => ['mkdir', name, 0o755]);
      const ops = [...start, ...copies.flatMap((copy) => workload.untilCopy(image, copy))];
      const sure = join(dir, 'copy-sure.img');
      ops.push(...surelyLogged(image, sure));
      copies.push(sure);
      withBtrfs(images, (at) => kernelNames(at, ops), `commit=300${variant.options ? `,${variant.options}` : ''}`);
      const wrong: string[] = [];
      const logged = copies.filter((copy) => judge(copy, wrong));
      judged += logged.length;
      for (const copy of logged.slice(0, 2)) judgeWritten(copy, wrong);
      const shown = wrong.slice(0, 15).join('\n');
      assert.is(wrong.length, 0, `seed ${seed}, round ${round}: ${wrong.length} differences:\n${shown}`);
    }
    assert.ok(judged > 0, `seed ${seed}: no copy had a log`);
  });
}

/** Logs of several levels: much was removed, added and written before the fsync. */
function largeOps(image: string, copies: readonly string[]): NameOp[] {
  const name = (i: number) => `d/${'n'.repeat(60)}${i}`;
  const many = (from: number, to: number, step: number, op: (i: number) => NameOp): NameOp[] =>
    Array.from({ length: Math.ceil((to - from) / step) }, (_, k) => op(from + k * step));
  const [first, second, third] = copies as [string, string, string];
  return [
    ['mkdir', 'd', 0o755],
    ...many(0, 2500, 1, (i) => ['create', name(i), 0o644]),
    ['create', 'fragments', 0o644],
    ['create', 'linked', 0o644],
    ...many(0, 300, 1, (i) => ['link', 'linked', `d/link${i}`]),
    ['syncfs'],
    ...many(0, 2500, 3, (i) => ['unlink', name(i)]),
    ...many(2500, 3200, 1, (i) => ['create', name(i), 0o644]),
    ['fsync', 'd'],
    ['copy-image', image, first],
    ...many(0, 1500, 1, (i) => ['pwrite', 'fragments', i * 8192, 4096, i % 256]),
    ['fsync', 'fragments'],
    ...many(0, 1500, 2, (i) => ['pwrite', 'fragments', i * 8192 + 1000, 5000, 255 - (i % 256)]),
    ['fsync', 'fragments'],
    ['copy-image', image, second],
    ['syncfs'],
    ...many(0, 300, 2, (i) => ['unlink', `d/link${i}`]),
    ...many(300, 400, 1, (i) => ['link', 'linked', `d/link${i}`]),
    ...many(0, 200, 1, (i) => ['setxattr', 'linked', `user.${i}`, 30 + (i % 9), 0]),
    ['fsync', 'linked'],
    ['fsync', 'd'],
    ['copy-image', image, third],
  ];
}

for (const variant of VARIANTS.slice(0, 1).concat(VARIANTS.filter(({ name }) => name.startsWith('4 KiB')))) {
  test(`large logs: ${variant.name}`, () => {
    const dir = scratch(true);
    const images = makeBtrfs(dir, { bytes: 200 * 2 ** 20, ...variant });
    const copies = [0, 1, 2].map((i) => join(dir, `copy-${i}.img`));
    const ops = largeOps(images[0] as string, copies);
    withBtrfs(images, (at) => kernelNames(at, ops), 'commit=300');
    const wrong: string[] = [];
    const logged = copies.filter((copy) => judge(copy, wrong));
    for (const copy of logged) judgeWritten(copy, wrong);
    assert.is(wrong.length, 0, `${wrong.length} differences:\n${wrong.slice(0, 15).join('\n')}`);
    assert.ok(logged.length > 0, 'no copy had a log');
  });
}

test.run();
