// time limit: 240 s
/**
 * Does the engine take Linux's steps? The same commands in the kernel, with the iomap tracepoints on, and through
 * `fsio --trace` on an unmounted copy: the same mappings in the same order. Compared are the answers of begin() — the
 * target and source mappings with offset, length, type and flags; addresses only where both must read the same place
 * (source mappings, commands that only read). How Linux cuts pages into folios and ioends is the host's choice.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { firstDifference } from '../harness/compare-output.ts';
import { missingFsio } from '../harness/fsio.ts';
import { fsioInside } from '../harness/fsio-inside.ts';
import { copyImage, makeXfs, missingJudges, must, run, withMount, xfsIo } from '../harness/kernel.ts';
import { announceSeed, sample } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';
import { kernelTrace, missingTracing } from '../harness/tracing.ts';
import { VARIANTS, type Variant } from '../harness/variants.ts';
import { MORE_SCENARIOS, WITHOUT_STEPS } from './trace-scenarios.ts';

const seed = announceSeed('trace-parity');
const test = gatedSuite('steps against the kernel', missingJudges() ?? missingTracing() ?? missingFsio());

const SHARED = ['open -f {d}/a', 'pwrite -S 0x41 0 256k', 'fsync', 'open -f {d}/b', 'reflink {d}/a'];
const HOLEY = ['open -f {d}/b', 'pwrite -S 0x41 0 64k', 'pwrite -S 0x42 128k 64k', 'falloc 256k 64k'];
const DIVERGED = [...SHARED, 'pwrite -S 0x43 64k 64k', 'fsync'];
const SMALL = ['open -f {d}/b', 'pwrite -S 0x41 0 5000'];
const LARGE = ['open -f {d}/b', 'pwrite -b 1m 0 8m'];
const EMPTY = ['open -f {d}/b'];
const CLONE_OF_HOLEY = ['open -f {d}/a', ...HOLEY.slice(1), 'fsync', 'open -f {d}/b', 'reflink {d}/a'];

/** Setup, and what is traced on file b: `-x` words are flags of xfs_io. */
const SCENARIOS: Readonly<Record<string, readonly [setup: readonly string[], commands: readonly string[]]>> = {
  'fiemap, holes': [HOLEY, ['fiemap -v']],
  'fiemap, shared': [SHARED, ['fiemap -v']],
  'fiemap, diverged': [DIVERGED, ['fiemap -v']],
  'fiemap, a part': [DIVERGED, ['fiemap -v 40k 100k']],
  'fiemap, empty': [EMPTY, ['fiemap -v']],
  'seek, holes': [HOLEY, ['seek -a -r 0']],
  'seek, shared': [SHARED, ['seek -a -r 0']],
  'seek data in a hole': [HOLEY, ['seek -d 70k', 'seek -h 5', 'seek -d 1m']],
  'pread over holes': [HOLEY, ['pread -q 0 320k']],
  'reading out of order': [LARGE, ['pread -q 131085 3000000', 'pread -q 20000 100', 'pread -q 6m 1m']],
  'reading ahead behind what is cached': [
    ['open -f {d}/b', 'pwrite -S 0x41 122879 84'],
    ['falloc 1114112 393216', 'pread -q 131085 524288', 'seek -a -r 0'],
  ],
  overwrite: [HOLEY, ['pwrite -S 0x61 4k 8k', 'fsync']],
  'overwrite in a block': [HOLEY, ['pwrite -S 0x61 5000 100', 'fsync']],
  'write into a hole': [HOLEY, ['pwrite -S 0x61 64k 16k', 'fsync']],
  'write into a hole, unaligned': [HOLEY, ['pwrite -S 0x61 70001 5', 'fsync']],
  'write into preallocation': [HOLEY, ['pwrite -S 0x61 260k 8k', 'fsync', 'fiemap -v']],
  'write over every kind': [HOLEY, ['pwrite -S 0x61 60k 240k', 'fsync']],
  append: [SMALL, ['pwrite -S 0x61 5000 10000', 'fsync']],
  'append after a gap': [SMALL, ['pwrite -S 0x61 20000 10', 'fsync']],
  'first write': [EMPTY, ['pwrite -S 0x61 0 4k', 'fsync']],
  'first write, far': [EMPTY, ['pwrite -S 0x61 10m 4k', 'fsync']],
  'many small appends': [EMPTY, ['pwrite -b 1000 0 64k', 'fsync']],
  'cow, aligned': [SHARED, ['pwrite -S 0x61 8k 8k', 'fsync']],
  'cow, unaligned': [SHARED, ['pwrite -S 0x61 4097 5000', 'fsync']],
  'cow, to the end': [SHARED, ['pwrite -S 0x61 255k 10k', 'fsync']],
  'cow, twice': [SHARED, ['pwrite -S 0x61 8k 8k', 'pwrite -S 0x62 12k 8k', 'fsync']],
  'cow, twice with fsync': [SHARED, ['pwrite -S 0x61 8k 8k', 'fsync', 'pwrite -S 0x62 12k 8k', 'fsync']],
  'cow into what has diverged': [DIVERGED, ['pwrite -S 0x61 60k 80k', 'fsync']],
  'cow, all of it': [SHARED, ['pwrite -S 0x61 0 256k', 'fsync']],
  'cow over holes': [CLONE_OF_HOLEY, ['pwrite -S 0x61 32k 128k', 'fsync']],
  'truncate up': [HOLEY, ['truncate 400000', 'fiemap -v']],
  'truncate down': [HOLEY, ['truncate 150001', 'fiemap -v']],
  'truncate down into shared': [SHARED, ['truncate 100001', 'fsync', 'fiemap -v']],
  'truncate down into a hole': [HOLEY, ['truncate 100001', 'fsync']],
  'truncate to nothing': [SHARED, ['truncate 0', 'fiemap -v']],
  'truncate up from inside a block': [SMALL, ['truncate 20000', 'fsync']],
  'write then read': [SHARED, ['pwrite -S 0x61 4097 100', 'pread -q 0 64k', 'fsync']],
  'write then seek': [HOLEY, ['pwrite -S 0x61 70001 5', 'seek -a -r 0']],
  'write then fiemap': [HOLEY, ['pwrite -S 0x61 70001 5', 'fiemap -v']],
  'direct overwrite': [HOLEY, ['-d', 'pwrite -S 0x61 4k 8k']],
  'direct read': [HOLEY, ['-d', 'pread -q 0 256k']],
  'direct write into a hole': [HOLEY, ['-d', 'pwrite -S 0x61 64k 16k']],
  'direct write into preallocation': [HOLEY, ['-d', 'pwrite -S 0x61 260k 16k']],
  'direct append': [HOLEY, ['-d', 'pwrite -S 0x61 1m 16k']],
  'direct cow': [SHARED, ['-d', 'pwrite -S 0x61 8k 8k', 'fiemap -v']],
  'reflink then write': [SHARED, ['reflink {d}/a 0 512k 64k', 'pwrite -S 0x61 513k 4k', 'fsync']],
};

