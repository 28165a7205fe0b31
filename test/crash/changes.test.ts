// time limit: 180 s
/**
 * The power goes during changes of names, attributes and space. Whatever device write is the last, Linux mounts the
 * image, xfs_repair has nothing to say, and what is found is the state between two commands: never half of a rename,
 * a link without its count, an attribute without its value; and never older than the last fsync.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { FileDevice } from '../../core/device/file.ts';
import { OverlayDevice } from '../../core/device/overlay.ts';
import { type RecordedEvent, RecorderDevice } from '../../core/device/recorder.ts';
import type { XfsFilesystem } from '../../formats/xfs/filesystem.ts';
import { unpackImage } from '../harness/images.ts';
import { copyImage, makeXfs, missingJudges, must, repairComplaints, withMount, xfsIo } from '../harness/kernel.ts';
import { kernelTree, missingPython, type NameOp } from '../harness/kernel-names.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { announceSeed, Random, rounds } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';
import { VARIANTS } from '../harness/variants.ts';
import { ChangeRun, type Outlook, treeText } from './changes.ts';
import { crashes, cuts } from './cuts.ts';

const test = gatedSuite('power loss during changes', missingJudges() ?? missingPython());
const seed = announceSeed('changes');
const STEPS = 100;

const DIRS = ['', 'd0/', 'd1/', 'd0/d2/'];
const XATTRS = ['user.a', `user.${'long'.repeat(30)}`, 'trusted.t', 'security.s'];

class Script {
  private readonly random: Random;
  private readonly unit: number;

  constructor(random: Random, blockSize: number) {
    this.random = random;
    this.unit = blockSize;
  }

  op(): NameOp {
    const { random } = this;
    const roll = random.below(100);
    if (roll < 8) return ['sync'];
    if (roll < 20) return ['fsync', this.file()];
    if (roll < 60) return this.nameOp();
    return this.spaceOp();
  }

  private file(): string {
    return `${this.random.pick(DIRS)}f${this.random.oneIn(4) ? this.random.between(2, 4) : this.random.below(2)}`;
  }

  private path(): string {
    const { random } = this;
    if (random.oneIn(4)) return `${random.pick(DIRS.slice(0, 2))}d${random.below(3)}`;
    return random.oneIn(3) ? `${random.pick(DIRS)}${`n${random.below(12)}`.padEnd(120, '-name')}` : this.file();
  }

  private nameOp(): NameOp {
    const { random } = this;
    const path = this.path();
    const value = random.pick([1, 40, 300, 3000, 20_000]);
    return random.pick<() => NameOp>([
      () => ['create', path, 0o644],
      () => ['create', path, 0o600],
      () => ['mkdir', path, 0o755],
      () => ['unlink', path],
      () => ['unlink', path],
      () => ['rmdir', path],
      () => ['rename', path, this.path()],
      () => ['rename', path, this.path()],
      () => ['exchange', path, this.path()],
      () => ['link', path, this.path()],
      () => ['symlink', random.pick(['d0', 'target/'.repeat(70), 'target/'.repeat(140)]), path],
      () => ['mknod', path, 'fifo', 0o640, 0, 0],
      () => ['tmpfile', random.pick(['', 'd0']), random.oneIn(2) ? '' : path],
      () => ['chmod', random.pick(['f0', 'd0', 'd1/f1']), random.below(0o1000)],
      () => ['chown', path, random.below(9), random.below(9)],
      () => ['setxattr', path, random.pick(XATTRS), value, 0],
      () => ['setxattr', this.file(), random.pick(XATTRS), value, 0],
      () => ['removexattr', path, random.pick(XATTRS)],
      () => ['hold', this.file()],
    ])();
  }

  private spaceOp(): NameOp {
    const { random, unit } = this;
    const file = this.file();
    const aligned = (limit: number): number => random.below(Math.ceil(limit / unit)) * unit;
    const pos = random.oneIn(2) ? aligned(200_000) : random.below(200_000);
    const length = random.oneIn(2) ? aligned(60_000) + unit : random.between(1, 60_000);
    const range = (): [number, number] => [aligned(200_000), aligned(100_000) + unit];
    return random.pick<() => NameOp>([
      () => ['pwrite', file, pos, length, random.between(1, 255)],
      () => ['pwrite', file, pos, length, random.between(1, 255)],
      () => ['pwrite', file, pos, length, random.between(1, 255)],
      () => ['truncate', file, random.below(200_000)],
      () => ['falloc', file, pos, length, random.below(2)],
      () => ['fpunch', file, pos, length, 1],
      () => ['fzero', file, pos, length, random.below(2)],
      () => ['fcollapse', file, ...range(), 0],
      () => ['finsert', file, ...range(), 0],
      () => ['funshare', file, pos, length, 0],
      () => ['reflink', file, this.file(), 0, 0, 0],
      () => ['reflink', file, this.file(), aligned(100_000), ...range()],
      () => ['dedupe', file, this.file(), 0, 0, unit * random.between(1, 4)],
      () => ['exchangerange', file, this.file(), aligned(60_000), aligned(60_000), aligned(60_000) + unit],
      () => ['swapext', file, this.file()],
    ])();
  }
}

/** A few files and directories, made by Linux, and nothing else. */
function furnish(image: string): void {
  withMount(image, (at) => {
    must('find', at, '-mindepth', '1', '-delete');
    must('mkdir', '-p', `${at}/d0/d2`, `${at}/d1`);
    const files = DIRS.flatMap((dir) =>
      [0, 1].map((i) => `open -f ${at}/${dir}f${i}\npwrite -S ${65 + i} 0 200k\nfsync`),
    );
    xfsIo(`${files.join('\n')}\n`);
    must('sync');
  });
}

