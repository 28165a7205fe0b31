/**
 * A script of commands run in this process on a recorded device, with what is promised after each of them.
 */
import type { RecorderDevice } from '../../core/device/recorder.ts';
import { bufferedWrite, zeroGap } from '../../core/iomap/write.ts';
import type { Filesystem } from '../../core/vfs/filesystem.ts';
import type { Inode } from '../../core/vfs/inode.ts';
import type { Random } from '../harness/random.ts';
import { FileLife } from './model.ts';

export type Step =
  | {
      readonly do: 'write';
      readonly file: string;
      readonly pos: number;
      readonly length: number;
      readonly byte: number;
    }
  | { readonly do: 'reflink'; readonly file: string; readonly from: string }
  | {
      readonly do: 'reflink range';
      readonly file: string;
      readonly from: string;
      readonly source: number;
      readonly pos: number;
      readonly length: number;
    }
  | { readonly do: 'truncate'; readonly file: string; readonly size: number }
  | {
      readonly do: 'space';
      readonly file: string;
      readonly mode: 'allocate' | 'punch' | 'zero';
      readonly pos: number;
      readonly length: number;
    }
  | { readonly do: 'fsync'; readonly file: string }
  | { readonly do: 'sync' };

/** What may be found in each file from event `from` of the record on. */
export interface Promise_ {
  readonly from: number;
  readonly step: string;
  readonly files: ReadonlyMap<string, FileLife>;
}

/** Runs the steps and returns what is promised as the record grows. `durable`: the files that exist, with contents. */
export function play(
  fs: Filesystem,
  recorder: RecorderDevice,
  steps: readonly Step[],
  durable: ReadonlyMap<string, Uint8Array>,
): Promise_[] {
  const lives = new Map<string, FileLife>();
  for (const [name, contents] of durable) lives.set(name, new FileLife(contents));
  const promises: Promise_[] = [];
  const note = (step: string) => {
    const files = new Map([...lives].map(([name, life]) => [name, life.copy()]));
    promises.push({ from: recorder.events.length, step, files });
  };
  note('the beginning');
  for (const step of steps) {
    const text = JSON.stringify(step);
    // What a command is about to do may reach the device before it ends; that something is durable holds after it.
    expect(step, lives);
    note(`during ${text}`);
    perform(fs, step);
    settle(step, lives);
    note(`after ${text}`);
  }
  fs.unmount();
  for (const life of lives.values()) life.settle();
  note('the end');
  return promises;
}

function life(lives: Map<string, FileLife>, name: string): FileLife {
  let found = lives.get(name);
  if (found === undefined) {
    found = new FileLife(null);
    lives.set(name, found);
  }
  return found;
}

function expect(step: Step, lives: Map<string, FileLife>): void {
  if (step.do === 'sync' || step.do === 'fsync') return;
  const file = life(lives, step.file);
  const now = file.now ?? new Uint8Array(0);
  if (file.now === null) file.change(now);
  file.change(after(step, now, (name) => life(lives, name).now ?? new Uint8Array(0)));
}

/** The contents of the step's file when it held `now`. */
function after(
  step: Exclude<Step, { do: 'sync' | 'fsync' }>,
  now: Uint8Array,
  contents: (name: string) => Uint8Array,
): Uint8Array {
  if (step.do === 'truncate') return resized(now, step.size);
  if (step.do === 'space') {
    const end = step.pos + step.length;
    const next = resized(now, step.mode === 'punch' ? now.length : Math.max(now.length, end));
    return step.mode === 'allocate' ? next : next.fill(0, step.pos, end);
  }
  if (step.do === 'write') {
    const next = resized(now, Math.max(now.length, step.pos + step.length));
    return next.fill(step.byte, step.pos, step.pos + step.length);
  }
  const whole = contents(step.from);
  const [part, pos] =
    step.do === 'reflink' ? [whole, 0] : [whole.subarray(step.source, step.source + step.length), step.pos];
  const next = resized(now, Math.max(now.length, pos + part.length));
  next.set(part, pos);
  return next;
}

function settle(step: Step, lives: Map<string, FileLife>): void {
  if (step.do === 'sync') for (const one of lives.values()) one.settle();
  else if (step.do === 'fsync') life(lives, step.file).settle();
}

function resized(bytes: Uint8Array, size: number): Uint8Array {
  const out = new Uint8Array(size);
  out.set(bytes.subarray(0, size));
  return out;
}

function perform(fs: Filesystem, step: Step): void {
  if (step.do === 'sync') {
    fs.sync();
    return;
  }
  const inode = open(fs, step.file);
  switch (step.do) {
    case 'write':
      zeroGap(inode, step.pos, step.pos + step.length);
      bufferedWrite(inode, step.pos, new Uint8Array(step.length).fill(step.byte));
      break;
    case 'reflink':
      inode.reflink(open(fs, step.from), 0, 0, 0);
      break;
    case 'reflink range':
      inode.reflink(open(fs, step.from), step.source, step.pos, step.length);
      break;
    case 'truncate':
      inode.truncate(step.size);
      break;
    case 'space':
      inode.fallocate(step.mode, step.pos, step.length, false);
      break;
    case 'fsync':
      inode.fsync(false);
  }
}

function open(fs: Filesystem, name: string): Inode {
  const root = fs.root();
  const ino = root.lookup(name);
  return ino === null ? root.create(name, 0o644) : fs.iget(ino);
}

/** A random script whose reflinks are all aligned and inside their source; with `space`, it allocates and punches too. */
export function randomSteps(random: Random, blockSize: number, count: number, reflink: boolean, space = false): Step[] {
  const names = ['a', 'b', 'c', 'd'];
  const sizes = new Map<string, number>([['a', 300_000]]);
  const steps: Step[] = [];
  while (steps.length < count) {
    const file = random.pick(names);
    const size = sizes.get(file) ?? 0;
    const dice = random.below(10);
    const from = random.pick([...sizes.keys()]);
    const blocks = Math.floor((sizes.get(from) ?? 0) / blockSize);
    if (space && random.oneIn(6)) {
      const mode = random.pick(['allocate', 'punch', 'zero'] as const);
      const pos = random.below(300_000);
      const length = random.between(1, 100_000);
      steps.push({ do: 'space', file, mode, pos, length });
      sizes.set(file, mode === 'punch' ? size : Math.max(size, pos + length));
    } else if (dice < 5) {
      const pos = random.below(400_000);
      const length = random.oneIn(3) ? random.between(1, 200) : random.between(1, 100_000);
      steps.push({ do: 'write', file, pos, length, byte: random.between(1, 255) });
      sizes.set(file, Math.max(size, pos + length));
    } else if (dice < 7 && reflink && blocks > 0) {
      const start = random.below(blocks);
      const length = random.between(1, blocks - start) * blockSize;
      const pos = random.below(60) * blockSize;
      if (from === file && pos < start * blockSize + length && start * blockSize < pos + length) continue;
      steps.push({ do: 'reflink range', file, from, source: start * blockSize, pos, length });
      sizes.set(file, Math.max(size, pos + length));
    } else if (dice < 8 && sizes.has(file)) {
      const next = random.below(300_000);
      steps.push({ do: 'truncate', file, size: next });
      sizes.set(file, next);
    } else if (sizes.has(file)) steps.push(random.oneIn(6) ? { do: 'sync' } : { do: 'fsync', file });
  }
  return steps;
}
