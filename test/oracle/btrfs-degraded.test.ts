// time limit: 120 s
/**
 * Writing with devices missing, as Linux does with -o degraded: only when asked; to the copies that are there, with
 * parity standing for the rest; new chunks of what the remaining devices allow. Linux reads all of it on the devices
 * that were written, and with the missing ones back, whose old copies it then puts right.
 */
import { copyFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { openDevice } from '../../core/device/open.ts';
import { openFile } from '../../core/vfs/file.ts';
import type { Filesystem } from '../../core/vfs/filesystem.ts';
import { assertBytes } from '../harness/assert-bytes.ts';
import {
  type BtrfsVariant,
  checkComplaints,
  makeBtrfs,
  missingBtrfsJudges,
  withBtrfs,
} from '../harness/btrfs-judge.ts';
import { must, run } from '../harness/kernel.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { announceSeed, Random, sample } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('degraded btrfs', missingBtrfsJudges());
const seed = announceSeed('btrfs-degraded');
const MIB = 2 ** 20;

interface Spread extends BtrfsVariant {
  readonly devices: number;
  /** Devices that go missing. */
  readonly gone: number;
  /** btrfs check (6.2) finds the chunk root with these devices missing. */
  readonly checked?: false;
}

const words = (text: string): string[] => text.split(' ');
const SPREADS: readonly Spread[] = [
  { name: 'raid1', args: words('-m raid1 -d raid1'), devices: 2, gone: 1 },
  { name: 'raid5', args: words('-m raid1 -d raid5'), devices: 3, gone: 1 },
  { name: 'raid6', args: words('-m raid6 -d raid6 -n 4096'), devices: 4, gone: 2, checked: false },
  { name: 'raid10', args: words('-m raid1c3 -d raid10'), devices: 4, gone: 1 },
  { name: 'raid1c3', args: words('-m raid1c3 -d raid1c3'), devices: 3, gone: 2 },
  { name: 'raid5 for all', args: words('-m raid5 -d raid5'), devices: 3, gone: 1, checked: false },
];

function open(paths: readonly string[], degraded: boolean): Filesystem {
  const [first, ...others] = paths as [string, ...string[]];
  return mountDevice(openDevice(first), { devices: others.map((path) => openDevice(path)), degraded });
}

function write(fs: Filesystem, name: string, bytes: Uint8Array, pos = 0): void {
  const file = openFile(fs, fs.root(), name, { write: true, create: true });
  file.write(pos, bytes);
  file.close();
}

function noise(random: Random, length: number): Buffer {
  return Buffer.from(Uint32Array.from({ length: length / 4 }, () => random.below(2 ** 32)).buffer);
}

/** Takes the first devices away; `back` returns them. */
function takeAway(paths: readonly string[], gone: number): { rest: string[]; back(): void } {
  const away = scratch(true);
  const lost = paths.slice(0, gone).map((path, i) => ({ path, at: join(away, `${i}.img`) }));
  for (const { path, at } of lost) renameSync(path, at);
  return {
    rest: paths.slice(gone),
    back() {
      for (const { path, at } of lost) renameSync(at, path);
    },
  };
}

function judge(variant: Spread, random: Random): void {
  const paths = makeBtrfs(scratch(true), { ...variant, bytes: 300 * MIB });
  const old = noise(random, 3 * MIB);
  withBtrfs(paths, (mount) => writeFileSync(join(mount, 'old'), old));
  const { rest, back } = takeAway(paths, variant.gone);
  const files = new Map<string, Buffer>([['old', old]]);
  const fs = open(rest, true);
  for (const name of ['new', 'small', 'third']) {
    const bytes = noise(random, name === 'small' ? 1000 : 4 * random.between(1, MIB));
    files.set(name, bytes);
    write(fs, name, bytes);
  }
  const middle = noise(random, 200_000);
  const pos = random.below(2 * MIB);
  write(fs, 'old', middle, pos);
  middle.copy(old, pos);
  fs.unmount();
  const look = (mount: string): void => {
    for (const [name, bytes] of files) assertBytes(readFileSync(join(mount, name)), bytes, name);
  };
  withBtrfs(rest, look, 'degraded,ro');
  if (variant.checked !== false) {
    const complaints = checkComplaints(rest, true).filter((line) => !/^warning, device \d+ is missing$/.test(line));
    assert.equal(complaints, []);
  }
  back();
  withBtrfs(paths, (mount) => {
    look(mount);
    run('btrfs', ['scrub', 'start', '-B', mount]);
    assert.match(run('btrfs', ['scrub', 'start', '-B', '-r', mount]).stdout, /^Error summary: +no errors found$/m);
    look(mount);
  });
  const whole = open(paths, false);
  assert.is(whole.status, null);
  for (const [name, bytes] of files) {
    const file = openFile(whole, whole.root(), name, {});
    const got = Buffer.alloc(bytes.length);
    file.read(0, got);
    assertBytes(got, bytes, name);
  }
  whole.unmount();
  assert.equal(checkComplaints(paths, true), []);
}

for (const [index, variant] of sample(SPREADS, 2, seed).entries()) {
  test(variant.name, () => judge(variant, new Random(seed + index)));
}

/** Which profiles there are, from `btrfs filesystem df`. */
function profiles(mount: string): string[] {
  return [...must('btrfs', 'filesystem', 'df', mount).matchAll(/^(\w+, \w+): total/gm)].map(
    (match) => match[1] as string,
  );
}

test('new chunks of a raid1 with one device are single, and rest when the other is back', () => {
  const paths = makeBtrfs(scratch(true), { ...(SPREADS[0] as Spread), bytes: 300 * MIB });
  const { rest, back } = takeAway(paths, 1);
  const other = join(scratch(true), 'linux.img');
  copyFileSync(rest[0] as string, other);
  const bytes = noise(new Random(seed), 80 * MIB);
  const fs = open(rest, true);
  write(fs, 'large', bytes);
  fs.unmount();
  const ours = withBtrfs(rest, profiles, 'degraded');
  const theirs = withBtrfs(
    [other],
    (mount) => {
      writeFileSync(join(mount, 'large'), bytes);
      must('sync', '-f', mount);
      return profiles(mount);
    },
    'degraded',
  );
  assert.equal(ours, theirs);
  assert.ok(ours.includes('Data, single'), ours.join('; '));
  back();
  const whole = open(paths, false);
  write(whole, 'again', bytes.subarray(0, 20 * MIB));
  whole.unmount();
  withBtrfs(paths, (mount) => {
    assertBytes(readFileSync(join(mount, 'large')), bytes);
    assertBytes(readFileSync(join(mount, 'again')), bytes.subarray(0, 20 * MIB));
    run('btrfs', ['scrub', 'start', '-B', mount]);
  });
  assert.equal(checkComplaints(paths, true), []);
});

test.run();
