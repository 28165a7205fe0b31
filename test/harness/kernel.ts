/**
 * The outside judges: the Linux kernel through loop mounts, mkfs.xfs, xfs_io and xfs_repair. Every mount gets its own
 * folder and is taken down again, also when the test fails or is stopped.
 */
import { spawnSync } from 'node:child_process';
import {
  accessSync,
  closeSync,
  existsSync,
  constants as files,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { scratch } from './scratch.ts';

export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

const TOOLS = ['mkfs.xfs', 'xfs_io', 'xfs_repair', 'xfs_db', 'mount', 'umount', 'cp'];

/** Why the judges cannot be asked here, or null. */
export function missingJudges(): string | null {
  return missingTools(TOOLS, 'xfs');
}

/** Why these programs and a kernel with this file system cannot be had here, or null. */
export function missingTools(tools: readonly string[], fstype: string): string | null {
  if (process.platform !== 'linux') return 'needs Linux';
  if (process.getuid?.() !== 0) return 'needs root to mount';
  if (!existsSync('/dev/loop-control')) return 'needs loop devices';
  const folders = `${process.env.PATH ?? ''}:/sbin:/usr/sbin`.split(':');
  const absent = tools.filter((tool) => !folders.some((dir) => executable(join(dir, tool))));
  if (absent.length > 0) return `needs ${absent.join(', ')}`;
  const known = readFileSync('/proc/filesystems', 'utf8')
    .split('\n')
    .some((line) => line.endsWith(`\t${fstype}`));
  if (!known && run('modprobe', [fstype]).status !== 0) return `needs a kernel with ${fstype}`;
  return null;
}

function executable(path: string): boolean {
  try {
    accessSync(path, files.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Runs a program to its end. @throws Error if it cannot be started or runs into the time limit */
export function run(
  program: string,
  args: readonly string[],
  options: { input?: string; env?: Record<string, string>; seconds?: number } = {},
): Outcome {
  const result = spawnSync(program, args, {
    input: options.input ?? '',
    encoding: 'latin1',
    maxBuffer: 1 << 30,
    timeout: (options.seconds ?? 60) * 1000,
    env: { ...process.env, PATH: `${process.env.PATH}:/sbin:/usr/sbin`, LC_ALL: 'C', ...options.env },
  });
  // A program may end without having read all that it was told.
  const { error } = result;
  if (error !== undefined && (error as NodeJS.ErrnoException).code !== 'EPIPE')
    throw new Error(`${program} ${args.join(' ')}: ${error.message}`);
  const signal = result.signal === null ? 0 : constants.signals[result.signal];
  return { status: result.status ?? 128 + signal, stdout: result.stdout, stderr: result.stderr };
}

/** Runs a program that must succeed; returns its standard output. */
export function must(program: string, ...args: string[]): string {
  const outcome = run(program, args);
  if (outcome.status !== 0) {
    throw new Error(`${program} ${args.join(' ')}: status ${outcome.status}: ${outcome.stderr}${outcome.stdout}`);
  }
  return outcome.stdout;
}

export interface XfsOptions {
  readonly args?: readonly string[];
  readonly bytes?: number;
  /** For sizes under 300 MB: mkfs's door for test suites. */
  readonly tiny?: boolean;
}

const fresh = new Map<string, string>();

/** A fresh XFS image: made once of each kind, then copied. */
export function makeXfs(image: string, options: XfsOptions = {}): string {
  const kind = JSON.stringify([options.args ?? [], options.bytes, options.tiny]);
  let made = fresh.get(kind);
  if (made === undefined) {
    const dir = scratch(true);
    // mkfs writes the log out in full; as holes the many copies below are quick.
    made = copyImage(runMkfs(join(dir, 'made.img'), options), join(dir, 'fresh.img'));
    rmSync(join(dir, 'made.img'));
    fresh.set(kind, made);
  }
  return copyImage(made, image);
}

function runMkfs(image: string, options: XfsOptions): string {
  writeFileSync(image, '');
  truncateSync(image, options.bytes ?? 320 * 2 ** 20);
  const env = options.tiny ? { TEST_DIR: '/', TEST_DEV: '/', QA_CHECK_FS: '1' } : {};
  const outcome = run('mkfs.xfs', ['-q', '-f', ...(options.args ?? []), image], { env });
  if (outcome.status !== 0) throw new Error(`mkfs.xfs ${options.args?.join(' ')}: ${outcome.stderr}`);
  return image;
}

/** `length` bytes of an image from `at` on. */
export function readAt(image: string, at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  const fd = openSync(image, 'r');
  readSync(fd, bytes, 0, length, at);
  closeSync(fd);
  return bytes;
}

/** Copies an image, holes staying holes. */
export function copyImage(from: string, to: string): string {
  must('cp', '--sparse=always', '--reflink=auto', from, to);
  return to;
}

const mounts = new Set<string>();
let mountFolder: string | undefined;

/** Mounts an image, calls `use` with the mount point, and unmounts whatever happens. @throws Error if Linux refuses */
export function withMount<T>(image: string, use: (dir: string) => T, options = ''): T {
  // nouuid: copies of one image are mounted side by side.
  return withLoop(image, use, `nouuid${options && `,${options}`}`);
}

/** As withMount(), for any file system: nothing is added to the options. @throws Error if Linux refuses */
export function withLoop<T>(image: string, use: (dir: string) => T, options = ''): T {
  mountFolder ??= openMountFolder();
  const dir = mkdtempSync(join(mountFolder, 'mnt-'));
  const outcome = run('mount', ['-o', `loop${options && `,${options}`}`, image, dir]);
  if (outcome.status !== 0) {
    rmdirSync(dir);
    throw new Error(`Linux does not mount ${image}: ${outcome.stderr.trim()}; ${kernelWords()}`);
  }
  mounts.add(dir);
  try {
    readAheadOfLoop(dir);
    return use(dir);
  } finally {
    unmount(dir);
  }
}

/**
 * What a loop device reads ahead depends on where its image lies and where that of its last user lay; here it is always
 * what one gets whose image lies on a disk.
 */
function readAheadOfLoop(dir: string): void {
  const { dev } = statSync(dir);
  writeFileSync(`/sys/dev/block/${dev >>> 8}:${dev & 0xff}/queue/read_ahead_kb`, '2560');
}

/** Linux's last lines about file systems, for a failure's message. */
function kernelWords(): string {
  return run('dmesg', [])
    .stdout.split('\n')
    .filter((line) => /XFS|EXT4|loop/.test(line))
    .slice(-6)
    .join('; ');
}

function openMountFolder(): string {
  // Registered after scratch's own exit handler would be, mounts must go first: exit handlers run in order.
  process.on('exit', () => {
    for (const dir of mounts) unmount(dir);
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => process.exit(1));
  return scratch();
}

function unmount(dir: string): void {
  let outcome = run('umount', [dir]);
  for (let i = 0; i < 20 && outcome.status !== 0 && /busy/.test(outcome.stderr); i++) {
    run('sleep', ['0.1']);
    outcome = run('umount', [dir]);
  }
  if (outcome.status !== 0) run('umount', ['-l', dir]);
  mounts.delete(dir);
  rmdirSync(dir);
}

const REPAIR_ROUTINE = [
  /^Phase \d - /,
  /^ {8}- /,
  /^No modify flag set/,
  /^Cannot get host filesystem geometry/,
  /^Repair may fail if there is a sector size mismatch/,
  /^the image and the host filesystem/,
  /^$/,
];

/** What `xfs_repair -n` says beyond its routine, line by line; nothing for a sound image. */
export function repairComplaints(image: string, realtime?: string): string[] {
  const device = realtime === undefined ? [] : ['-r', realtime];
  const outcome = run('xfs_repair', ['-n', '-f', '-o', 'bhash=256', ...device, image], { seconds: 300 });
  const lines = `${outcome.stdout}${outcome.stderr}`.split('\n');
  const odd = lines.filter((line) => !REPAIR_ROUTINE.some((routine) => routine.test(line)));
  if (outcome.status !== 0 && odd.length === 0) odd.push(`xfs_repair: exit status ${outcome.status}`);
  return odd;
}

/** Runs xfs_io with a script on standard input, as one session. */
export function xfsIo(script: string, ...args: string[]): Outcome {
  return run('xfs_io', args, { input: script });
}
