import { describeDamage, type Errno, type FsError, strerror } from '../core/errors.ts';

/** How a failed command speaks: the line as xfs_io prints it, where, and whether the run's exit status becomes 1. */
export interface FailureOptions {
  readonly stream?: 'stdout' | 'stderr';
  /** xfs_io prints some complaints and still exits 0; such a failure counts only with --strict. */
  readonly silent?: boolean;
  readonly code?: Errno;
  readonly cause?: unknown;
  /** What getopt(3) said first, on stderr. */
  readonly complaint?: string;
  /** Nothing is printed: xfs_io only exits 1. */
  readonly mute?: boolean;
  /** The exit status that the run gets; 1 unless a signal would have ended xfs_io. */
  readonly status?: number;
}

/** A command that did not do what it was asked to; `message` is the line (or lines) to print. */
export class CommandFailure extends Error {
  readonly stream: 'stdout' | 'stderr';
  readonly silent: boolean;
  readonly code: Errno | undefined;
  readonly complaint: string | undefined;
  readonly status: number;
  readonly mute: boolean;

  constructor(message: string, options: FailureOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'CommandFailure';
    this.stream = options.stream ?? 'stderr';
    this.silent = options.silent ?? false;
    this.code = options.code;
    this.complaint = options.complaint;
    this.status = options.status ?? 1;
    this.mute = options.mute ?? false;
  }

  /** The same, which leaves the exit status alone. */
  silenced(): CommandFailure {
    const { stream, status, mute, code, complaint } = this;
    const known = { ...(code === undefined ? {} : { code }), ...(complaint === undefined ? {} : { complaint }) };
    return new CommandFailure(this.message, { stream, status, mute, silent: true, cause: this.cause, ...known });
  }
}

/** The line perror(3) would print for `error` under the name `what`, with the damage where there is one. */
export function perror(what: string, error: FsError, options: FailureOptions = {}): CommandFailure {
  return new CommandFailure(`${what}: ${explain(error)}`, { code: error.code, cause: error, ...options });
}

/** Errors whose reason lies in the image or in how it was opened; the user needs the detail. */
const DETAILED = new Set<Errno>(['EBADF', 'EIO', 'EUCLEAN', 'EROFS', 'EFBIG', 'ELIBACC']);

/** strerror(3) of an error; where the image or the way it was opened is to blame, also what is wrong and where. */
export function explain(error: FsError): string {
  let text: string = strerror(error.code);
  if (error.detail !== undefined && DETAILED.has(error.code)) text += `: ${error.detail}`;
  if (error.damage !== undefined) text += `: ${describeDamage(error.damage)}`;
  return text;
}
