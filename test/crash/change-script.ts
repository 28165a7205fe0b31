/** Random changes of names, attributes and space, and what Linux finds after a crash in the middle of them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { must, xfsIo } from '../harness/kernel.ts';
import { kernelTree, type NameOp } from '../harness/kernel-names.ts';
import type { Random } from '../harness/random.ts';
import { type Outlook, treeText } from './changes.ts';

const DIRS = ['', 'd0/', 'd1/', 'd0/d2/'];
const XATTRS = ['user.a', `user.${'long'.repeat(30)}`, 'trusted.t', 'security.s'];

/** Changes that collide: few names, few blocks. */
export class ChangeScript {
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

/** A few files and directories in an empty file system that Linux has mounted. */
export function furnishTree(at: string): void {
  must('mkdir', '-p', `${at}/d0/d2`, `${at}/d1`);
  const files = DIRS.flatMap((dir) =>
    [0, 1].map((i) => `open -f ${at}/${dir}f${i}\npwrite -S ${65 + i} 0 200k\nfsync`),
  );
  xfsIo(`${files.join('\n')}\n`);
  must('sync');
}

/** How what Linux shows below `at` is no state between two changes; nothing if it is one. */
export function misfit(at: string, { states, lives }: Outlook): string[] {
  const faults: string[] = [];
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
  return faults;
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
