/**
 * Is an image mounted, or open for writing elsewhere? Both would make what we read untrue, and what we write
 * would destroy the other's. Asks Linux: mounts, loop devices' backing files, other processes' descriptors (as far
 * as they may be seen). Elsewhere than on Linux there is nothing to ask, and nothing is refused.
 *
 * Another run of fsio is waited for, since it ends by itself; a server and a prompt do not.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync, realpathSync, type Stats, statSync } from 'node:fs';
import { basename } from 'node:path';
import { FsError } from '../errors.ts';
import { pause } from '../pause.ts';
import { deviceNumber } from './device-number.ts';

/** Seconds that another run of fsio is waited for, unless said otherwise. */
export const PATIENCE = 30;

/** How the directories of the servers begin that fsio starts for itself; they end when it does. */
export const OWN_SERVER = 'fsio-disk-';

/** Who uses an image. */
export interface User {
  /** Completes `IMAGE is …`. */
  readonly what: string;
  /** The process, where one is known. */
  readonly pid: string | null;
  /** A loop device that goes as soon as nobody looks at it: of an image that was unmounted just now. */
  readonly closing?: boolean;
  /** Does it still use the image? Costs little, other than looking for users. */
  stays(): boolean;
}

/** Milliseconds that the kernel may take to give back a loop device after umount. */
const CLOSING = 1000;

/** Waits for other runs of fsio, for so many seconds in all. */
export class Queue {
  private readonly begin = Date.now();
  private readonly end: number;

  constructor(seconds: number) {
    this.end = this.begin + seconds * 1000;
  }

  /** Returns when `user` has ended, or a moment later. @throws FsError EBUSY if that one stays, or time is over */
  wait(name: string, user: User): void {
    const passing = user.closing === true || (user.pid !== null && isPassing(user.pid));
    const end = user.closing === true ? this.begin + CLOSING : this.end;
    do {
      const left = end - Date.now();
      if (left <= 0 || !passing) throw new FsError('EBUSY', { path: name, detail: user.what });
      // Two that met while both were opening must not meet again in step.
      pause(Math.min(left, 10 + Math.random() * 40));
    } while (user.stays());
  }
}

/**
 * Who uses an image that then may not be used, or null. For reading, a loop device that cannot write and is not
 * mounted is no danger.
 */
export function userOf(name: string, stats: Stats, purpose: 'read' | 'write'): User | null {
  if (process.platform !== 'linux') return null;
  return quietly(() => {
    if (stats.isBlockDevice()) return mounted(mountPointOf(deviceNumber(stats.rdev)));
    return loopUser(stats, purpose) ?? holderOf(name, stats, WRITING);
  });
}

/** Refuses an image that is in use. @throws FsError EBUSY, saying who uses it */
export function assertUnused(name: string, stats: Stats, purpose: 'read' | 'write'): void {
  const user = userOf(name, stats, purpose);
  if (user !== null) throw new FsError('EBUSY', { path: name, detail: user.what });
}

/** Who has a block device open, which Linux gives to one at a time; or null. */
export function claimerOf(name: string): User | null {
  if (process.platform !== 'linux') return null;
  return quietly(() => holderOf(name, statSync(name), ANYHOW));
}

function quietly<T>(call: () => T): T {
  const limit = Error.stackTraceLimit;
  // Most of what may not be looked at says so by an exception, and the stack is what costs there.
  Error.stackTraceLimit = 0;
  try {
    return call();
  } finally {
    Error.stackTraceLimit = limit;
  }
}

const mounted = (what: string | null): User | null => (what === null ? null : { what, pid: null, stays: () => true });

/** A run of fsio that ends without anybody's doing, or whatever has just ended. */
function isPassing(pid: string): boolean {
  const line = readText(`/proc/${pid}/cmdline`) ?? '';
  if (line === '' || line.includes(`/${OWN_SERVER}`)) return true;
  const words = line.split('\0');
  const program = words.findIndex((word) => /^fsio(\.[jt]s)?$/.test(basename(word)));
  if (program < 0) return false;
  const rest = words.slice(program + 1);
  if (rest[0] === 'serve') return false;
  return (
    rest.some((word) => /^-[a-zA-Z]*[cC]/.test(word)) || !/^\/dev\/(pts|tty)/.test(link(`/proc/${pid}/fd/0`) ?? '')
  );
}

/** `mounted on DIR` for a device number `major:minor`, else null. */
function mountPointOf(number: string): string | null {
  for (const line of readLines('/proc/self/mountinfo')) {
    const words = line.split(' ');
    if (words[2] === number) return `mounted on ${words[4]}`;
  }
  return null;
}

function loopUser(stats: Stats, purpose: 'read' | 'write'): User | null {
  for (const loop of list('/sys/block')) {
    if (!loop.startsWith('loop')) continue;
    const backing = `/sys/block/${loop}/loop/backing_file`;
    const stays = () => sameFile((readText(backing) ?? '').trimEnd(), stats);
    if (!existsSync(backing) || !stays()) continue;
    for (const part of [loop, ...list(`/sys/block/${loop}`).filter((name) => name.startsWith(loop))]) {
      const place = mountPointOf((readText(`/sys/class/block/${part}/dev`) ?? '').trim());
      if (place !== null) return mounted(`${place} (/dev/${part})`);
    }
    const writable = readText(`/sys/block/${loop}/ro`)?.trim() !== '1';
    if (!writable && purpose === 'read') continue;
    const closing = readText(`/sys/block/${loop}/loop/autoclear`)?.trim() === '1';
    return { what: `in use by /dev/${loop}`, pid: null, closing, stays };
  }
  return null;
}

const WRITING = 3;
const ANYHOW = 0;

/** Looks for another process that holds the file open; with `flags`, with one of these bits set in the way it did. */
function holderOf(name: string, stats: Stats, flags: number): User | null {
  const target = realpathSync(name);
  const threads = kernelThreads();
  for (const pid of list('/proc')) {
    if (!isNumber(pid) || Number(pid) === process.pid || threads.has(pid)) continue;
    for (const fd of list(`/proc/${pid}/fd`)) {
      const held = link(`/proc/${pid}/fd/${fd}`);
      if (held === null) break;
      if (held !== target) continue;
      if (!sameFile(`/proc/${pid}/fd/${fd}`, stats)) continue;
      const opened = /^flags:\s*([0-7]+)/m.exec(readText(`/proc/${pid}/fdinfo/${fd}`) ?? '');
      if (opened === null || (flags !== ANYHOW && (Number.parseInt(opened[1] as string, 8) & flags) === 0)) continue;
      const how = flags === ANYHOW ? 'open' : 'open for writing';
      const what = `${how} in process ${pid} (${readText(`/proc/${pid}/comm`)?.trim() ?? '?'})`;
      return { what, pid, stays: () => sameFile(`/proc/${pid}/fd/${fd}`, stats) };
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
