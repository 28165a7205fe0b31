// time limit: 280 s
/**
 * The power goes at any device write. A script runs on a recorded device; then every image that a cut could have left
 * (each prefix of the writes; and with everything before a flush, subsets of what follows it) is mounted in Linux,
 * which recovers its log: what was made durable must be there, and xfs_repair must have nothing to say.
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { FileDevice } from '../../core/device/file.ts';
import { OverlayDevice } from '../../core/device/overlay.ts';
import { type RecordedEvent, RecorderDevice } from '../../core/device/recorder.ts';
import { copyImage, makeXfs, missingJudges, must, repairComplaints, withMount, xfsIo } from '../harness/kernel.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { announceSeed, Random, rounds } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';
import { VARIANTS, type Variant } from '../harness/variants.ts';
import { crashes, cuts } from './cuts.ts';
import { type Promise_, play, randomSteps, type Step } from './scenario.ts';

const test = gatedSuite('power loss', missingJudges());
const seed = announceSeed('power-loss');

function base(dir: string, variant: Variant): string {
  const image = makeXfs(join(dir, 'made.img'), variant);
  withMount(image, (at) => {
    xfsIo(`open -f ${at}/a\npwrite -S 0x41 0 300000\nfsync\nopen -f ${at}/e\npwrite -S 0x45 0 64k\nfsync\n`);
    must('sync');
  });
  // mkfs writes the log out in full; as holes the many copies below are quick.
  return copyImage(image, join(dir, 'base.img'));
}

function record(image: string, steps: readonly Step[]): { events: readonly RecordedEvent[]; promises: Promise_[] } {
  const recorder = new RecorderDevice(new OverlayDevice(new FileDevice(image)));
  const fs = mountDevice(recorder);
  const durable = new Map<string, Uint8Array>([
    ['a', new Uint8Array(300000).fill(0x41)],
    ['e', new Uint8Array(65536).fill(0x45)],
  ]);
  const promises = play(fs, recorder, steps, durable);
  return { events: recorder.events, promises };
}

/** What is wrong with the image that a cut left, or null. */
function judge(image: string, promise: Promise_): string | null {
  const faults: string[] = [];
  try {
    withMount(image, (at) => {
      for (const [name, life] of promise.files) {
        const path = join(at, name);
        const found = statSync(path, { throwIfNoEntry: false }) === undefined ? null : readFileSync(path);
        const fault = life.fault(found);
        if (fault !== null) faults.push(`${name}: ${fault}`);
      }
    });
  } catch (error) {
    faults.push((error as Error).message);
  }
  faults.push(...repairComplaints(image).map((line) => `xfs_repair: ${line}`));
  return faults.length === 0 ? null : faults.slice(0, 12).join('\n');
}

function crash(variant: Variant, steps: readonly Step[], random: Random, prefixes: number, subsets: number): void {
  const dir = scratch(true);
  const image = base(dir, variant);
  const { events, promises } = record(image, steps);
  const story = `seed ${seed}, ${variant.name}, ${events.length} events:\n${steps.map((step) => JSON.stringify(step)).join('\n')}`;
  crashes(dir, image, events, cuts(events, random, prefixes, subsets), (crashed, cut) => {
    // A write is under way: what is promised is what was promised when it began, or whatever came to be by then.
    const promise = promises.findLast((one) => one.from <= cut.end) as Promise_;
    const fault = judge(crashed, promise);
    assert.is(fault, null, `${story}\ncut ${cut.label} of ${events.length} (${promise.step}):\n${fault}`);
    return 'changed';
  });
}

const FIXED: Readonly<Record<string, readonly Step[]>> = {
  'a new file': [
    { do: 'write', file: 'new', pos: 0, length: 200_000, byte: 1 },
    { do: 'fsync', file: 'new' },
    { do: 'write', file: 'new', pos: 100_000, length: 200_000, byte: 2 },
  ],
  'reflink and copy on write': [
    { do: 'reflink', file: 'b', from: 'a' },
    { do: 'fsync', file: 'b' },
    { do: 'write', file: 'b', pos: 4097, length: 100, byte: 3 },
    { do: 'write', file: 'b', pos: 150_000, length: 50_000, byte: 4 },
    { do: 'fsync', file: 'b' },
    { do: 'write', file: 'a', pos: 140_000, length: 20_000, byte: 5 },
    { do: 'truncate', file: 'a', size: 10 },
    { do: 'sync' },
    { do: 'truncate', file: 'b', size: 0 },
  ],
  'blocks that are no longer shared': [
    { do: 'reflink', file: 'b', from: 'a' },
    { do: 'reflink', file: 'c', from: 'a' },
    { do: 'sync' },
    { do: 'truncate', file: 'c', size: 10 },
    { do: 'write', file: 'b', pos: 0, length: 150_000, byte: 8 },
    { do: 'sync' },
    { do: 'reflink', file: 'c', from: 'a' },
    { do: 'fsync', file: 'c' },
    { do: 'truncate', file: 'c', size: 10 },
    { do: 'write', file: 'a', pos: 0, length: 150_000, byte: 9 },
    { do: 'fsync', file: 'a' },
  ],
  'truncate and write again': [
    { do: 'truncate', file: 'e', size: 5000 },
    { do: 'truncate', file: 'e', size: 50_000 },
    { do: 'fsync', file: 'e' },
    { do: 'truncate', file: 'a', size: 0 },
    { do: 'write', file: 'f', pos: 0, length: 250_000, byte: 6 },
    { do: 'fsync', file: 'f' },
    { do: 'write', file: 'a', pos: 70_000, length: 100_000, byte: 7 },
  ],
  'many files': Array.from({ length: 60 }, (_, i): Step[] => [
    { do: 'write', file: `file-with-a-longish-name-${i}`, pos: 0, length: 3000, byte: i + 1 },
    ...(i % 20 === 19 ? [{ do: 'sync' } as const] : []),
  ]).flat(),
};

for (const variant of VARIANTS.slice(0, 3)) {
  const blockSize = Number(/size=(\d+)/.exec(variant.args.join(' '))?.[1] ?? 4096);
  for (const [name, steps] of Object.entries(FIXED)) {
    test(`${variant.name}: ${name}`, () => crash(variant, steps, new Random(seed), rounds(8), rounds(4)));
  }
  test(`${variant.name}: a random script`, () => {
    const random = new Random(seed);
    crash(variant, randomSteps(random, blockSize, 30, true), random, rounds(14), rounds(7));
  });
}

test.run();
