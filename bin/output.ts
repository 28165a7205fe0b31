/**
 * stdout and stderr, written synchronously in large pieces. What goes to stderr comes after what was written to
 * stdout before it. A reader that went away (EPIPE) makes the output closed, not the program fail: an image that
 * was changed must still be brought to its end.
 */
import { writeSync } from 'node:fs';
import type { Streams } from '../commands/render.ts';
import type { TextSink } from '../commands/text.ts';
import { encodeName } from '../core/vfs/names.ts';

const FLUSH_AT = 1 << 16;

class Sink implements TextSink {
  closed = false;
  private readonly fd: number;
  private pending: string[] = [];
  private length = 0;
  private readonly before: () => void;

  constructor(fd: number, before: () => void) {
    this.fd = fd;
    this.before = before;
  }

  write(text: string): void {
    this.pending.push(text);
    this.length += text.length;
    if (this.length >= FLUSH_AT) this.flush();
  }

  bytes(data: Uint8Array): void {
    this.flush();
    this.put(data);
  }

  flush(): void {
    if (this.length === 0) return;
    const text = this.pending.join('');
    this.pending = [];
    this.length = 0;
    this.put(encodeName(text));
  }

  private put(data: Uint8Array): void {
    this.before();
    for (let done = 0; done < data.length && !this.closed; ) {
      try {
        done += writeSync(this.fd, data, done, data.length - done);
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        if (code === 'EAGAIN') pause();
        else if (code === 'EPIPE') this.closed = true;
        else throw error;
      }
    }
  }
}

/** A pipe that does not block and is full: give its reader a moment. */
function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
}

/** The process's own streams. */
export class ProcessStreams implements Streams {
  /** Called before anything is written. */
  beforeOutput: (() => void) | null = null;
  readonly out = new Sink(1, () => this.beforeOutput?.());
  private readonly err = new Sink(2, () => this.beforeOutput?.());

  error(line: string): void {
    this.out.flush();
    this.err.write(`${line}\n`);
    this.err.flush();
  }

  flush(): void {
    this.out.flush();
  }
}
