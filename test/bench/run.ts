/**
 * `npm run bench [NAME…]`: fsio and the kernel side by side on the same images, as wall time in one run. The kernel's
 * share includes mount and umount, since that is what a user must do today. Each line ends with the ratio and the
 * target of the design; FSIO_BENCH_RUNS says how often each is measured (the best counts), FSIO_BENCH_DIR where.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeBtrfs, missingBtrfsJudges, withBtrfs } from '../harness/btrfs-judge.ts';
import { missingFsio } from '../harness/fsio.ts';
import { copyImage, makeXfs, missingJudges, must, withMount, xfsIo } from '../harness/kernel.ts';

const MIB = 2 ** 20;
const runs = Number(process.env.FSIO_BENCH_RUNS ?? 3);
const names = process.argv.slice(2);
const program = process.env.FSIO_PROGRAM ?? join(process.cwd(), 'dist', 'fsio.js');

interface Work {
  readonly name: string;
  /** The most that fsio's time may be of the kernel's; null: told for information. */
  readonly target: number | null;
  /**
   * Prepares an image in `dir` and returns what is timed: each gets a fresh copy of the image. `peer` is a program that
   * works on the image itself, in the place of the kernel.
   */
  prepare(dir: string): {
    image: string;
    kernel?(mount: string): Command;
    peer?(image: string): Command & { readonly file: string };
    ours(image: string): Command;
  };
  readonly changes: boolean;
}

interface Command {
  readonly args: readonly string[];
  readonly input?: string;
}

function btrfsImage(dir: string, bytes: number, fill: (mount: string) => void): string {
  const images = makeBtrfs(dir, { name: 'bench', args: [], bytes });
  withBtrfs(images, fill);
  return images[0] as string;
}

function image(dir: string, bytes: number, fill: (mount: string) => void): string {
  const path = makeXfs(join(dir, 'made.img'), { bytes });
  withMount(path, fill);
  return path;
}

/** A directory without what an earlier run has left in it. */
function emptied(dir: string): string {
  for (const name of readdirSync(dir)) rmSync(join(dir, name), { recursive: true });
  return dir;
}

/** A file of `count` extents, written and unwritten in turn. */
function fragmented(path: string, count: number): void {
  const outcome = xfsIo(`open -f ${path}\nfalloc 0 ${count * 4096}\n`);
  if (outcome.stderr !== '') throw new Error(outcome.stderr);
  const block = Buffer.alloc(4096, 0x61);
  const fd = openSync(path, 'r+');
  for (let i = 0; i < count; i += 2) writeSync(fd, block, 0, block.length, i * 4096);
  closeSync(fd);
}

const onFile = (file: string, commands: readonly string[], flags: readonly string[] = []) => ({
  kernel: (mount: string): Command => ({
    args: [...flags, ...commands.flatMap((text) => ['-c', text.replaceAll('{d}', mount)]), `${mount}${file}`],
  }),
  ours: (path: string): Command => ({
    args: [...flags, ...commands.flatMap((text) => ['-c', text.replaceAll('{d}', '')]), `${path}:${file}`],
  }),
});

const onScript = (lines: readonly string[]) => ({
  kernel: (mount: string): Command => ({ args: [], input: `${lines.join('\n').replaceAll('{d}', mount)}\n` }),
  ours: (path: string): Command => ({ args: [path], input: `${lines.join('\n').replaceAll('{d}', '')}\n` }),
});

function fiemapOf(extents: number, target: number): Work {
  return {
    name: `fiemap of ${extents / 1000} k extents`,
    target,
    changes: false,
    prepare: (dir) => ({
      image: image(dir, extents * 4096 + 600 * MIB, (mount) => fragmented(`${mount}/f`, extents)),
      ...onFile('/f', ['fiemap -v'], ['-r']),
    }),
  };
}

const REFLINKED = (bytes: number) => (mount: string) =>
  void xfsIo(`open -f ${mount}/a\npwrite -q -b 1m -S 0x41 0 ${bytes}\nfsync\nopen -f ${mount}/b\nreflink ${mount}/a\n`);

