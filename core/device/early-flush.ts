/**
 * Starts the host's disk while we still write: after every so many bytes a thread of libuv's pool is asked for an
 * fdatasync that nobody waits for, so that the one that counts finds little left.
 *
 * It has a file descriptor of its own: the kernel reports a lost write once for each, and ours must not be told here.
 */
import { close, closeSync, fdatasync, openSync } from 'node:fs';

/** Bytes written between two requests. */
const PIECE = 32 * 1024 * 1024;

export class EarlyFlush {
  private readonly path: string;
  private fd = -1;
  private written = 0;
  private running = 0;
  private closed = false;

  constructor(path: string) {
    this.path = path;
  }

  /** `bytes` more were written. */
  wrote(bytes: number): void {
    this.written += bytes;
    if (this.written < PIECE) return;
    this.written = 0;
    if (this.fd < 0) this.fd = openQuietly(this.path);
    if (this.fd < 0) return;
    this.running++;
    fdatasync(this.fd, () => this.ended());
  }

  close(): void {
    this.closed = true;
    if (this.fd >= 0 && this.running === 0) closeSync(this.fd);
  }

  private ended(): void {
    this.running--;
    if (this.closed && this.running === 0) close(this.fd, () => {});
  }
}

function openQuietly(path: string): number {
  try {
    return openSync(path, 'r');
  } catch {
    // It only makes things faster.
    return -1;
  }
}
