/** fsio: arguments to one shot (-c), a script (stdin), or the shell. */
import { readFileSync, readSync } from 'node:fs';
import { complete } from '../commands/complete.ts';
import { writeChange } from '../commands/diff.ts';
import { CommandFailure } from '../commands/failure.ts';
import { Mounts } from '../commands/mounts.ts';
import { openTarget } from '../commands/open.ts';
import { JsonRenderer, type Renderer, TextRenderer } from '../commands/render.ts';
import { runLine } from '../commands/run.ts';
import { Session } from '../commands/session.ts';
import { FsError } from '../core/errors.ts';
import { LineTracer } from '../core/iomap/trace.ts';
import type { StructureChange } from '../core/vfs/changes.ts';
import { decodeName } from '../core/vfs/names.ts';
import { type CommandLine, helpText, parseCommandLine, splitTarget } from './arguments.ts';
import { ProcessStreams } from './output.ts';

declare const FSIO_VERSION: string | undefined;

const streams = new ProcessStreams();
main(parseCommandLine(process.argv.slice(2))).then((status) => {
  streams.flush();
  // All is written: exiting at once spares the time to tear down the heap.
  process.exit(status);
});

async function main(line: CommandLine): Promise<number> {
  if (line.flags.has('help')) return say(helpText());
  if (line.flags.has('V')) return say(`fsio version ${typeof FSIO_VERSION === 'string' ? FSIO_VERSION : 'unbuilt'}\n`);
  if (line.complaint !== null) return refuse(line.complaint);
  if (line.targets.length === 0 && line.places.length === 0)
    return refuse('which image? fsio IMAGE[:/PATH], or fsio --help');
  if (line.flags.has('partitions')) return (await import('./partitions.ts')).listPartitions(line, streams);
  const renderer = line.flags.has('json') ? new JsonRenderer(streams) : new TextRenderer(streams);
  const session = newSession(line);
  if (!openTargets(session, line, renderer)) session.exitCode ||= 1;
  else if (line.commands.length > 0) runCommands(session, line, renderer);
  else if (process.stdin.isTTY && process.stdout.isTTY) await runShell(session, renderer);
  else runScript(session, renderer);
  return finish(session);
}

function say(text: string): number {
  streams.out.write(text);
  return 0;
}

function refuse(complaint: string): number {
  streams.error(`fsio: ${complaint}`);
  return 1;
}

function newSession(line: CommandLine): Session {
  const umask = process.umask();
  const readOnly =
    line.flags.has('r') && line.targets.every((target) => splitTarget(target, line.places).path === null);
  const mounts = new Mounts({
    readOnly,
    norecovery: line.flags.has('norecovery'),
    subvol: line.subvol,
    compress: line.compress,
    noDataCsum: line.flags.has('no-data-csum'),
    part: line.part,
    overlay: line.overlay,
    dryRun: line.flags.has('dry-run'),
    devices: line.devices,
    tracer: line.flags.has('trace') ? new LineTracer((text) => streams.error(text)) : null,
    now: wallClock,
    owner: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, umask },
    random: Math.random,
    notice: (text) => streams.error(`fsio: ${text}`),
    wouldChange: (mount, changes) => tellChanges(mount.image, changes, line.flags.has('json')),
  });
  return new Session(mounts, {
    places: line.places,
    program: line.program ?? 'xfs_io',
    umask,
    strict: line.flags.has('strict'),
    expert: line.flags.has('x'),
    readOnly: line.flags.has('r'),
    mayGuard,
  });
}

/** The end of a dry run: what it would have changed on disk. */
function tellChanges(image: string, changes: Iterable<StructureChange>, json: boolean): void {
  const { out } = streams;
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

function wallClock(): { seconds: number; nanoseconds: number } {
  const micros = Math.floor((performance.timeOrigin + performance.now()) * 1000);
  return { seconds: Math.floor(micros / 1e6), nanoseconds: (micros % 1e6) * 1000 };
}

/** Opens every target in order, as xfs_io does before its first command; false when one could not be opened. */
function openTargets(session: Session, line: CommandLine, renderer: Renderer): boolean {
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
  };
  try {
    for (const place of line.places) session.openImage(place.image);
    for (const target of line.targets) {
      const { image, path } = splitTarget(target, line.places);
      session.openImage(image);
      if (path !== null) openTarget(session, target, flags, line.mode, { mount: session.mounts.get(image), path });
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

function runCommands(session: Session, line: CommandLine, renderer: Renderer): void {
  for (const { line: text, everyFile } of line.commands) {
    if (session.ended || streams.out.closed) return;
    runLine(session, text, renderer, everyFile);
  }
}

/** Commands from stdin, one a line; what they print is out before the next line is waited for. */
function runScript(session: Session, renderer: Renderer): void {
  for (const text of stdinLines()) {
    runLine(session, text, renderer, false);
    if (session.ended || streams.out.closed) return;
  }
}

function* stdinLines(): Generator<string> {
  const chunk = Buffer.alloc(1 << 16);
  let rest = Buffer.alloc(0);
  for (;;) {
    streams.flush();
    const bytes = readStdin(chunk);
    if (bytes === 0) break;
    rest = Buffer.concat([rest, chunk.subarray(0, bytes)]);
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      const line = rest.subarray(0, end);
      rest = rest.subarray(end + 1);
      yield decodeName(line);
    }
  }
  if (rest.length > 0) yield decodeName(rest);
}

/** Bytes of stdin, 0 at its end. */
function readStdin(into: Buffer): number {
  for (;;) {
    try {
      return readSync(0, into);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'EOF') return 0;
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

/** The prompt on a terminal: ink and react are loaded for it alone. */
async function runShell(session: Session, renderer: Renderer): Promise<void> {
  const { shell } = await import('./shell/shell.tsx');
  await shell({
    prompt: () => `${session.current?.name ?? session.mount().image}> `,
    complete: (line) => complete(session, line),
    run(line) {
      runLine(session, line, renderer, false);
      streams.flush();
      return !session.ended;
    },
  });
}

/** Gives everything back; what fails now is the last word on the exit status. */
function finish(session: Session): number {
  for (const failure of session.end()) {
    streams.error(`fsio: ${failure.message}`);
    session.exitCode = 1;
  }
  return session.exitCode;
}
