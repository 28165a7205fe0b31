/**
 * `fsio serve SOCKET IMAGE …`: keeps images open and answers commands of many clients on a Unix socket. One engine runs
 * one command at a time, whoever sent it, so two writers never meet; every client has its own open files and
 * directory. What clients changed is written to the image when nothing was asked for a while (not under --time), when
 * the last client goes, and in the end (SIGTERM, SIGINT, `!stop`).
 *
 * The protocol is lines. A line is a command, as in a script; the answer is what fsio would have printed, errors
 * among it. Lines that begin with `!` speak to the server:
 *
 *     !image PATH   paths are in this image (at first: the first one that the server was started with); no file is the
 *                   current one then
 *     !cwd DIR      names of host files are relative to this directory
 *     !json         answers are JSON, one object a line
 *     !strict       every failure counts (!done 1), also where xfs_io's exit status stays 0
 *     !frames       answers come in frames from now on: `!out N` and `!err N`, each followed by N bytes and a newline,
 *                   and after the last one of a line `!done STATUS`. A last line without its newline is then no
 *                   command: its client died while it wrote it
 *     !lock         waits until no other client has the lock, then keeps all others waiting; !unlock gives it back
 *     !stop         ends the server
 */
import { realpathSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { CommandFailure } from '../commands/failure.ts';
import type { Mounts } from '../commands/mounts.ts';
import { JsonRenderer, type Renderer, type Streams, TextRenderer } from '../commands/render.ts';
import { runLine } from '../commands/run.ts';
import type { Session } from '../commands/session.ts';
import type { TextSink } from '../commands/text.ts';
import { FsError } from '../core/errors.ts';
import { decodeName, encodeName } from '../core/vfs/names.ts';
import { type CommandLine, splitTarget } from './arguments.ts';
import { newMounts, newSession } from './setup.ts';

/** Milliseconds of quiet after which changes are written. */
const QUIET = 2000;
/** A client that does not read what it asked for: bytes that are kept for it of one answer. */
const UNREAD_LIMIT = 2 ** 30;
/** As many unread bytes keep its next line waiting. */
const UNREAD_PAUSE = 2 ** 20;

/** Serves until it is told to stop; the exit status. */
export async function serve(line: CommandLine, streams: Streams): Promise<number> {
  const [socket, ...targets] = line.targets;
  if (socket === undefined) {
    streams.error('fsio: serve SOCKET IMAGE ...');
    return 1;
  }
  const mounts = newMounts({ ...line, targets }, streams);
  try {
    const images = [...line.places.map(({ image }) => image), ...targets.map((name) => splitTarget(name, []).image)];
    for (const image of images) mounts.get(realName(image));
    const engine = new Engine(mounts, { ...line, targets }, images[0] === undefined ? null : realName(images[0]));
    await engine.listen(socket);
    streams.error(`fsio: serving on ${socket}`);
    await engine.stopped;
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    streams.error(`fsio: ${error.message}`);
    mounts.close();
    return 1;
  }
  const failures = mounts.close();
  for (const failure of failures) streams.error(`fsio: ${failure.message}`);
  return failures.length > 0 ? 1 : 0;
}

/** One name for one image, whatever it is called. */
function realName(image: string): string {
  try {
    return realpathSync(image);
  } catch {
    // A network export, or a name that opening will complain of.
    return image;
  }
}

class Engine {
  readonly mounts: Mounts;
  readonly line: CommandLine;
  readonly image: string | null;
  readonly stopped: Promise<void>;
  private readonly clients = new Set<Client>();
  private readonly ready: Client[] = [];
  private holder: Client | null = null;
  private running = false;
  private changed = false;
  private timer: NodeJS.Timeout | null = null;
  private server: Server | null = null;
  private finish: () => void = () => {};

  constructor(mounts: Mounts, line: CommandLine, image: string | null) {
    this.mounts = mounts;
    this.line = line;
    this.image = image;
    this.stopped = new Promise((resolve) => {
      this.finish = resolve;
    });
  }

  async listen(path: string): Promise<void> {
    await removeStale(path);
    const server = createServer({ allowHalfOpen: true }, (socket) => this.clients.add(new Client(this, socket)));
    const before = process.umask(0o177);
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => reject(new FsError('EIO', { path, detail: error.message })));
      server.listen(path, resolve);
    });
    process.umask(before);
    this.server = server;
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => this.stop());
  }

  /** A client has a line to run. */
  wake(client: Client): void {
    if (!this.ready.includes(client)) this.ready.push(client);
    if (this.running) return;
    this.running = true;
    setImmediate(() => this.turn());
  }

  /** One line of the first client that may; then the sockets have their turn. */
  private turn(): void {
    const index = this.ready.findIndex((client) => !client.clogged && (this.holder === null || this.holder === client));
    const [client] = index < 0 ? [] : this.ready.splice(index, 1);
    if (client === undefined) {
      this.running = false;
      return;
    }
    this.changed = true;
    client.step();
    if (client.waiting) this.ready.push(client);
    this.rest();
    setImmediate(() => this.turn());
  }

  /** What was changed is written once it is quiet; with a given time, when all clients have gone: a pause changes no byte. */
  private rest(): void {
    if (this.line.time !== null) return;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = setTimeout(() => this.write(), QUIET);
  }

  private write(): void {
    if (!this.changed) return;
    this.changed = false;
    for (const { fs, image } of this.mounts) {
      try {
        fs.sync();
      } catch (error) {
        if (!(error instanceof FsError)) throw error;
        process.stderr.write(`fsio: ${image}: ${error.message}\n`);
      }
    }
  }

  /** True if the client has the lock now. */
  lock(client: Client): boolean {
    this.holder ??= client;
    return this.holder === client;
  }

  unlock(client: Client): void {
    if (this.holder !== client) return;
    this.holder = null;
    const [next] = this.ready;
    if (next !== undefined) this.wake(next);
  }

  left(client: Client): void {
    this.clients.delete(client);
    this.unlock(client);
    if (this.clients.size === 0) this.write();
  }

  stop(): void {
    this.server?.close();
    for (const client of [...this.clients]) client.end();
    if (this.timer !== null) clearTimeout(this.timer);
    this.finish();
  }
}