const EVENTS = /\b(iomap_iter_dstmap|iomap_iter_srcmap): .*\bino 0x([0-9a-f]+)(.*)/;

/** The mappings of inode `ino` in a trace, comparable; the same one twice running is one step. */
function steps(lines: readonly string[], ino: number, withAddr: boolean): string[] {
  const out: string[] = [];
  for (const line of lines) {
    const match = EVENTS.exec(line);
    if (match === null || Number.parseInt(match[2] as string, 16) !== ino) continue;
    const rest = match[3] as string;
    const part = (pattern: RegExp) => pattern.exec(rest)?.[1] ?? '?';
    const flags = part(/flags ([A-Z_|]*)/)
      .split('|')
      .filter((flag) => !['BH', 'PRIVATE', ''].includes(flag))
      .join('|');
    const addr = withAddr || match[1] === 'iomap_iter_srcmap' ? ` addr ${part(/addr (-?\w+)/)}` : '';
    const range = `offset ${part(/offset (0x[0-9a-f]+)/)} length ${part(/ length (0x[0-9a-f]+)/)}`;
    const step = `${match[1]} ${range} ${part(/type (\w+)/)} ${flags}${addr}`;
    if (out.at(-1) !== step) out.push(step);
  }
  return out;
}

interface Prepared {
  readonly image: string;
  /** Inode number of the file b. */
  readonly ino: number;
}

const prepared = new Map<string, Prepared>();

/** An image of this kind on which Linux ran the setup: many scenarios have the same. */
function prepare(variant: Variant, setup: readonly string[]): Prepared {
  const script = `${setup.join('\n')}\n`;
  const known = prepared.get(variant.name + script);
  if (known !== undefined) return known;
  const image = makeXfs(join(scratch(true), 'base.img'), variant);
  const ino = withMount(image, (mount) => {
    const outcome = xfsIo(script.replaceAll('{d}', mount));
    assert.is(outcome.stderr, '', 'setup');
    must('sync');
    return statSync(`${mount}/b`).ino;
  });
  prepared.set(variant.name + script, { image, ino });
  return { image, ino };
}

const dir = scratch(true);

function compare(variant: Variant, name: string, setup: readonly string[], commands: readonly string[]): void {
  const { image, ino } = prepare(variant, setup);
  const theirs = copyImage(image, join(dir, 'kernel.img'));
  const ours = copyImage(image, join(dir, 'fsio.img'));
  const flags = commands.filter((word) => word.startsWith('-'));
  const options = (place: string) =>
    commands.filter((word) => !flags.includes(word)).flatMap((command) => ['-c', command.replaceAll('{d}', place)]);
  const kernel = withMount(theirs, (mount) =>
    kernelTrace(mount, () => void run('xfs_io', [...flags, ...options(mount), `${mount}/b`])),
  );
  const outcome = fsioInside(['--trace', ...flags, ...options(''), `${ours}:/b`]);
  const readOnly = commands.every((command) => /^(-|pread|fiemap|seek)/.test(command));
  const wanted = steps(kernel, ino, readOnly);
  const got = steps(outcome.stderr.split('\n'), ino, readOnly);
  assert.is(wanted.length > 0, !WITHOUT_STEPS.has(name), 'whether the kernel traced anything');
  assert.is(
    firstDifference(got, wanted),
    null,
    `fsio's steps\n${got.join('\n')}\nthe kernel's\n${wanted.join('\n')}\n`,
  );
}

/** All of the first ones on the first variant, of them and of the many more what the seed chooses for this day. */
function scenariosOf(variant: number): readonly [string, (typeof SCENARIOS)[string]][] {
  const [first, more] = [Object.entries(SCENARIOS), Object.entries(MORE_SCENARIOS)];
  const part = (items: typeof first, parts: number) => sample(items, Math.ceil(items.length / parts), seed + variant);
  return variant === 0 ? [...first, ...part(more, 4)] : [...part(first, 3), ...part(more, 12)];
}

for (const [index, variant] of VARIANTS.slice(0, 3).entries()) {
  for (const [name, [setup, commands]] of scenariosOf(index)) {
    test(`${variant.name}: ${name}`, () => compare(variant, name, setup, commands));
  }
}

test.run();
