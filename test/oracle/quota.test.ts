/**
 * Quotas of users, groups and projects: random changes, to the end and cut by a crash, after which xfs_db must find the
 * numbers in every record right; and limits. (Linux itself counts in `npm run vm -- quota`: many kernels come without.)
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { FileDevice } from '../../core/device/file.ts';
import { OverlayDevice } from '../../core/device/overlay.ts';
import { RecorderDevice } from '../../core/device/recorder.ts';
import { FsError } from '../../core/errors.ts';
import { bufferedWrite } from '../../core/iomap/write.ts';
import type { Filesystem, MountOptions } from '../../core/vfs/filesystem.ts';
import { resolve } from '../../core/vfs/path.ts';
import { ChangeScript } from '../crash/change-script.ts';
import { ChangeRun } from '../crash/changes.ts';
import { crashes, cuts } from '../crash/cuts.ts';
import { fsioInside } from '../harness/fsio-inside.ts';
import { unpackImage } from '../harness/images.ts';
import { copyImage, missingTools, must, repairComplaints } from '../harness/kernel.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { announceSeed, Random, rounds } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('XFS quotas', missingTools(['xfs_repair', 'xfs_db', 'cp'], 'xfs'));
const seed = announceSeed('quota');

/** What is wrong in the image: xfs_db counts what every owner has. */
function complaints(image: string): string[] {
  const counted = must('xfs_db', '-r', '-c', 'sb 0', '-c', 'print qflags', '-c', 'blockget -n', image).split('\n');
  const flags = counted[0] === 'qflags = 0x7cf' ? [] : [`${counted[0]}: no longer what it was`];
  return [...flags, ...counted.slice(1).filter((line) => line !== ''), ...repairComplaints(image)];
}

const ownedBy = (uid: number, gid = 0): Partial<MountOptions> => ({ owner: { uid, gid, umask: 0o022 } });

test('random changes, and what a crash leaves of them', () => {
  const dir = scratch(true);
  const base = unpackImage('xfs-quota', join(dir, 'base.img'));
  for (let round = 0; round < rounds(2); round++) {
    const random = new Random(seed + round * 7919);
    const recorder = new RecorderDevice(new OverlayDevice(new FileDevice(base)));
    const run = new ChangeRun(mountDevice(recorder, ownedBy(random.below(6), random.below(6))), recorder, () => true);
    const script = new ChangeScript(random, 4096);
    for (let i = 0; i < 80; i++) run.step(script.op());
    run.end();
    const { events } = recorder;
    crashes(dir, base, events, cuts(events, random, 2, 0), (crashed, cut) => {
      // The log is replayed, and written with the first change.
      if (cut.end < events.length) assert.is(fsioInside(['-c', 'touch /d0', crashed]).stderr, '');
      assert.equal(complaints(crashed), [], `seed ${seed}, round ${round}, cut ${cut.label}`);
      return 'changed';
    });
  }
  rmSync(dir, { recursive: true });
});

/** Writes pieces of 4 KiB until a limit forbids it; answers how many, and the error's code. */
function fill(fs: Filesystem, path: string): [count: number, code: string] {
  const file = resolve(fs, fs.root(), path);
  for (let count = 0; count < 1000; count++) {
    try {
      bufferedWrite(file, file.size, new Uint8Array(4096).fill(1));
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      return [count, error.code];
    }
  }
  return [1000, 'none'];
}

test('limits: blocks of a user, inodes of a user, blocks of a project', () => {
  const dir = scratch(true);
  const image = copyImage(unpackImage('xfs-quota', join(dir, 'base.img')), join(dir, 'image.img'));
  const user = mountDevice(new FileDevice(image), ownedBy(3, 4));
  user.root().create('mine', 0o644);
  // 225 blocks may be, 50 are.
  assert.equal(fill(user, '/mine'), [175, 'EDQUOT']);
  user.unmount();
  assert.equal(complaints(image), []);
  const other = mountDevice(new FileDevice(image), ownedBy(5, 6));
  for (const name of ['x', 'y', 'z']) other.root().create(name, 0o644);
  assert.throws(
    () => other.root().create('w', 0o644),
    (error: FsError) => error.code === 'EDQUOT',
  );
  other.unmount();
  assert.equal(complaints(image), []);
  // Below d0 everything is project 5's: 375 blocks, of which it has 200 (and the directories).
  const root = mountDevice(new FileDevice(image));
  const [count, code] = fill(root, '/d0/f1');
  assert.is(code, 'ENOSPC');
  assert.ok(count > 160 && count <= 275, String(count));
  root.unmount();
  assert.equal(complaints(image), []);
  const answer = fsioInside(['-r', '--json', '-c', 'quota -u', image]).stdout;
  const three = answer.split('\n').find((line) => line.includes('"id":3,')) ?? '{}';
  const { blocks } = JSON.parse(three) as { blocks: { used: number; soft: number; hard: number; graceEnds: number } };
  assert.is(blocks.used, 225);
  assert.is(blocks.graceEnds, 1_800_000_000 + 7 * 86400);
  const dry = fsioInside(['--dry-run', '-c', 'truncate 4k', `${image}:/mine`]).stdout;
  assert.match(dry, /user quota 3: diskdq.bcount 225 .* 51\n/);
  rmSync(dir, { recursive: true });
});

test.run();
