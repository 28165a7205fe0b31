/** fsio: arguments to one shot (-c), a script (stdin), or the shell. */
import { readSync } from 'node:fs';
import { JsonRenderer, type Renderer, TextRenderer } from '../commands/render.ts';
import { runLine } from '../commands/run.ts';
import type { Session } from '../commands/session.ts';
import { pause } from '../core/pause.ts';
import { decodeLines, decodeName } from '../core/vfs/names.ts';
import { type CommandLine, helpText, parseCommandLine } from './arguments.ts';
import { inlineLess, LONG_SCRIPT } from './long-run.ts';
import { ProcessStreams } from './output.ts';
import { newMounts, newSession, openTargets } from './setup.ts';
import { isTerminal } from './terminal.ts';

declare const FSIO_VERSION: string | undefined;

const streams = new ProcessStreams();
let progress: { begin(command: string): void; end(): void } | null = null;
const words = process.argv.slice(2);
const serving = words[0] === 'serve';
main(parseCommandLine(serving ? words.slice(1) : words)).then((status) => {
  streams.flush();
  // All is written: exiting at once spares the time to tear down the heap.
  process.exit(status);
}, crashed);

async function main(line: CommandLine): Promise<number> {
  if (line.flags.has('help')) return say(helpText());
  if (line.flags.has('V')) return say(`fsio version ${version()}\n`);
  if (line.complaint !== null) return refuse(line.complaint);
  if (line.completion !== null || line.flags.has('man') || line.flags.has('schema'))
    return (await import('./documents.ts')).printDocument(line, version(), streams);
  if (serving) return (await import('./serve.ts')).serve(line, streams);
  if (line.connect !== null)
    return (await import('./connect.ts')).runConnected(line, line.connect, stdinLines(), streams);
  if (process.env.FSIO_ENGINE !== undefined) {
    (await import('./engine.ts')).runEngine(line);
    return new Promise(() => {});
  }
  if (line.targets.length === 0 && line.places.length === 0)
    return refuse('which image? fsio IMAGE[:/PATH], or fsio --help');
  if (line.flags.has('partitions')) return (await import('./partitions.ts')).listPartitions(line, streams);
  if (line.commands.length === 0 && isTerminal(0) && isTerminal(1)) return runShell();
  if (isTerminal(2) && process.env.TERM !== 'dumb') await watchProgress();
  // Steps are read beside what commands print.
  streams.inOrder = line.flags.has('trace');
  const renderer = line.flags.has('json') ? new JsonRenderer(streams) : new TextRenderer(streams);
  const session = newSession(line, newMounts(line, streams));
  if (!openTargets(session, line, renderer)) session.exitCode ||= 1;
  else if (line.commands.length > 0) runCommands(session, line, renderer);
  else runScript(session, renderer);
  return finish(session);
}

/** An error nobody expected. What was flushed is on the image and stays consistent, as after any crash. */
function crashed(error: unknown): never {
  streams.flush();
  streams.error(`fsio: a bug in fsio, please report it: ${error instanceof Error ? error.stack : String(error)}`);
  process.exit(70);
}

function version(): string {
  return typeof FSIO_VERSION === 'string' ? FSIO_VERSION : 'unbuilt';
}

function say(text: string): number {
  streams.out.write(text);
  return 0;
}

function refuse(complaint: string): number {
  streams.error(`fsio: ${complaint}`);
  return 1;
}

/** Long commands say on the terminal how far they are. */
async function watchProgress(): Promise<void> {
  const shown = (await import('./progress.ts')).showProgress(process.stderr.columns || 80);
  streams.beforeOutput = () => shown.end();
  progress = shown;
}

function runCommands(session: Session, line: CommandLine, renderer: Renderer): void {
  for (const { line: text, everyFile } of line.commands) {
    if (session.ended || streams.out.closed) return;
    progress?.begin(nameOf(text));
    runLine(session, text, renderer, everyFile);
    progress?.end();
  }
}

const nameOf = (line: string): string => line.trim().split(/\s/)[0] ?? '';

/** Commands from stdin, one a line; what they print is out before the next line is waited for. */
function runScript(session: Session, renderer: Renderer): void {
  let lines = 0;
  for (const text of stdinLines()) {
    if (++lines === LONG_SCRIPT) inlineLess();
    progress?.begin(nameOf(text));
    runLine(session, text, renderer, false);
    progress?.end();
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
    const end = rest.lastIndexOf(10);
    if (end < 0) continue;
    yield* decodeLines(rest.subarray(0, end));
    rest = rest.subarray(end + 1);
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
      pause(5);
    }
  }
}

/** The prompt on a terminal, in this thread; the engine works in another. */
async function runShell(): Promise<number> {
  const { startShell } = await import('./shell/shell.tsx');
  return startShell(process.argv[1] as string, words);
}

/** Gives everything back; what fails now is the last word on the exit status. */
function finish(session: Session): number {
  for (const failure of session.end()) {
    streams.error(`fsio: ${failure.message}`);
    session.exitCode = 1;
  }
  return session.exitCode;
}
