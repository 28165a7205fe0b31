/**
 * An export in use, over as many connections as it takes. What was written since the last flush that succeeded is
 * kept: a server that died may have lost it, though it had answered. After a reconnection all of it is sent again, in
 * order, before anything else. So nothing is lost silently: either the export is back with everything, or requests
 * fail.
 */
import type { Errno } from '../../errors.ts';
import { Broken, NbdConnection, RequestError } from './connection.ts';
import { Refusal } from './handshake.ts';
import { COMMAND_FUA, type ExportInfo, Transmission } from './protocol.ts';
import type { NbdAddress } from './url.ts';

/** Why a request failed, as an errno and a text. */
export class SessionError extends Error {
  readonly code: Errno;

  constructor(code: Errno, message: string) {
    super(message);
    this.code = code;
  }
}

interface Write {
  readonly addr: number;
  readonly bytes: Uint8Array;
  /** Settles when the server has it. */
  done: Promise<void>;
  under: boolean;
}

/** Bytes that are kept for sending again; beyond it the session flushes by itself. */
const KEPT_LIMIT = 64 * 2 ** 20;
/** A request is cut into pieces of this size, so that server and client work at the same time. */
const PIECE = 2 ** 20;

export class NbdSession {
  readonly info: ExportInfo;
  private readonly address: NbdAddress;
  private connection: NbdConnection;
  private readonly kept: Write[] = [];
  private keptBytes = 0;
  private recovery: Promise<void> | null = null;
  private failure: SessionError | null = null;

  private constructor(address: NbdAddress, connection: NbdConnection) {
    this.address = address;
    this.connection = connection;
    this.info = connection.info;
  }

  /** @throws SessionError */
  static async open(address: NbdAddress): Promise<NbdSession> {
    try {
      return new NbdSession(address, await NbdConnection.open(address));
    } catch (error) {
      throw asSessionError(error);
    }
  }

  /** Fills `into`; what was written before is seen. @throws SessionError */
  async read(addr: number, into: Uint8Array): Promise<void> {
    await Promise.all(this.overlapping(addr, into.length));
    for (;;) {
      try {
        await this.ready();
        await Promise.all(this.pieces(addr, into).map(({ addr: at, bytes }) => this.connection.read(at, bytes)));
        return;
      } catch (error) {
        await this.again(error);
      }
    }
  }

  /** Settles when the server has the bytes; they are not durable before flush(). @throws SessionError */
  async write(addr: number, bytes: Uint8Array): Promise<void> {
    const before = this.overlapping(addr, bytes.length);
    const write: Write = { addr, bytes, done: Promise.resolve(), under: true };
    this.kept.push(write);
    this.keptBytes += bytes.length;
    write.done = this.send(write, before);
    await write.done;
    if (this.keptBytes > KEPT_LIMIT) await this.flush();
  }

  /** Settles when all that was written is durable. @throws SessionError */
  async flush(): Promise<void> {
    const count = this.kept.length;
    await Promise.all(this.kept.slice(0, count).map((write) => write.done));
    for (;;) {
      try {
        await this.ready();
        if ((this.info.flags & Transmission.SEND_FLUSH) !== 0) await this.connection.flush();
        break;
      } catch (error) {
        await this.again(error);
      }
    }
    for (const { bytes } of this.kept.splice(0, Math.min(count, this.kept.length))) this.keptBytes -= bytes.length;
  }

  async close(): Promise<void> {
    await this.connection.close();
  }

  private async send(write: Write, before: readonly Promise<void>[]): Promise<void> {
    await Promise.all(before);
    try {
      await this.ready();
      await this.put(write);
    } catch (error) {
      // After a recovery the server has this one too: it is among those that were sent again.
      await this.again(error);
    } finally {
      write.under = false;
    }
  }

  private async put({ addr, bytes }: Write): Promise<void> {
    // A server without flush but with FUA makes each write durable by itself.
    const { flags } = this.info;
    const fua = (flags & Transmission.SEND_FLUSH) === 0 && (flags & Transmission.SEND_FUA) !== 0 ? COMMAND_FUA : 0;
    const sent = this.pieces(addr, bytes).map((piece) => this.connection.write(piece.addr, piece.bytes, fua));
    await Promise.all(sent);
  }

  private *cut(addr: number, bytes: Uint8Array) {
    const size = Math.min(PIECE, this.info.maxPayload);
    for (let at = 0; at < bytes.length; at += size) yield { addr: addr + at, bytes: bytes.subarray(at, at + size) };
  }

  private pieces(addr: number, bytes: Uint8Array) {
    return [...this.cut(addr, bytes)];
  }

  /** Writes under way that share bytes with a range: requests are done in any order. */
  private overlapping(addr: number, length: number): Promise<void>[] {
    return this.kept
      .filter((write) => write.under && write.addr < addr + length && addr < write.addr + write.bytes.length)
      .map((write) => write.done);
  }

  private async ready(): Promise<void> {
    if (this.failure !== null) throw this.failure;
    if (this.recovery !== null) await this.recovery;
  }

  /** Returns when the request may be tried again. @throws SessionError */
  private async again(error: unknown): Promise<void> {
    if (!(error instanceof Broken)) throw asSessionError(error);
    this.recovery ??= this.recover(error).finally(() => {
      this.recovery = null;
    });
    await this.recovery;
  }

  private async recover(why: Broken): Promise<void> {
    const deadline = performance.now() + this.address.reconnect * 1000;
    let last: Error = why;
    for (let wait = 50; ; wait = Math.min(2 * wait, 1000)) {
      try {
        await this.reconnect();
        return;
      } catch (error) {
        if (error instanceof SessionError || error instanceof RequestError) {
          last = error;
          break;
        }
        last = error as Error;
      }
      if (performance.now() + wait > deadline) break;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
    const lost = this.kept.length === 0 ? '' : '; what was written since the last flush may be lost';
    this.failure = new SessionError(
      'EIO',
      `the connection broke (${why.message}) and is not back: ${last.message}${lost}`,
    );
    throw this.failure;
  }

  private async reconnect(): Promise<void> {
    const connection = await NbdConnection.open(this.address);
    const { size, flags } = connection.info;
    if (size !== this.info.size || flags !== this.info.flags) {
      await connection.close();
      throw new SessionError('EIO', 'after the reconnection it is another export');
    }
    this.connection = connection;
    for (const write of this.kept) await this.put(write);
  }
}

function asSessionError(error: unknown): SessionError {
  if (error instanceof SessionError) return error;
  if (error instanceof RequestError || error instanceof Refusal) {
    return new SessionError(error.code as Errno, error.message);
  }
  return new SessionError('EIO', (error as Error).message);
}
