/**
 * A network block export as a device. The engine is synchronous: a thread of its own holds the connection, and this
 * one sleeps until an answer is there. Writes do not wait, up to a limit; a flush does. A server that wants whole
 * blocks gets whole blocks: the rest of them is read first.
 */
import { dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type Errno, FsError, isErrno } from '../../errors.ts';
import type { Device } from '../device.ts';
import { type ExportInfo, Transmission } from './protocol.ts';
import { Control, type Request, type Shared } from './shared.ts';
import { parseNbdUrl } from './url.ts';

/** Bytes of one call. */
const WINDOW = 4 * 2 ** 20;
/** Bytes of writes under way before the next one waits. */
const QUEUE_LIMIT = 16 * 2 ** 20;

export class NbdDevice implements Device {
  readonly name: string;
  readonly size: number;
  readonly sectorSize: number;
  #writable = false;
  #unflushed = false;
  #open = true;
  readonly #readOnly: boolean;
  readonly #info: ExportInfo;
  readonly #worker: Worker;
  readonly #words = new Int32Array(new SharedArrayBuffer(4 * Control.WORDS));
  readonly #window = new Uint8Array(new SharedArrayBuffer(WINDOW));
  readonly #text = new Uint8Array(new SharedArrayBuffer(4096));

  /** Connects; `shownAs` is the name for people. @throws FsError EINVAL, ENOENT no such export, EOPNOTSUPP, EACCES, EIO not reached */
  constructor(url: string, options: { readOnly?: boolean; shownAs?: string } = {}) {
    this.name = options.shownAs ?? url;
    this.#readOnly = options.readOnly ?? false;
    const shared: Shared = {
      address: parseNbdUrl(url),
      control: this.#words.buffer as SharedArrayBuffer,
      window: this.#window.buffer as SharedArrayBuffer,
      text: this.#text.buffer as SharedArrayBuffer,
    };
    this.#worker = new Worker(workerFile(), { workerData: shared });
    this.#worker.unref();
    this.#info = this.#answer() as unknown as ExportInfo;
    // What lies behind the last whole block of the server cannot be reached.
    this.size = this.#info.size - (this.#info.size % this.#info.minBlock);
    this.sectorSize = Math.max(512, this.#info.minBlock);
  }

  get writable(): boolean {
    return this.#writable;
  }

  enableWrites(): void {
    if (this.#readOnly) throw new FsError('EROFS', { path: this.name, detail: 'opened read-only' });
    if ((this.#info.flags & Transmission.READ_ONLY) !== 0) {
      throw new FsError('EROFS', { path: this.name, detail: 'the server exports it read-only' });
    }
    this.#writable = true;
  }

  read(addr: number, into: Uint8Array): void {
    this.#check(addr, into.length);
    const unit = this.#info.minBlock;
    for (let done = 0; done < into.length; ) {
      const start = addr + done - ((addr + done) % unit);
      const end = Math.min(roundUp(addr + into.length, unit), start + WINDOW);
      this.#call({ kind: 'read', addr: start, length: end - start });
      const from = addr + done - start;
      const count = Math.min(into.length - done, end - start - from);
      into.set(this.#window.subarray(from, from + count), done);
      done += count;
    }
  }

  write(addr: number, from: Uint8Array): void {
    if (!this.#writable) throw new FsError('EROFS', { path: this.name });
    this.#check(addr, from.length);
    this.#unflushed = true;
    const unit = this.#info.minBlock;
    if (addr % unit === 0 && from.length % unit === 0) this.#send(addr, from);
    else this.#writeAround(addr, from, unit);
  }

  writev(addr: number, from: readonly Uint8Array[]): void {
    const [only] = from;
    if (from.length === 1 && only !== undefined) this.write(addr, only);
    else if (from.length > 1) this.write(addr, Buffer.concat(from));
  }

  flush(): void {
    if (!this.#unflushed) return;
    this.#call({ kind: 'flush' });
    this.#unflushed = false;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#post({ kind: 'close' });
    Atomics.wait(this.#words, Control.STATE, Control.WAITING, 2000);
    this.#worker.terminate();
  }

  /** Whole blocks around the bytes, with what they hold beside them. */
  #writeAround(addr: number, from: Uint8Array, unit: number): void {
    const start = addr - (addr % unit);
    const whole = new Uint8Array(roundUp(addr + from.length, unit) - start);
    this.read(start, whole.subarray(0, unit));
    if (whole.length > unit) this.read(start + whole.length - unit, whole.subarray(whole.length - unit));
    whole.set(from, addr - start);
    this.#send(start, whole);
  }

  #send(addr: number, from: Uint8Array): void {
    for (let done = 0; done < from.length; done += WINDOW) {
      this.#checkBroken();
      this.#awaitRoom();
      // A copy: the caller goes on with its buffer.
      const bytes = new Uint8Array(from.subarray(done, done + WINDOW));
      Atomics.add(this.#words, Control.QUEUED, bytes.length);
      const request: Request = { kind: 'write', addr: addr + done, bytes };
      this.#worker.postMessage(request, [bytes.buffer]);
    }
  }

  #awaitRoom(): void {
    for (;;) {
      const queued = Atomics.load(this.#words, Control.QUEUED);
      if (queued <= QUEUE_LIMIT) return;
      Atomics.wait(this.#words, Control.QUEUED, queued);
    }
  }

  /** What a write met that went out before is thrown by the call that asks. */
  #checkBroken(): void {
    if (Atomics.load(this.#words, Control.BROKEN) !== 0) this.#call({ kind: 'flush' });
  }

  #post(request: Request): void {
    Atomics.store(this.#words, Control.STATE, Control.WAITING);
    this.#worker.postMessage(request);
  }

  #call(request: Request): void {
    if (!this.#open) throw new FsError('EIO', { path: this.name, detail: 'the connection is closed' });
    this.#post(request);
    this.#answer();
  }

  /** Sleeps until the other thread answers. @throws FsError what it says */
  #answer(): object {
    Atomics.wait(this.#words, Control.STATE, Control.WAITING);
    const text = Buffer.from(this.#text.subarray(0, this.#words[Control.TEXT])).toString('utf8');
    const said = JSON.parse(text) as { code?: string; message?: string };
    if (Atomics.load(this.#words, Control.STATE) === Control.DONE) return said;
    const code = said.code !== undefined && isErrno(said.code) ? (said.code as Errno) : 'EIO';
    throw new FsError(code, { path: this.name, detail: said.message ?? 'the connection failed' });
  }

  #check(addr: number, length: number): void {
    if (addr >= 0 && addr + length <= this.size) return;
    const detail = `bytes ${addr} to ${addr + length} lie outside the ${this.size} bytes of the export`;
    throw new FsError('EIO', { path: this.name, detail });
  }
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/** The other thread's program: beside this one, in the sources and in what is built. */
function workerFile(): string | URL {
  const here = import.meta.url;
  return here.endsWith('.ts') ? new URL('./worker.ts', here) : join(dirname(here), 'nbd-worker.js');
}
