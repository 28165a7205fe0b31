import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { FileDevice } from '../../core/device/file.ts';
import { OverlayDevice } from '../../core/device/overlay.ts';
import { type RecordedEvent, RecorderDevice } from '../../core/device/recorder.ts';
import type { XfsFilesystem } from '../../formats/xfs/filesystem.ts';
import { unpackImage } from '../harness/images.ts';
import { copyImage, makeXfs, missingJudges, must, repairComplaints, withMount } from '../harness/kernel.ts';
import { missingPython, type NameOp } from '../harness/kernel-names.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { announceSeed, Random, rounds } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';
import { VARIANTS } from '../harness/variants.ts';
import { ChangeScript, furnishTree, misfit } from './change-script.ts';
import { ChangeRun, type Outlook } from './changes.ts';
import { crashes, cuts } from './cuts.ts';

const test = gatedSuite('power loss during changes', missingJudges() ?? missingPython());
const seed = announceSeed('changes');
const STEPS = 100;

/** A few files and directories, made by Linux, and nothing else. */
function furnish(image: string): void {
  withMount(image, (at) => {
    must('find', at, '-mindepth', '1', '-delete');
    furnishTree(at);
  });
}

function newRun(recorder: RecorderDevice): ChangeRun {
  const fs = mountDevice(recorder) as XfsFilesystem;
  return new ChangeRun(fs, recorder, () => fs.mp.log.cil.empty);
}

function record(image: string, steps: readonly NameOp[]): { events: readonly RecordedEvent[]; outlooks: Outlook[] } {
  const recorder = new RecorderDevice(new OverlayDevice(new FileDevice(image)));
  const run = newRun(recorder);
  for (const step of steps) run.step(step);
  run.end();
  return { events: recorder.events, outlooks: run.outlooks };
}

/** What is wrong with the image that a cut left, or null. */
function judge(image: string, outlook: Outlook, repair: boolean): string | null {
  const faults: string[] = [];
  try {
    withMount(image, (at) => faults.push(...misfit(at, outlook)));
  } catch (error) {
    faults.push((error as Error).message);
  }
  if (repair) faults.push(...repairComplaints(image).map((line) => `xfs_repair: ${line}`));
  return faults.length === 0 ? null : faults.slice(0, 12).join('\n');
}

function crash(label: string, image: string, dir: string, blockSize: number, repair: boolean): void {
  furnish(image);
  const random = new Random(seed);
  const base = copyImage(image, join(dir, 'base.img'));
  const script = new ChangeScript(random, blockSize);
  const steps = Array.from({ length: STEPS }, () => script.op());
  const { events, outlooks } = record(base, steps);
  const story = `seed ${seed}, ${label}, ${events.length} events:\n${steps.map((step) => step.join(' ')).join('\n')}`;
  crashes(dir, base, events, cuts(events, random, rounds(10), rounds(6)), (crashed, cut) => {
    const outlook = outlooks.findLast((one) => one.from <= cut.end) as Outlook;
    const fault = judge(crashed, outlook, repair);
    assert.is(fault, null, `${story}\ncut ${cut.label} of ${events.length} (${outlook.step}):\n${fault}`);
    return 'changed';
  });
}

for (const variant of VARIANTS.slice(0, 4)) {
  const blockSize = Number(/size=(\d+)/.exec(variant.args.join(' '))?.[1] ?? 4096);
  test(variant.name, () => {
    const dir = scratch(true);
    crash(variant.name, makeXfs(join(dir, 'made.img'), variant), dir, blockSize, true);
  });
}

test('parent pointers and exchange-range', () => {
  const dir = scratch(true);
  // The xfs_repair that is installed may be too old for these features.
  crash('xfs-7.2', unpackImage('xfs-7.2', join(dir, 'made.img')), dir, 4096, false);
});

test.run();
