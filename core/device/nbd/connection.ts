/**
 * The transmission phase on one socket: requests go out as they come, replies come back in any order. A request is
 * done when its reply is; when the connection breaks, all that are under way fail with Broken and nothing is known
 * of them.
 */
import { connect, type Socket } from 'node:net';
import { abortOption, negotiate, Refusal } from './handshake.ts';
import {
  CHUNK_DONE,
  Chunk,
  Command,
  ERRORS,
  type ExportInfo,
  REQUEST_MAGIC,
  SIMPLE_REPLY_MAGIC,
  STRUCTURED_REPLY_MAGIC,
} from './protocol.ts';
import { SocketStream } from './stream.ts';
import type { NbdAddress } from './url.ts';

/** The connection is gone: the request may have been done, or not. */
export class Broken extends Error {}

/** The server did not do the request. */
export class RequestError extends Error {
  readonly code: string;

  constructor(errno: number, said: string) {
    const code = ERRORS[errno] ?? 'EIO';
    super(said === '' ? `the server answers ${code}` : `the server answers ${code}: ${said}`);
    this.code = code;
  }
}

interface Pending {
  /** Where what is read goes; null for other requests. */
  readonly into: Uint8Array | null;
  readonly addr: number;
  error: RequestError | null;
  resolve(): void;
  reject(error: Error): void;
}

/** Without any reply for so long, while one is due, the server counts as gone. Milliseconds. */
const SILENCE_LIMIT = 60_000;
const CONNECT_LIMIT = 10_000;

export class NbdConnection {
  readonly info: ExportInfo;
  private readonly stream: SocketStream;
  private readonly pending = new Map<number, Pending>();
  private next = 1;
  private readonly watch: NodeJS.Timeout;
  private heard = performance.now();

  private constructor(stream: SocketStream, info: ExportInfo) {
    this.stream = stream;
    this.info = info;
    this.watch = setInterval(() => this.checkSilence(), 1000);
    this.receive().catch((error: Error) => this.end(error));
  }