class Client {
  private readonly engine: Engine;
  private readonly session: Session;
  private readonly socket: Socket;
  private readonly streams: ClientStreams;
  private renderer: Renderer;
  private readonly lines: Buffer[] = [];
  private rest: Buffer = Buffer.alloc(0);
  private cwd = process.cwd();
  private over = false;
  private halfClosed = false;

  constructor(engine: Engine, socket: Socket) {
    this.engine = engine;
    this.socket = socket;
    this.streams = new ClientStreams(socket);
    this.renderer = engine.line.flags.has('json') ? new JsonRenderer(this.streams) : new TextRenderer(this.streams);
    this.session = newSession(engine.line, engine.mounts.share());
    if (engine.image !== null) this.session.openImage(engine.image);
    socket.on('data', (chunk) => this.take(chunk));
    socket.on('end', () => {
      if (this.rest.length > 0 && !this.streams.framed) this.take(Buffer.from('\n'));
      this.halfClosed = true;
      if (!this.waiting) this.end();
    });
    socket.on('drain', () => {
      if (this.waiting) this.engine.wake(this);
    });
    socket.on('error', () => this.end());
    socket.on('close', () => this.end());
  }

  get waiting(): boolean {
    return this.lines.length > 0 && !this.over;
  }

  /** It does not read what it asked for. */
  get clogged(): boolean {
    return this.socket.writableLength > UNREAD_PAUSE;
  }

