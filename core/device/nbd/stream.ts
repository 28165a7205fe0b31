/** Bytes of a socket, in the pieces that are asked for. One reader at a time. */
import type { Socket } from 'node:net';

export class SocketStream {
  readonly socket: Socket;
  private readonly chunks: Buffer[] = [];
  private buffered = 0;
  private wake: (() => void) | null = null;
  private failure: Error | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.chunks.push(chunk);
      this.buffered += chunk.length;
      this.wake?.();
    });
    socket.on('error', (error) => this.fail(error));
    socket.on('close', () => this.fail(new Error('the server closed the connection')));
  }

  /** Ends the stream: whoever waits, or reads on, gets this error. */
  fail(error: Error): void {
    this.failure ??= error;
    this.socket.destroy();
    this.wake?.();
  }

  /** The next `length` bytes. @throws Error when the connection ended before them */
  async read(length: number): Promise<Buffer> {
    const into = Buffer.allocUnsafe(length);
    await this.readInto(into);
    return into;
  }

  /** Fills `into` with the next bytes. @throws Error when the connection ended before them */
  async readInto(into: Uint8Array): Promise<void> {
    for (let done = 0; done < into.length; ) {
      const chunk = this.chunks[0];
      if (chunk === undefined) {
        await this.more();
        continue;
      }
      const take = Math.min(chunk.length, into.length - done);
      into.set(chunk.subarray(0, take), done);
      done += take;
      this.buffered -= take;
      if (take === chunk.length) this.chunks.shift();
      else this.chunks[0] = chunk.subarray(take);
    }
  }

  private async more(): Promise<void> {
    if (this.failure !== null) throw this.failure;
    await new Promise<void>((resolve) => {
      this.wake = resolve;
    });
    this.wake = null;
    if (this.buffered === 0 && this.failure !== null) throw this.failure;
  }
}
