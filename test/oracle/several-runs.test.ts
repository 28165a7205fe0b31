// time limit: 300 s
/**
 * Several runs of fsio at once on one image, as scripts start them in the background: they take turns, none undoes what
 * another did, and Linux finds all of it.
 */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { checkComplaints, makeBtrfs, missingBtrfsJudges, withBtrfs } from '../harness/btrfs-judge.ts';
import { missingFsio } from '../harness/fsio.ts';
import { makeXfs, missingJudges, repairComplaints, withMount } from '../harness/kernel.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('several runs at once', missingFsio() ?? missingJudges() ?? missingBtrfsJudges());

const LANES = [0, 1, 2, 3];
const STEPS = [0, 1];
const SIZE = 100_000;

/** One run; resolves to what it said on stderr and its exit status. */
function running(...args: string[]): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(process.cwd(), 'dist', 'fsio.js'), '--wait', '60', ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (text) => {
      said += text;
    });
    child.on('close', (status) => resolve(`${said}status ${status}`));
  });
}

async function lane(image: string, number: number): Promise<void> {
  for (const step of STEPS) {
    const dir = `/${number}.${step}`;
    const letter = `0x6${number}`;
    const runs = [
      ['-c', `mkdir ${dir}`, `${image}:/`],
      ['-f', '-c', `pwrite -S ${letter} 0 ${SIZE}`, `${image}:${dir}/file`],
      ['-r', '-c', 'pread -q 0 10', `${image}:${dir}/file`],
      ['-c', `pwrite -S 0x7${step} 5000 100`, `${image}:${dir}/file`],
    ];
    for (const args of runs) assert.is(await running(...args), 'status 0', args.join(' '));
  }
}

function sees(mounted: string): void {
  const made = readdirSync(mounted).filter((name) => /^\d\.\d$/.test(name));
  assert.is(made.length, LANES.length * STEPS.length);
  for (const number of LANES)
    for (const step of STEPS) {
      const bytes = Buffer.alloc(SIZE, 0x60 + number).fill(0x70 + step, 5000, 5100);
      assert.ok(readFileSync(join(mounted, `${number}.${step}`, 'file')).equals(bytes), `${number}.${step}`);
    }
}

test('on XFS', async () => {
  const image = makeXfs(join(scratch(true), 'xfs.img'));
  await Promise.all(LANES.map((number) => lane(image, number)));
  assert.equal(repairComplaints(image), []);
  withMount(image, sees);
});

test('on btrfs', async () => {
  const [image] = makeBtrfs(scratch(true), { name: 'default', args: [] }) as [string];
  await Promise.all(LANES.map((number) => lane(image, number)));
  assert.equal(checkComplaints([image]), []);
  withBtrfs([image], sees);
});

test.run();
