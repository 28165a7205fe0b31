// time limit: 180 s
/**
 * The power goes during changes of names, attributes and space of a btrfs. Whatever device write is the last, Linux
 * mounts the image, btrfs check has nothing to say, and what is found is the state between two commands, never older
 * than the last fsync.
 */
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { FileDevice } from '../../core/device/file.ts';
import { OverlayDevice } from '../../core/device/overlay.ts';
import { RecorderDevice } from '../../core/device/recorder.ts';
import type { BtrfsFilesystem } from '../../formats/btrfs/filesystem.ts';
import { checkComplaints, makeBtrfs, missingBtrfsJudges, withBtrfs } from '../harness/btrfs-judge.ts';
import { copyImage } from '../harness/kernel.ts';
import { missingPython } from '../harness/kernel-names.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { announceSeed, Random, rounds } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';
import { ChangeScript, furnishTree, misfit } from './change-script.ts';
import { ChangeRun, type Outlook } from './changes.ts';
import { crashes, cuts } from './cuts.ts';

const test = gatedSuite('power loss during changes of btrfs', missingBtrfsJudges() ?? missingPython());
const seed = announceSeed('btrfs-changes');
const STEPS = 100;
const SECTOR = 4096;

/** What is wrong with the image that a cut left, or null. */
function judge(image: string, outlook: Outlook): string | null {
  const faults = checkComplaints([image], true).map((line) => `btrfs check: ${line}`);
  try {
    withBtrfs([image], (at) => faults.push(...misfit(at, outlook)));
  } catch (error) {
    faults.push((error as Error).message);
  }
  return faults.length === 0 ? null : faults.slice(0, 12).join('\n');
}

const KINDS: Readonly<Record<string, readonly string[]>> = {
  default: [],
  old: ['-n', '4096', '-O', '^no-holes,^extref,^skinny-metadata', '-R', '^free-space-tree'],
};

for (const [name, args] of Object.entries(KINDS)) {
  test(name, () => {
    const dir = scratch(true);
    const made = makeBtrfs(dir, { name, args, bytes: 128 * 2 ** 20 });
    withBtrfs(made, furnishTree);
    const base = copyImage(made[0] as string, join(dir, 'base.img'));
    const random = new Random(seed);
    const script = new ChangeScript(random, SECTOR);
    const steps = Array.from({ length: STEPS }, () => script.op());
    const recorder = new RecorderDevice(new OverlayDevice(new FileDevice(base)));
    const fs = mountDevice(recorder) as BtrfsFilesystem;
    const run = new ChangeRun(fs, recorder, () => !fs.mp.trans.running);
    for (const step of steps) run.step(step);
    run.end();
    const { events } = recorder;
    const story = `seed ${seed}, ${name}, ${events.length} events:\n${steps.map((step) => step.join(' ')).join('\n')}`;
    crashes(dir, base, events, cuts(events, random, rounds(12), rounds(8)), (crashed, cut) => {
      const outlook = run.outlooks.findLast((one) => one.from <= cut.end) as Outlook;
      const fault = judge(crashed, outlook);
      assert.is(fault, null, `${story}\ncut ${cut.label} of ${events.length} (${outlook.step}):\n${fault}`);
      return 'changed';
    });
  });
}

test.run();
