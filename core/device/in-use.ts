/**
 * Is an image mounted, or open for writing elsewhere? Both would make what we read untrue, and what we write
 * would destroy the other's. Asks Linux: mounts, loop devices' backing files, other processes' descriptors (as far
 * as they may be seen). Elsewhere than on Linux there is nothing to ask, and nothing is refused.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync, realpathSync, type Stats, statSync } from 'node:fs';
import { FsError } from '../errors.ts';
import { deviceNumber } from './device-number.ts';

/**
 * Refuses an image that is in use. For reading, a loop device that cannot write and is not mounted is no danger.
 * @throws FsError EBUSY, saying who uses it
 */
export function assertUnused(name: string, stats: Stats, purpose: 'read' | 'write'): void {
  if (process.platform !== 'linux') return;
  const limit = Error.stackTraceLimit;
  // Most of what may not be looked at says so by an exception, and the stack is what costs there.
  Error.stackTraceLimit = 0;
  try {
    refuse(name, stats, purpose);
  } finally {
    Error.stackTraceLimit = limit;
  }
}

function refuse(name: string, stats: Stats, purpose: 'read' | 'write'): void {
  const user = stats.isBlockDevice()
    ? mountPointOf(deviceNumber(stats.rdev))
    : (loopUser(stats, purpose) ?? writerOf(name, stats));
  if (user !== null) throw new FsError('EBUSY', { path: name, detail: user });
}

/** `mounted on DIR` for a device number `major:minor`, else null. */
function mountPointOf(number: string): string | null {
  for (const line of readLines('/proc/self/mountinfo')) {
    const words = line.split(' ');
    if (words[2] === number) return `mounted on ${words[4]}`;
  }
  return null;
}

function loopUser(stats: Stats, purpose: 'read' | 'write'): string | null {
  for (const loop of list('/sys/block')) {
    if (!loop.startsWith('loop')) continue;
    const backing = `/sys/block/${loop}/loop/backing_file`;
    if (!existsSync(backing) || !sameFile((readText(backing) ?? '').trimEnd(), stats)) continue;
    for (const part of [loop, ...list(`/sys/block/${loop}`).filter((name) => name.startsWith(loop))]) {
      const mounted = mountPointOf((readText(`/sys/class/block/${part}/dev`) ?? '').trim());
      if (mounted !== null) return `${mounted} (/dev/${part})`;
    }
    const writable = readText(`/sys/block/${loop}/ro`)?.trim() !== '1';
    if (writable || purpose === 'write') return `in use by /dev/${loop}`;
  }
  return null;
}

/** Looks for another process that holds the file open for writing. */
function writerOf(name: string, stats: Stats): string | null {
  const target = realpathSync(name);
  const threads = kernelThreads();
  for (const pid of list('/proc')) {
    if (!isNumber(pid) || Number(pid) === process.pid || threads.has(pid)) continue;
    for (const fd of list(`/proc/${pid}/fd`)) {
      const held = link(`/proc/${pid}/fd/${fd}`);
      if (held === null) break;
      if (held !== target) continue;
      if (!sameFile(`/proc/${pid}/fd/${fd}`, stats)) continue;
      const flags = /^flags:\s*([0-7]+)/m.exec(readText(`/proc/${pid}/fdinfo/${fd}`) ?? '');
      if (flags !== null && (Number.parseInt(flags[1] as string, 8) & 3) !== 0) {
        return `open for writing in process ${pid} (${readText(`/proc/${pid}/comm`)?.trim() ?? '?'})`;
      }
    }
  }
  return null;
}

/** The kernel's own threads, most of what /proc lists: they have no files. Empty where process 2 is not their parent. */
function kernelThreads(): Set<string> {
  const isParent = readText('/proc/2/comm') === 'kthreadd\n' && readText('/proc/2/cmdline') === '';
  return new Set(isParent ? (readText('/proc/2/task/2/children') ?? '').split(' ') : []);
}

function isNumber(text: string): boolean {
  const first = text.charCodeAt(0);
  return first >= 0x30 && first <= 0x39;
}

function sameFile(path: string, stats: Stats): boolean {
  try {
    const other = statSync(path);
    return other.ino === stats.ino && other.dev === stats.dev;
  } catch {
    return false;
  }
}

// What cannot be read (no such process any more, no permission) counts as absent.
function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

function readLines(path: string): string[] {
  return (readText(path) ?? '').split('\n');
}

/** What a descriptor stands for: '' when it was closed meanwhile, null when its process may not be looked into. */
function link(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? '' : null;
  }
}
