/**
 * stdout and stderr, written synchronously in large pieces. What goes to stderr comes after what was written to stdout
 * before it; but where both are one file or pipe (`2>&1`), they come in the order that xfs_io's have there: its stdout
 * is written in blocks, so that complaints overtake what is shorter. A reader that went away (EPIPE) makes the output
 * closed, not the program fail: an image that was changed must still be brought to its end.
 */
import { fstatSync, writeSync } from 'node:fs';
import type { Streams } from '../commands/render.ts';
import type { TextSink } from '../commands/text.ts';
import { pause } from '../core/pause.ts';
import { encodeName } from '../core/vfs/names.ts';
import { isTerminal } from './terminal.ts';

const FLUSH_AT = 1 << 16;
/** What the C library writes at once to what is no terminal. */
const BLOCK = 4096;
const NOTHING = new Uint8Array(0);

class Sink implements TextSink {
  closed = false;
  private readonly fd: number;
  private pending: string[] = [];
  private length = 0;
  /** What stays behind of the last block, before `pending`. */
  private rest: Uint8Array = NOTHING;
  /** Bytes that were written. */
  private done = 0;
  private readonly before: () => void;
  private readonly inBlocks: () => boolean;

  constructor(fd: number, before: () => void, inBlocks = () => false) {
    this.fd = fd;
    this.before = before;
    this.inBlocks = inBlocks;
  }

  write(text: string): void {
    this.pending.push(text);
    this.length += text.length;
    if (this.length >= FLUSH_AT) this.overflow();
  }

  bytes(data: Uint8Array): void {
    this.overflow();
    if (this.inBlocks()) this.putBlocks(this.rest.length === 0 ? data : Buffer.concat([this.rest, data]));
    else this.put(data);
  }

  /** Writes what is there, or as much of it as fills blocks. */
  overflow(): void {
    if (this.inBlocks()) this.putBlocks(this.take());
    else this.flush();
  }

  flush(): void {
    const data = this.take();
    this.rest = NOTHING;
    if (data.length > 0) this.put(data);
  }

  private take(): Uint8Array {
    if (this.length === 0) return this.rest;
    const text = encodeName(this.pending.join(''));
    this.pending = [];
    this.length = 0;
    return this.rest.length === 0 ? text : Buffer.concat([this.rest, text]);
  }

  /** The C library keeps a block until there is more. */
  private putBlocks(data: Uint8Array): void {
    const end = this.done + data.length;
    const blocks = Math.max(0, Math.floor((end - 1) / BLOCK) * BLOCK - this.done);
    if (blocks > 0) this.put(data.subarray(0, blocks));
    this.rest = data.slice(blocks);
  }

  private put(data: Uint8Array): void {
    this.before();
    this.done += data.length;
    for (let done = 0; done < data.length && !this.closed; ) {
      try {
        done += writeSync(this.fd, data, done, data.length - done);
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        // A pipe that does not block and is full: its reader gets a moment.
        if (code === 'EAGAIN') pause(2);
        else if (code === 'EPIPE') this.closed = true;
        else throw error;
      }
    }
  }
}

/** The process's own streams. */
export class ProcessStreams implements Streams {
  /** Called before anything is written. */
  beforeOutput: (() => void) | null = null;
  /** Whatever stdout and stderr are, what is written first comes first. */
  inOrder = false;
  private oneFile: boolean | null = null;
  readonly out = new Sink(
    1,
    () => this.beforeOutput?.(),
    () => !this.inOrder && this.sameFile(),
  );
  private readonly err = new Sink(2, () => this.beforeOutput?.());

  error(line: string): void {
    this.out.overflow();
    this.err.write(`${line}\n`);
    this.err.flush();
  }

  flush(): void {
    this.out.flush();
  }

  private sameFile(): boolean {
    this.oneFile ??= isOneFile();
    return this.oneFile;
  }
}

/** True if stdout and stderr go to one file or pipe that is no terminal. */
function isOneFile(): boolean {
  try {
    const [out, err] = [fstatSync(1), fstatSync(2)];
    return out.dev === err.dev && out.ino === err.ino && out.rdev === err.rdev && !isTerminal(1);
  } catch {
    return false;
  }
}