const WORKS: readonly Work[] = [
  {
    name: 'bulk pwrite + fsync, 512 MiB',
    target: 0.6,
    changes: true,
    prepare: (dir) => ({
      image: image(dir, 1200 * MIB, () => {}),
      ...onFile('/f', ['pwrite -q -b 1m 0 512m', 'fsync'], ['-f']),
    }),
  },
  {
    name: 'bulk read to null, 512 MiB',
    target: 1.0,
    changes: false,
    prepare: (dir) => ({
      image: image(dir, 1200 * MIB, (mount) => void xfsIo(`open -f ${mount}/f\npwrite -q -b 1m 0 512m\n`)),
      ...onFile('/f', ['pread -q -b 1m 0 512m'], ['-r']),
    }),
  },
  fiemapOf(100_000, 0.8),
  fiemapOf(1_000_000, 0.35),
  {
    name: '100 k random 4 KiB writes over a reflinked file',
    target: 0.25,
    changes: true,
    prepare: (dir) => ({
      image: image(dir, 1600 * MIB, REFLINKED(400 * MIB)),
      ...onFile('/b', ['pwrite -q -R -Z 1 -b 4k 0 400m', 'fsync']),
    }),
  },
  {
    name: 'the same as a script of 100 k lines',
    target: null,
    changes: true,
    prepare: (dir) => {
      const block = (i: number) => (Math.imul(i + 1, 2654435761) >>> 0) % 102_400;
      const writes = Array.from({ length: 100_000 }, (_, i) => `pwrite -q ${block(i) * 4096} 4096`);
      return {
        image: image(dir, 1600 * MIB, REFLINKED(400 * MIB)),
        ...onScript(['open {d}/b', ...writes, 'fsync']),
      };
    },
  },
  {
    name: 'reflink of a 100 k-extent file',
    target: 0.3,
    changes: true,
    prepare: (dir) => ({
      image: image(dir, 1000 * MIB, (mount) => fragmented(`${mount}/f`, 100_000)),
      ...onFile('/g', ['reflink -q {d}/f', 'fsync'], ['-f']),
    }),
  },
  {
    name: '10 k small files',
    target: 1.0,
    changes: true,
    prepare: (dir) => ({
      image: image(dir, 600 * MIB, () => {}),
      ...onScript(
        Array.from({ length: 10_000 }, (_, i) => [`open -f {d}/file-${i}`, 'pwrite -q 0 1000', 'close']).flat(),
      ),
    }),
  },
];

const BTRFS_WORKS: readonly Work[] = [
  {
    name: 'btrfs: bulk pwrite + fsync, 512 MiB',
    target: 0.7,
    changes: true,
    prepare: (dir) => ({
      image: btrfsImage(dir, 1200 * MIB, () => {}),
      ...onFile('/f', ['pwrite -q -b 1m 0 512m', 'fsync'], ['-f']),
    }),
  },
  {
    name: 'btrfs: bulk read to null, 512 MiB',
    target: 1.0,
    changes: false,
    prepare: (dir) => ({
      image: btrfsImage(dir, 1200 * MIB, (mount) => void xfsIo(`open -f ${mount}/f\npwrite -q -b 1m 0 512m\n`)),
      ...onFile('/f', ['pread -q -b 1m 0 512m'], ['-r']),
    }),
  },
  {
    name: 'btrfs: extract 512 MiB (against btrfs restore)',
    target: 0.75,
    changes: false,
    prepare: (dir) => {
      const out = mkdtempSync(join(dir, 'out-'));
      return {
        image: btrfsImage(dir, 1200 * MIB, (mount) => void xfsIo(`open -f ${mount}/f\npwrite -q -b 1m 0 512m\n`)),
        peer: (path) => ({ file: 'btrfs', args: ['restore', '-o', path, emptied(out)] }),
        ours: (path) => ({ args: ['-r', '-c', `get /f ${emptied(out)}/f`, path] }),
      };
    },
  },
  {
    name: 'btrfs: 100 k random 4 KiB writes, reflinked file',
    target: 0.35,
    changes: true,
    prepare: (dir) => ({
      image: btrfsImage(dir, 2400 * MIB, REFLINKED(400 * MIB)),
      ...onFile('/b', ['pwrite -q -R -Z 1 -b 4k 0 400m', 'fsync']),
    }),
  },
  {
    name: 'btrfs: reflink of a 100 k-extent file',
    target: 0.3,
    changes: true,
    prepare: (dir) => ({
      image: btrfsImage(dir, 1600 * MIB, (mount) => fragmented(`${mount}/f`, 100_000)),
      ...onFile('/g', ['reflink -q {d}/f', 'fsync'], ['-f']),
    }),
  },
  {
    name: 'btrfs: 10 k small files',
    target: 1.0,
    changes: true,
    prepare: (dir) => ({
      image: btrfsImage(dir, 600 * MIB, () => {}),
      ...onScript(
        Array.from({ length: 10_000 }, (_, i) => [`open -f {d}/file-${i}`, 'pwrite -q 0 1000', 'close']).flat(),
      ),
    }),
  },
];

/** Without the certificates that some machines have node parse at each start: 30 ms that are nobody's work here. */
const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;

