/** From a command line to what it opens: images, a session, its files. */
import { readFileSync } from 'node:fs';
import { writeChange } from '../commands/diff.ts';
import { CommandFailure } from '../commands/failure.ts';
import { Mounts } from '../commands/mounts.ts';
import { openTarget } from '../commands/open.ts';
import type { Renderer, Streams } from '../commands/render.ts';
import { Session } from '../commands/session.ts';
import { upToDate } from '../commands/up-to-date.ts';
import { FsError } from '../core/errors.ts';
import { LineTracer } from '../core/iomap/trace.ts';
import type { StructureChange } from '../core/vfs/changes.ts';
import type { Timestamp } from '../core/vfs/inode.ts';
import { type CommandLine, splitTarget } from './arguments.ts';

/** The images of a run; none is opened yet. */
export function newMounts(line: CommandLine, streams: Streams): Mounts {
  const umask = process.umask();
  const readOnly =
    line.flags.has('r') && line.targets.every((target) => splitTarget(target, line.places).path === null);
  return new Mounts({
    readOnly,
    patience: line.patience,
    norecovery: line.flags.has('norecovery'),
    subvol: line.subvol,
    compress: line.compress,
    backupRoot: line.flags.has('backup-root'),
    superblock: line.superblock,
    degraded: line.flags.has('degraded'),
    noDataCsum: line.flags.has('no-data-csum'),
    part: line.part,
    overlay: line.overlay,
    dryRun: line.flags.has('dry-run'),
    devices: line.devices,
    tracer: line.flags.has('trace') ? new LineTracer((text) => streams.error(text)) : null,
    now: clockOf(line.time),
    owner: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, umask },
    random: line.seed === null ? Math.random : seeded(line.seed),
    notice: (text) => streams.error(`fsio: ${text}`),
    wouldChange: (mount, changes) => tellChanges(mount.image, changes, line.flags.has('json'), streams),
  });
}

/** A session over these images, without any file. */
export function newSession(line: CommandLine, mounts: Mounts): Session {
  const umask = process.umask();
  return new Session(mounts, {
    places: line.places,
    hostCwd: process.cwd(),
    program: line.program ?? 'xfs_io',
    umask,
    strict: line.flags.has('strict'),
    expert: line.flags.has('x'),
    readOnly: line.flags.has('r'),
    mayGuard,
  });
}

/** The end of a dry run: what it would have changed on disk. */
function tellChanges(image: string, changes: Iterable<StructureChange>, json: boolean, { out }: Streams): void {
  let any = false;
  for (const change of changes) {
    if (!any && !json) out.write(`${image}: would change\n`);
    any = true;
    if (json) out.write(`${JSON.stringify({ command: 'dry-run', image, ...change })}\n`);
    else writeChange(change, out);
  }
  if (!any && !json) out.write(`${image}: would not change\n`);
}

/**
 * Whoever owns an image may do anything in it; but a root that gave up CAP_LINUX_IMMUTABLE (bit 9) gave up this.
 */
function mayGuard(): boolean {
  if (process.platform !== 'linux' || process.geteuid?.() !== 0) return true;
  const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return effective === undefined || ((BigInt(`0x${effective}`) >> 9n) & 1n) === 1n;
}

// Not node's `performance`: asking for it loads more than a short run does otherwise.
const startedAt = Date.now();
const started = process.hrtime();

let lastMilli = -1;
let lastTime = { seconds: 0, nanoseconds: 0 };

/** What tells the time: always this one, or null for the time of day. */
export function clockOf(time: Timestamp | null): () => Timestamp {
  return time === null ? wallClock : () => time;
}

/** The time of day, to the microsecond; within a millisecond it stands still, since every write asks for it. */
function wallClock(): { readonly seconds: number; readonly nanoseconds: number } {
  const milli = Date.now();
  if (milli === lastMilli) return lastTime;
  lastMilli = milli;
  const [seconds, nanoseconds] = process.hrtime(started);
  const micros = startedAt * 1000 + seconds * 1e6 + Math.floor(nanoseconds / 1000);
  lastTime = { seconds: Math.floor(micros / 1e6), nanoseconds: (micros % 1e6) * 1000 };
  return lastTime;
}

/** Without a target, the first image that a directory stands for is the one at hand; others may be missing by now. */
function openPlaces(session: Session, line: CommandLine): void {
  let failure: unknown = null;
  for (const place of line.places) {
    try {
      session.openImage(place.image);
      return;
    } catch (error) {
      failure ??= error;
    }
  }
  if (failure !== null) throw failure;
}

/** Opens every target in order, as xfs_io does before its first command; false when one could not be opened. */
export function openTargets(session: Session, line: CommandLine, renderer: Renderer): boolean {
  const flags = {
    readOnly: line.flags.has('r'),
    create: line.flags.has('f'),
    append: line.flags.has('a'),
    direct: line.flags.has('d'),
    sync: line.flags.has('s'),
    truncate: line.flags.has('t'),
    nonBlock: line.flags.has('n'),
    noFollow: line.flags.has('L'),
    tmpfile: line.flags.has('T'),
    dax: false,
    pathOnly: line.flags.has('P'),
    realtime: line.flags.has('R'),
  };
  try {
    // With files to open, an image that a directory stands for is opened when a path leads into it.
    if (line.targets.length === 0) openPlaces(session, line);
    for (const target of line.targets) {
      const { image, path } = splitTarget(target, line.places);
      session.openImage(image);
      if (path === null || (path === '/' && opensFirst(line))) continue;
      const open = () => openTarget(session, target, flags, line.mode, { mount: session.mounts.get(image), path });
      upToDate(session, open, () => false);
    }
    return true;
  } catch (error) {
    if (error instanceof CommandFailure) renderer.failure(session, 'open', error);
    else if (error instanceof FsError)
      renderer.failure(session, 'open', new CommandFailure(`fsio: ${error.message}`, { code: error.code }));
    else throw error;
    return false;
  }
}

/** True if the first command opens a file: then `IMAGE:/` says only which image that is in. */
function opensFirst({ targets, commands }: CommandLine): boolean {
  return targets.length === 1 && /^\s*open\s+\S/.test(commands[0]?.line ?? '');
}

/** Numbers in [0, 1) that follow from the seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
