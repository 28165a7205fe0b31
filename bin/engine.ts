/**
 * The shell's other thread: the engine, which is synchronous, so that the prompt, the progress and Ctrl-C stay alive
 * while it works. Output goes to the screen's thread in pieces, never more than it has shown; a command that is asked
 * to stop ends between two steps.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { usageLine } from '../commands/command.ts';
import { complete } from '../commands/complete.ts';
import { remembering } from '../commands/overlay.ts';
import { listCommands } from '../commands/registry.ts';
import { JsonRenderer, type Streams, TextRenderer } from '../commands/render.ts';
import { runLine } from '../commands/run.ts';
import type { Session } from '../commands/session.ts';
import type { TextSink } from '../commands/text.ts';
import { FsError } from '../core/errors.ts';
import { type StepWatcher, watchSteps } from '../core/steps.ts';
import { encodeName } from '../core/vfs/names.ts';
import type { CommandLine } from './arguments.ts';
import { newMounts, newSession, openTargets } from './setup.ts';
import { listDirectory } from './shell/listing.ts';
import { Flag, type FromEngine, Measure, type SharedState, type ToEngine, type WordHint } from './shell/protocol.ts';

/** Bytes of output that may wait to be shown. */
const OUTPUT_LIMIT = 1 << 16;
const PIECE = 1 << 14;

/** Serves the screen's thread until it says end. */
export function runEngine(line: CommandLine): void {
  const { flags: shared, measures: floats } = workerData as SharedState;
  const flags = new Int32Array(shared);
  const measures = new Float64Array(floats);
  const streams = new MessageStreams(flags);
  const renderer = line.flags.has('json') ? new JsonRenderer(streams) : new TextRenderer(streams);
  const session = newSession(line, newMounts(line, streams));
  if ((process.env.TERM ?? 'dumb') !== 'dumb') session.present = (view) => send({ kind: 'view', view });
  watchSteps(new SharedWatcher(flags, measures));
  let known = '';
  const ready = () => {
    streams.flush();
    const words = hints(session);
    const names = words.map(({ name }) => name).join();
    send({ kind: 'ready', prompt: promptOf(session), words: names === known ? null : words, ended: session.ended });
    known = names;
  };
  const opened = openTargets(session, line, renderer);
  if (!opened) {
    session.exitCode ||= 1;
    session.ended = true;
  }
  ready();
  parentPort?.on('message', (message: ToEngine) => {
    if (message.kind === 'list')
      send({ kind: 'listing', id: message.id, listing: listDirectory(session, message.path) });
    else if (message.kind === 'complete') {
      send({ ...complete(session, message.line), kind: 'completion', id: message.id });
    } else if (message.kind === 'run') {
      measures.fill(0);
      session.columns = message.columns;
      try {
        remembering(session, message.line, () => runLine(session, message.line, renderer, false));
      } catch (error) {
        if (!(error instanceof FsError)) throw error;
        streams.error(`fsio: ${error.message}`);
      }
      ready();
    } else finish(session, streams);
  });
}

function send(message: FromEngine): void {
  parentPort?.postMessage(message);
}

function promptOf(session: Session): string {
  return `${session.current?.name ?? session.openedMount()?.image ?? 'fsio'}> `;
}

function hints(session: Session): WordHint[] {
  return listCommands(session).map((spec) => ({ name: spec.name, alias: spec.alias ?? null, usage: usageLine(spec) }));
}

/** Gives everything back: nothing may stop this. */
function finish(session: Session, streams: MessageStreams): void {
  watchSteps(null);
  for (const failure of session.end()) {
    streams.error(`fsio: ${failure.message}`);
    session.exitCode = 1;
  }
  streams.flush();
  send({ kind: 'exit', status: session.exitCode });
}

class SharedWatcher implements StepWatcher {
  private readonly flags: Int32Array;
  private readonly measures: Float64Array;

  constructor(flags: Int32Array, measures: Float64Array) {
    this.flags = flags;
    this.measures = measures;
  }

  expect(bytes: number): void {
    this.measures[Measure.TOTAL] = Number.isFinite(bytes) ? bytes : 0;
    this.flags[Flag.BYTES] = 1;
  }

  advance(bytes: number): void {
    this.check();
    if (this.measures[Measure.TOTAL] === 0) this.flags[Flag.BYTES] = 1;
    this.measures[Measure.DONE] = (this.measures[Measure.DONE] as number) + bytes;
  }

  step(done: number, total: number): void {
    this.check();
    // Within something that is measured as a whole, the parts do not count.
    if (this.flags[Flag.BYTES] === 1 && this.measures[Measure.DONE] !== 0) return;
    this.flags[Flag.BYTES] = 0;
    this.measures[Measure.DONE] = done;
    this.measures[Measure.TOTAL] = total;
  }

  private check(): void {
    if (Atomics.load(this.flags, Flag.STOP) !== 0) throw new FsError('EINTR');
  }
}

/** Output in pieces to the other thread, which says how much of it waits. */
class MessageStreams implements Streams {
  readonly out: TextSink;
  private readonly flags: Int32Array;
  private pending: string[] = [];
  private length = 0;

  constructor(flags: Int32Array) {
    this.flags = flags;
    const stopped = () => Atomics.load(flags, Flag.STOP) !== 0;
    this.out = {
      write: (text) => {
        this.pending.push(text);
        this.length += text.length;
        if (this.length >= PIECE) this.flush();
      },
      bytes: (data) => {
        this.flush();
        for (let at = 0; at < data.length; at += PIECE) this.put(data.slice(at, at + PIECE), false);
      },
      get closed() {
        return stopped();
      },
    };
  }

  error(line: string): void {
    this.flush();
    this.put(encodeName(`${line}\n`), true);
  }

  flush(): void {
    if (this.length === 0) return;
    const text = encodeName(this.pending.join(''));
    this.pending = [];
    this.length = 0;
    this.put(text, false);
  }

  private put(bytes: Uint8Array, error: boolean): void {
    for (;;) {
      const waiting = Atomics.load(this.flags, Flag.PENDING);
      if (waiting <= OUTPUT_LIMIT) break;
      // Whoever reads on is waited for; who stopped reading is not.
      if (Atomics.load(this.flags, Flag.STOP) !== 0 && !error) return;
      Atomics.wait(this.flags, Flag.PENDING, waiting, 100);
    }
    Atomics.add(this.flags, Flag.PENDING, bytes.length);
    send({ kind: 'output', bytes: new Uint8Array(bytes), error });
  }
}