  /** Connects and negotiates. @throws Refusal the server says no, Error it cannot be reached */
  static async open(address: NbdAddress): Promise<NbdConnection> {
    const socket = await connected(address);
    const stream = new SocketStream(socket);
    const timer = setTimeout(() => stream.fail(new Error('the server does not answer')), CONNECT_LIMIT);
    try {
      return new NbdConnection(stream, await negotiate(stream, address.exportName));
    } catch (error) {
      if (error instanceof Refusal) await goodbye(socket, abortOption());
      stream.fail(error as Error);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Reads into `into`. @throws RequestError, Broken */
  read(addr: number, into: Uint8Array): Promise<void> {
    return this.request(Command.READ, 0, addr, into.length, null, into);
  }

  /** @throws RequestError, Broken */
  write(addr: number, from: Uint8Array, flags: number): Promise<void> {
    return this.request(Command.WRITE, flags, addr, from.length, from, null);
  }

  /** @throws RequestError, Broken */
  flush(): Promise<void> {
    return this.request(Command.FLUSH, 0, 0, 0, null, null);
  }

  /** Says goodbye. */
  async close(): Promise<void> {
    clearInterval(this.watch);
    await goodbye(this.stream.socket, this.header(Command.DISCONNECT, 0, 0, 0, 0));
    this.stream.socket.destroy();
  }

  private header(command: number, flags: number, id: number, addr: number, length: number): Buffer {
    const header = Buffer.allocUnsafe(28);
    header.writeUInt32BE(REQUEST_MAGIC);
    header.writeUInt16BE(flags, 4);
    header.writeUInt16BE(command, 6);
    header.writeUInt32BE(0, 8);
    header.writeUInt32BE(id, 12);
    header.writeBigUInt64BE(BigInt(addr), 16);
    header.writeUInt32BE(length, 24);
    return header;
  }

  private request(
    command: number,
    flags: number,
    addr: number,
    length: number,
    data: Uint8Array | null,
    into: Uint8Array | null,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.stream.socket.destroyed) {
        reject(new Broken('the connection is gone'));
        return;
      }
      const id = this.next;
      this.next = (this.next % 0xffff_ffff) + 1;
      if (this.pending.size === 0) this.heard = performance.now();
      this.pending.set(id, { into, addr, error: null, resolve, reject });
      const { socket } = this.stream;
      if (data === null) {
        socket.write(this.header(command, flags, id, addr, length));
        return;
      }
      socket.cork();
      socket.write(this.header(command, flags, id, addr, length));
      socket.write(data);
      socket.uncork();
    });
  }

  private async receive(): Promise<void> {
    const { stream } = this;
    for (;;) {
      const magic = (await stream.read(4)).readUInt32BE(0);
      this.heard = performance.now();
      if (magic === SIMPLE_REPLY_MAGIC) await this.simpleReply(await stream.read(12));
      else if (magic === STRUCTURED_REPLY_MAGIC && this.info.structured) await this.chunk(await stream.read(16));
      else throw new Error('the server breaks the protocol');
      this.heard = performance.now();
    }
  }

  private async simpleReply(header: Buffer): Promise<void> {
    const errno = header.readUInt32BE(0);
    const request = this.pendingOf(header.readUInt32BE(8));
    if (errno !== 0) request.error = new RequestError(errno, '');
    else if (request.into !== null) await this.stream.readInto(request.into);
    this.finish(header.readUInt32BE(8), request);
  }

  /** One chunk of a structured reply. */
  private async chunk(header: Buffer): Promise<void> {
    const flags = header.readUInt16BE(0);
    const type = header.readUInt16BE(2);
    const id = header.readUInt32BE(8);
    const length = header.readUInt32BE(12);
    const request = this.pendingOf(id);
    if (type === Chunk.OFFSET_DATA && length >= 8) {
      const at = Number((await this.stream.read(8)).readBigUInt64BE(0));
      await this.stream.readInto(part(request, at, length - 8));
    } else if (type === Chunk.OFFSET_HOLE && length === 12) {
      const hole = await this.stream.read(12);
      part(request, Number(hole.readBigUInt64BE(0)), hole.readUInt32BE(8)).fill(0);
    } else {
      if (length > 65536) throw new Error('the server breaks the protocol');
      const payload = await this.stream.read(length);
      if ((type & Chunk.ERROR) !== 0) request.error ??= chunkError(payload);
      else if (type !== Chunk.NONE) throw new Error('the server breaks the protocol');
    }
    if ((flags & CHUNK_DONE) !== 0) this.finish(id, request);
  }

  private pendingOf(id: number): Pending {
    const request = this.pending.get(id);
    if (request === undefined) throw new Error('the server breaks the protocol: a reply to nothing');
    return request;
  }

  private finish(id: number, request: Pending): void {
    this.pending.delete(id);
    if (request.error !== null) request.reject(request.error);
    else request.resolve();
  }

  private checkSilence(): void {
    if (this.pending.size > 0 && performance.now() - this.heard > SILENCE_LIMIT) {
      this.stream.fail(new Error(`no answer for ${SILENCE_LIMIT / 1000} s`));
    }
  }

  private end(error: Error): void {
    clearInterval(this.watch);
    this.stream.fail(error);
    for (const request of this.pending.values()) request.reject(new Broken(error.message));
    this.pending.clear();
  }
}

/** The bytes that a chunk is for. @throws Error if they were not asked for */
function part({ into, addr }: Pending, at: number, length: number): Uint8Array {
  if (into === null || at < addr || at + length > addr + into.length) throw new Error('the server breaks the protocol');
  return into.subarray(at - addr, at - addr + length);
}

function chunkError(payload: Buffer): RequestError {
  if (payload.length < 6) return new RequestError(5, '');
  const length = Math.min(payload.readUInt16BE(4), payload.length - 6);
  return new RequestError(payload.readUInt32BE(0), payload.toString('utf8', 6, 6 + length));
}

/** Sends the last words; a server that does not take them is left anyway. */
function goodbye(socket: Socket, words: Buffer): Promise<void> {
  return new Promise((resolve) => {
    socket.end(words, () => resolve());
    setTimeout(resolve, 500).unref();
  });
}

function connected(address: NbdAddress): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket =
      address.socket !== null
        ? connect({ path: address.socket })
        : connect({ host: address.host as string, port: address.port, noDelay: true, keepAlive: true });
    const timer = setTimeout(() => socket.destroy(new Error('no connection in time')), CONNECT_LIMIT);
    socket.once('connect', () => {
      clearTimeout(timer);
      resolve(socket);
    });
    socket.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}