function record(image: string, steps: readonly NameOp[]): { events: readonly RecordedEvent[]; outlooks: Outlook[] } {
  const recorder = new RecorderDevice(new OverlayDevice(new FileDevice(image)));
  const run = new ChangeRun(mountDevice(recorder) as XfsFilesystem, recorder);
  for (const step of steps) run.step(step);
  run.end();
  return { events: recorder.events, outlooks: run.outlooks };
}

/** What is wrong with the image that a cut left, or null. */
function judge(image: string, { states, lives }: Outlook, repair: boolean): string | null {
  const faults: string[] = [];
  try {
    withMount(image, (at) => {
      const tree = treeText(kernelTree(at) as Record<string, unknown>);
      // The newest of the states that look like this: files may differ, then one of them fits.
      const alike = states.filter((state) => state.tree === tree);
      if (alike.length === 0) faults.push(`no state between commands:\n${difference(states, tree)}`);
      const misfits = alike.map((state) => {
        for (const [path, id] of state.files) {
          const fault = lives.get(id)?.fault(readFileSync(join(at, path)));
          if (fault) return `${path}: ${fault}`;
        }
        return null;
      });
      if (alike.length > 0 && misfits.every((fault) => fault !== null)) faults.push(misfits.at(-1) as string);
    });
  } catch (error) {
    faults.push((error as Error).message);
  }
  if (repair) faults.push(...repairComplaints(image).map((line) => `xfs_repair: ${line}`));
  return faults.length === 0 ? null : faults.slice(0, 12).join('\n');
}

/** Lines of the newest state that were not found, and lines found that it does not have. */
function difference(states: Outlook['states'], found: string): string {
  const wanted = (states.at(-1)?.tree ?? '').split('\n');
  const lines = found.split('\n');
  const missing = wanted.filter((line) => !lines.includes(line)).map((line) => `- ${line}`);
  return [...missing, ...lines.filter((line) => !wanted.includes(line)).map((line) => `+ ${line}`)]
    .join('\n')
    .slice(0, 3000);
}

function crash(label: string, image: string, dir: string, blockSize: number, repair: boolean): void {
  furnish(image);
  const random = new Random(seed);
  const base = copyImage(image, join(dir, 'base.img'));
  const script = new Script(random, blockSize);
  const steps = Array.from({ length: STEPS }, () => script.op());
  const { events, outlooks } = record(base, steps);
  const story = `seed ${seed}, ${label}, ${events.length} events:\n${steps.map((step) => step.join(' ')).join('\n')}`;
  crashes(dir, base, events, cuts(events, random, rounds(10), rounds(6)), (crashed, cut) => {
    const outlook = outlooks.findLast((one) => one.from <= cut.end) as Outlook;
    const fault = judge(crashed, outlook, repair);
    assert.is(fault, null, `${story}\ncut ${cut.label} of ${events.length} (${outlook.step}):\n${fault}`);
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
