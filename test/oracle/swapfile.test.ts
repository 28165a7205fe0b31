// time limit: 120 s
/**
 * The word swapfile against swapon of Linux, on XFS and btrfs: the same files accepted, with as many KiB in as many
 * extents, and the others refused for the reason that the kernel's log gives.
 */
import { closeSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { makeBtrfs, missingBtrfsJudges, withBtrfs } from '../harness/btrfs-judge.ts';
import { missingFsio } from '../harness/fsio.ts';
import { fsioInside } from '../harness/fsio-inside.ts';
import { makeXfs, missingJudges, run, withMount, xfsIo } from '../harness/kernel.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

/** Swap space needs a kernel with it, and a file system that is on no tmpfs loop of a container without rights. */
function missingSwap(): string | null {
  return run('sh', ['-c', 'command -v swapon swapoff dmesg']).status === 0 ? null : 'needs swapon';
}

const test = gatedSuite(
  'swapfile',
  missingJudges() ?? missingBtrfsJudges() ?? missingFsio() ?? missingSwap() ?? (swaps() > 0 ? 'swap is in use' : null),
);

function swaps(): number {
  return readFileSync('/proc/swaps', 'utf8').trim().split('\n').length - 1;
}

type Files = readonly (readonly [name: string, ...commands: string[]])[];

const FILES: Files = [
  ['plain', 'pwrite -q 0 1m'],
  ['prealloc', 'falloc 0 2m', 'pwrite -q 0 4k'],
  ['frag', ...Array.from({ length: 12 }, (_, i) => `pwrite -q ${(11 - i) * 65536} 64k\nfsync`)],
  ['odd', 'pwrite -q 0 100001'],
  ['cut', 'pwrite -q 0 64k', 'truncate 65000'],
  ['beyond', 'pwrite -q 0 128k', 'falloc -k 128k 1m'],
  ['holey', 'pwrite -q 0 64k', 'truncate 1m'],
  ['gap', 'pwrite -q 0 64k', 'pwrite -q 128k 64k'],
  ['shared', 'pwrite -q 0 256k', 'fsync', 'reflink {d}/plain 0 64k 64k'],
  ['empty'],
  ['tiny', 'pwrite -q 0 100'],
  ['page', 'pwrite -q 0 4k'],
  ['pages', 'pwrite -q 0 8k'],
  ['append', 'pwrite -q 0 64k'],
  ['immutable', 'pwrite -q 0 64k'],
  ['nodump', 'pwrite -q 0 64k', 'chattr +d'],
];
/** btrfs swaps to files without copy-on-write only. */
const NOCOW: Files = FILES.map(([name, ...commands]) => [`${name}-nocow`, ...commands]);

/** The header that mkswap writes, which refuses very small files. */
function writeHeader(path: string): void {
  const bytes = Buffer.alloc(4096);
  const { size } = statSync(path);
  bytes.writeUInt32LE(1, 1024);
  bytes.writeUInt32LE(Math.max(0, Math.floor(size / 4096) - 1), 1028);
  bytes.write('SWAPSPACE2', 4086);
  const file = openSync(path, 'r+');
  writeSync(file, bytes, 0, Math.min(4096, size), 0);
  closeSync(file);
}

function makeFiles(at: string, files: Files): void {
  for (const [name, ...commands] of files) {
    xfsIo(`open -f ${at}/${name}\n`);
    if (name.endsWith('-nocow')) run('chattr', ['+C', join(at, name)]);
    xfsIo([`open -f ${at}/${name}`, ...commands, 'fsync', ''].join('\n').replaceAll('{d}', at));
    run('chmod', ['600', join(at, name)]);
    writeHeader(join(at, name));
    if (/^append|^immutable/.test(name)) run('chattr', [name.startsWith('append') ? '+a' : '+i', join(at, name)]);
  }
  run('sync', []);
}

/** What swapon makes of a file: KiB and extents, or what the kernel and the program say against it. */
function linux(path: string): { accepted: string | null; said: string } {
  run('dmesg', ['--clear']);
  const { status, stderr } = run('swapon', [path]);
  const said = `${run('dmesg', []).stdout}${stderr}`;
  if (status !== 0) return { accepted: null, said };
  const line = readFileSync('/proc/swaps', 'utf8')
    .split('\n')
    .find((text) => text.startsWith(path));
  run('swapoff', [path]);
  return { accepted: `${line?.split(/\s+/)[2]} KiB, ${/extents:(\d+)/.exec(said)?.[1]} extents`, said };
}

/** What swapon's own look at the file refuses before the kernel is asked. */
const ASKED_NOTHING = /read swap header failed|appears to have holes/;

function compare(images: readonly string[], files: Files, wanted: readonly ReturnType<typeof linux>[]): void {
  const members = images.slice(1).flatMap((image) => ['--device', image]);
  for (const [i, [name]] of files.entries()) {
    const { accepted, said } = wanted[i] as ReturnType<typeof linux>;
    const { stdout, stderr } = fsioInside(['-r', ...members, '-c', 'swapfile', `${images[0]}:/${name}`]);
    const match = /^\d+ pages of swap \((\d+) KiB\) in (\d+) extents/.exec(stdout);
    assert.is(match === null ? null : `${match[1]} KiB, ${match[2]} extents`, accepted, `${name}: ${said}${stderr}`);
    if (accepted !== null || ASKED_NOTHING.test(said)) continue;
    const reason = /Linux would refuse it: (.*)/.exec(stderr)?.[1] ?? 'no reason';
    assert.ok(said.includes(reason), `${name}: ${reason} is what the kernel says: ${said}`);
  }
}

for (const args of [[], ['-b', 'size=1024']])
  test(`XFS ${args.join(' ')}`, () => {
    const image = makeXfs(join(scratch(), 'swap.img'), { args });
    const wanted = withMount(image, (at) => {
      makeFiles(at, FILES);
      return FILES.map(([name]) => linux(join(at, name)));
    });
    compare([image], FILES, wanted);
    assert.ok(
      wanted.some(({ accepted }) => accepted !== null),
      'swapon works here',
    );
  });

for (const [args, devices] of [
  ['', 1],
  ['-d dup', 1],
  ['-d single -m raid1', 2],
  ['-d raid0 -m raid1', 2],
] as const)
  test(`btrfs ${args} on ${devices}`, () => {
    const variant = { name: 'swap', args: args.split(' ').filter((word) => word !== ''), devices };
    const images = makeBtrfs(scratch(), variant);
    // The profile is asked of any extent.
    const files = [...FILES.slice(0, 1), ...(args === '' ? NOCOW : NOCOW.slice(0, 3))];
    const wanted = withBtrfs(images, (at) => {
      makeFiles(at, files);
      return files.map(([name]) => linux(join(at, name)));
    });
    compare(images, files, wanted);
  });

test.run();