  /** Runs the next line. */
  step(): void {
    const bytes = this.lines.shift();
    if (bytes === undefined || this.over) return;
    const line = decodeName(bytes);
    this.session.exitCode = 0;
    if (line.startsWith('!')) {
      if (!this.speak(line)) {
        this.lines.unshift(bytes);
        return;
      }
    } else this.run(line);
    this.streams.done(this.session.exitCode);
    if (this.session.ended || (this.halfClosed && !this.waiting)) this.end();
  }

  private run(line: string): void {
    process.chdir(this.cwd);
    runLine(this.session, line, this.renderer, false);
  }

  /** A line for the server; false if it has to wait. */
  private speak(line: string): boolean {
    const [word = '', ...operands] = line.slice(1).split(' ');
    const operand = operands.join(' ');
    try {
      if (word === 'image') {
        this.session.openImage(realName(operand));
        // An open file would go on saying which image paths are in.
        this.session.current = null;
      } else if (word === 'cwd') this.cwd = operand;
      else if (word === 'json') this.renderer = new JsonRenderer(this.streams);
      else if (word === 'strict') this.session.strict = true;
      else if (word === 'frames') this.streams.framed = true;
      else if (word === 'lock') return this.engine.lock(this);
      else if (word === 'unlock') this.engine.unlock(this);
      else if (word === 'stop') setImmediate(() => this.engine.stop());
      else throw new CommandFailure(`the server does not know !${word}`);
    } catch (error) {
      if (error instanceof FsError)
        this.renderer.failure(this.session, word, new CommandFailure(`fsio: ${error.message}`));
      else if (error instanceof CommandFailure) this.renderer.failure(this.session, word, error);
      else throw error;
    }
    return true;
  }

  private take(chunk: Buffer): void {
    this.rest = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    for (let end = this.rest.indexOf(10); end >= 0; end = this.rest.indexOf(10)) {
      this.lines.push(this.rest.subarray(0, end));
      this.rest = this.rest.subarray(end + 1);
    }
    if (this.waiting) this.engine.wake(this);
  }

  end(): void {
    if (this.over) return;
    this.over = true;
    for (const failure of this.session.end()) this.streams.error(`fsio: ${failure.message}`);
    this.streams.done(this.session.exitCode);
    this.socket.end();
    this.engine.left(this);
  }
}

/** Answers to a client: as they are, or in frames. */
class ClientStreams implements Streams {
  framed = false;
  readonly out: TextSink;
  private readonly socket: Socket;
  private pending: string[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    const closed = () => socket.destroyed || socket.writableLength > UNREAD_LIMIT;
    this.out = {
      write: (text) => {
        this.pending.push(text);
        if (this.pending.length > 1000) this.flush();
      },
      bytes: (data) => {
        this.flush();
        // A copy: the caller goes on with its buffer.
        this.send('out', Buffer.from(data));
      },
      get closed() {
        return closed();
      },
    };
  }

  error(line: string): void {
    this.flush();
    this.send('err', encodeName(`${line}\n`));
  }

  /** A line is answered. */
  done(status: number): void {
    this.flush();
    if (this.framed && !this.socket.destroyed) this.socket.write(`!done ${status}\n`);
  }

  private flush(): void {
    if (this.pending.length === 0) return;
    const text = encodeName(this.pending.join(''));
    this.pending = [];
    this.send('out', text);
  }

  private send(stream: 'out' | 'err', data: Uint8Array): void {
    if (this.socket.destroyed) return;
    if (!this.framed) {
      this.socket.write(data);
      return;
    }
    this.socket.cork();
    this.socket.write(`!${stream} ${data.length}\n`);
    this.socket.write(data);
    this.socket.write('\n');
    this.socket.uncork();
  }
}

/** A socket that nobody listens on is left over from a server that was killed. */
async function removeStale(path: string): Promise<void> {
  const answered = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    );
  });
  if (answered) throw new FsError('EBUSY', { path, detail: 'somebody listens there' });
  rmSync(path, { force: true });
}
