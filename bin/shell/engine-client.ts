/** The engine's thread as the screen's thread sees it. */
import { Worker } from 'node:worker_threads';
import type { View } from '../../commands/view.ts';
import {
  Flag,
  type FromEngine,
  type Listing,
  Measure,
  type SharedState,
  type ToEngine,
  type WordHint,
} from './protocol.ts';

/** How far a command is. */
export interface Progress {
  readonly done: number;
  /** 0: nobody knows. */
  readonly total: number;
  readonly bytes: boolean;
}

export interface EngineEvents {
  /** A command has ended, or everything was opened: the next line may come. */
  ready(prompt: string, ended: boolean): void;
  output(bytes: Uint8Array, error: boolean): void;
  view(view: View): void;
  /** The engine is gone, everything given back. */
  exit(status: number): void;
}

export interface Completion {
  readonly start: number;
  readonly candidates: readonly string[];
}

export class EngineClient {
  /** Names and usage of all words. */
  words: readonly WordHint[] = [];
  busy = true;
  events: EngineEvents = { ready() {}, output() {}, view() {}, exit() {} };
  private readonly worker: Worker;
  private readonly flags: Int32Array;
  private readonly measures: Float64Array;
  private readonly asked = new Map<number, (completion: Completion) => void>();
  private readonly listed = new Map<number, (listing: Listing) => void>();
  private next = 1;

  /** Starts the engine on the same command line as this program. */
  constructor(program: string, args: readonly string[]) {
    const shared: SharedState = {
      flags: new SharedArrayBuffer(4 * Flag.WORDS),
      measures: new SharedArrayBuffer(8 * Measure.COUNT),
    };
    this.flags = new Int32Array(shared.flags);
    this.measures = new Float64Array(shared.measures);
    this.worker = new Worker(program, {
      argv: [...args],
      workerData: shared,
      env: { ...process.env, FSIO_ENGINE: '1' },
    });
    this.worker.on('message', (message: FromEngine) => this.take(message));
    this.worker.on('error', (error) => {
      process.stderr.write(`fsio: ${error.stack ?? error.message}\n`);
      this.events.exit(1);
    });
  }

  run(line: string): void {
    this.busy = true;
    Atomics.store(this.flags, Flag.STOP, 0);
    this.measures.fill(0);
    this.send({ kind: 'run', line, columns: process.stdout.columns || 80 });
  }

  /** The running command ends between two of its steps; what it still prints is dropped. */
  stop(): void {
    Atomics.store(this.flags, Flag.STOP, 1);
    Atomics.notify(this.flags, Flag.PENDING);
  }

  get stopping(): boolean {
    return Atomics.load(this.flags, Flag.STOP) !== 0;
  }

  /** So many bytes of output are on the screen. */
  shown(bytes: number): void {
    Atomics.sub(this.flags, Flag.PENDING, bytes);
    Atomics.notify(this.flags, Flag.PENDING);
  }

  /** How far the running command is; null when it does not say. */
  progress(): Progress {
    const [done = 0, total = 0] = this.measures;
    return { done, total, bytes: this.flags[Flag.BYTES] === 1 };
  }

  complete(line: string): Promise<Completion> {
    const id = this.next++;
    this.send({ kind: 'complete', id, line });
    return new Promise((resolve) => this.asked.set(id, resolve));
  }

  /** What is in a directory of the image. */
  list(path: string): Promise<Listing> {
    const id = this.next++;
    this.send({ kind: 'list', id, path });
    return new Promise((resolve) => this.listed.set(id, resolve));
  }

  end(): void {
    // What is still running must not wait for a reader that is gone.
    if (this.busy) this.stop();
    this.send({ kind: 'end' });
  }

  private send(message: ToEngine): void {
    this.worker.postMessage(message);
  }

  private take(message: FromEngine): void {
    if (message.kind === 'output') this.events.output(message.bytes, message.error);
    else if (message.kind === 'view') this.events.view(message.view);
    else if (message.kind === 'listing') {
      this.listed.get(message.id)?.(message.listing);
      this.listed.delete(message.id);
    } else if (message.kind === 'completion') {
      this.asked.get(message.id)?.(message);
      this.asked.delete(message.id);
    } else if (message.kind === 'ready') {
      this.words = message.words ?? this.words;
      this.busy = false;
      this.events.ready(message.prompt, message.ended);
    } else this.events.exit(message.status);
  }
}