/** Wall time in milliseconds of a program that must succeed; its output goes nowhere. */
function timed(file: string, args: readonly string[], input?: string): number {
  const started = performance.now();
  const result = spawnSync(file, args, {
    input: input ?? '',
    stdio: ['pipe', 'ignore', 'pipe'],
    encoding: 'utf8',
    env,
  });
  const took = performance.now() - started;
  if (result.status !== 0) throw new Error(`${file} ${args.slice(0, 8).join(' ')}: ${result.stderr.slice(0, 500)}`);
  return took;
}

function measure(work: Work): { ours: number; kernel: number } {
  const dir = mkdtempSync(join(process.env.FSIO_BENCH_DIR ?? tmpdir(), 'fsio-bench-'));
  try {
    const job = work.prepare(dir);
    let ours = Number.POSITIVE_INFINITY;
    let kernel = Number.POSITIVE_INFINITY;
    for (let i = 0; i < runs; i++) {
      kernel = Math.min(
        kernel,
        onCopy(job.image, dir, work.changes, (path) => {
          if (job.kernel !== undefined) return timeKernel(path, job.kernel);
          const peer = job.peer?.(path) ?? { file: 'true', args: [] };
          return timed(peer.file, peer.args);
        }),
      );
      ours = Math.min(
        ours,
        onCopy(job.image, dir, work.changes, (path) => {
          const { args, input } = job.ours(path);
          return timed(process.execPath, [program, ...args], input);
        }),
      );
    }
    return { ours, kernel };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** What another run has left dirty must not be written on this one's time. */
function onCopy(from: string, dir: string, fresh: boolean, act: (path: string) => number): number {
  const path = fresh ? copyImage(from, join(dir, isBtrfs(from) ? 'copy-0.img' : 'copy.img')) : from;
  must('sync');
  return act(path);
}

/** makeBtrfs() numbers its images. */
function isBtrfs(path: string): boolean {
  return path.endsWith('0.img');
}

function timeKernel(path: string, command: (mount: string) => Command): number {
  const mount = mkdtempSync(join(tmpdir(), 'fsio-bench-mnt-'));
  const started = performance.now();
  // Copies of one XFS have the same UUID; a btrfs is forgotten when it is unmounted.
  must('mount', '-o', isBtrfs(path) ? 'loop' : 'loop,nouuid', path, mount);
  try {
    const { args, input } = command(mount);
    timed('xfs_io', args, input);
  } finally {
    must('umount', mount);
    rmSync(mount, { recursive: true, force: true });
  }
  return performance.now() - started;
}

function report(name: string, ours: number, peer: number, target: number | null): void {
  const ratio = ours / peer;
  const verdict = target === null ? '' : `target ${target.toFixed(2)}  ${ratio <= target ? 'reached' : 'MISSED'}`;
  const line = [name.padEnd(50), `${ours.toFixed(0)} ms`.padStart(9), `${peer.toFixed(0)} ms`.padStart(9)];
  console.log(`${line.join('  ')}  ratio ${ratio.toFixed(2)}  ${verdict}`);
}

/** One command on an image, against a node that does nothing. */
function start(): void {
  const dir = mkdtempSync(join(tmpdir(), 'fsio-bench-'));
  try {
    const empty = join(dir, 'empty.cjs');
    writeFileSync(empty, '');
    const path = image(dir, 320 * MIB, (mount) => void xfsIo(`open -f ${mount}/f\npwrite -q 0 1k\n`));
    const best = { empty: 1e9, version: 1e9, stat: 1e9 };
    for (let i = 0; i < runs * 7; i++) {
      best.empty = Math.min(best.empty, timed(process.execPath, [empty]));
      best.version = Math.min(best.version, timed(process.execPath, [program, '-V']));
      best.stat = Math.min(best.stat, timed(process.execPath, [program, '-r', '-c', 'stat', `${path}:/f`]));
    }
    report('start: fsio -V (against node empty.cjs)', best.version, best.empty, 1.1);
    report('start: one stat (against node empty.cjs)', best.stat, best.empty, 1.1);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const missing = missingJudges() ?? missingFsio();
if (missing !== null) {
  console.log(`no benchmark: ${missing}`);
  process.exitCode = 1;
} else {
  console.log(`${''.padEnd(50)}       fsio     kernel`);
  const wanted = (name: string) => names.length === 0 || names.some((part) => name.includes(part));
  for (const work of [...WORKS, ...(missingBtrfsJudges() === null ? BTRFS_WORKS : [])]) {
    if (!wanted(work.name)) continue;
    try {
      const { ours, kernel } = measure(work);
      report(work.name, ours, kernel, work.target);
    } catch (error) {
      console.log(`${work.name.padEnd(50)}  failed: ${(error as Error).message.split('\n')[0]}`);
      process.exitCode = 1;
    }
  }
  if (wanted('start')) start();
}
