/** Outside judges of btrfs: mkfs.btrfs, btrfs check, and the kernel through loop mounts (one device or several). */
import { mkdtempSync, readFileSync, realpathSync, rmdirSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { missingTools, must, type Outcome, run } from './kernel.ts';
import { scratch } from './scratch.ts';

const MIB = 2 ** 20;

/** A kind of btrfs that mkfs makes. */
export interface BtrfsVariant {
  readonly name: string;
  readonly args: readonly string[];
  /** Devices, all of the same size. */
  readonly devices?: number;
  readonly bytes?: number;
  /** Words for the freshly made, mounted file system, `{}` standing for the mount point. */
  readonly setup?: readonly (readonly string[])[];
}

/** Why btrfs cannot be judged here, or null. */
export function missingBtrfsJudges(): string | null {
  return missingTools(['mkfs.btrfs', 'btrfs', 'mount', 'umount', 'losetup'], 'btrfs');
}

/** Makes the images of a fresh file system in `dir`; returns their paths. */
export function makeBtrfs(dir: string, variant: BtrfsVariant): string[] {
  const paths = Array.from({ length: variant.devices ?? 1 }, (_, i) => join(dir, `${i}.img`));
  for (const path of paths) {
    writeFileSync(path, '');
    truncateSync(path, variant.bytes ?? 320 * MIB);
  }
  must('mkfs.btrfs', '-q', '-f', ...variant.args, ...paths);
  if (variant.setup !== undefined) {
    withBtrfs(paths, (mount) => {
      for (const words of variant.setup ?? []) {
        const [program, ...rest] = words.map((word) => word.replace('{}', mount));
        must(program as string, ...rest);
      }
    });
  }
  return paths;
}

const ROUTINE = [
  /^Opening filesystem to check/,
  /^Checking filesystem on /,
  /^UUID: /,
  /^\[\d+\/\d+\] (checking|skipped)/,
  /^found \d+ bytes used, no error found/,
  /^total (csum|tree|fs tree|extent tree) bytes: /,
  /^btree space waste bytes: /,
  // What is no secret of an image that was written without its cache v1.
  /^cache and super generation don't match, space cache will be invalidated$/,
  /^file data blocks allocated: /,
  /^ referenced /,
  // Loop devices of other tests, which come and go while it looks at all there are.
  /^ERROR: cannot scan \/dev\/loop\d+: /,
  /^$/,
];

/** What `btrfs check` says beyond its routine; with `data`, it also reads all data. Nothing for a sound image. */
export function checkComplaints(paths: readonly string[], data = false): string[] {
  for (let attempt = 0; ; attempt++) {
    const odd = askCheck(paths, data);
    // It looks for the other devices among all there are; those of other tests come and go meanwhile.
    const disturbed = paths.length > 1 && odd.some((line) => /is missing|superblock checksum/.test(line));
    if (!disturbed || attempt === 20) return odd;
    run('sleep', ['0.3']);
  }
}

function askCheck(paths: readonly string[], data: boolean): string[] {
  return withLoops(paths, (devices) => {
    const args = ['check', ...(data ? ['--check-data-csum'] : []), devices[0] as string];
    const outcome = run('btrfs', args, { seconds: 300 });
    const lines = `${outcome.stdout}${outcome.stderr}`.split('\n');
    const odd = lines.filter((line) => !ROUTINE.some((routine) => routine.test(line)));
    if (outcome.status !== 0 && odd.length === 0) odd.push(`btrfs check: exit status ${outcome.status}`);
    return odd;
  });
}

/** Detaches loop devices, and waits for it: whoever looks at all devices at this moment delays it. */
function detach(loops: readonly string[], paths: readonly string[]): void {
  for (const loop of loops) run('losetup', ['-d', loop]);
  for (let attempt = 0; attempt < 50 && loops.some((loop, i) => isBehind(loop, paths[i] as string)); attempt++)
    run('sleep', ['0.1']);
}

function isBehind(loop: string, path: string): boolean {
  try {
    return readFileSync(`/sys/block/${basename(loop)}/loop/backing_file`, 'utf8').trim() === realpathSync(path);
  } catch {
    return false;
  }
}

/** Attaches the images to loop devices while `use` runs; one image needs none. */
export function withLoops<T>(paths: readonly string[], use: (devices: readonly string[]) => T): T {
  if (paths.length === 1) return use(paths);
  const loops = paths.map((path) => must('losetup', '--find', '--show', path).trim());
  try {
    must('btrfs', 'device', 'scan', ...loops);
    return use(loops);
  } finally {
    run('btrfs', ['device', 'scan', '--forget', ...loops]);
    detach(loops, paths);
  }
}

/** Mounts the images with Linux, calls `use` with the mount point, and unmounts. @throws Error if Linux refuses */
export function withBtrfs<T>(paths: readonly string[], use: (dir: string) => T, options = ''): T {
  const loops = paths.map((path) => must('losetup', '--find', '--show', path).trim());
  const dir = mkdtempSync(join(scratch(), 'mnt-'));
  try {
    const outcome = mount(loops, dir, options);
    if (outcome.status !== 0) throw new Error(`Linux does not mount ${paths[0]}: ${outcome.stderr}${kernelWords()}`);
    try {
      return use(dir);
    } finally {
      unmount(dir);
    }
  } finally {
    rmdirSync(dir);
    // One of several devices, too: Linux would refuse an older copy of it at another name.
    if (loops.length > 1 || options.includes('degraded')) run('btrfs', ['device', 'scan', '--forget', ...loops]);
    detach(loops, paths);
  }
}

/** Mounts devices by their names: whoever scans or forgets others meanwhile changes what Linux knows of these. */
function mount(loops: readonly string[], dir: string, options: string): Outcome {
  const named = loops.length > 1 ? loops.map((loop) => `device=${loop}`) : [];
  const all = [...named, ...(options === '' ? [] : [options])].join(',');
  const args = ['-t', 'btrfs', ...(all === '' ? [] : ['-o', all]), loops[0] as string, dir];
  let outcome = run('mount', args);
  for (let attempt = 0; attempt < 5 && outcome.status !== 0 && loops.length > 1; attempt++) {
    run('sleep', ['0.3']);
    outcome = run('mount', args);
  }
  return outcome;
}

function unmount(dir: string): void {
  let outcome: Outcome = run('umount', [dir]);
  for (let i = 0; i < 50 && outcome.status !== 0 && /busy/.test(outcome.stderr); i++) {
    run('sleep', ['0.1']);
    outcome = run('umount', [dir]);
  }
  if (outcome.status !== 0) run('umount', ['-l', dir]);
}

function kernelWords(): string {
  const lines = run('dmesg', []).stdout.split('\n');
  return lines
    .filter((line) => /BTRFS/.test(line))
    .slice(-6)
    .join('; ');
}
