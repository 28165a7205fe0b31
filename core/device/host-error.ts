/** Errors of the host's system calls as FsErrors. */
import { type Errno, FsError, isErrno } from '../errors.ts';

/**
 * The FsError for what a node:fs call threw: the same errno where fsio knows it, else EIO with the host's text.
 * `name` is the device as the user gave it. An FsError passes through; anything without an errno is a bug and is
 * thrown on.
 */
export function hostError(error: unknown, name: string): FsError {
  if (error instanceof FsError) return error;
  const code = (error as NodeJS.ErrnoException).code;
  if (code === undefined) throw error;
  if (isErrno(code)) return new FsError(code as Errno, { path: name, cause: error });
  return new FsError('EIO', { path: name, detail: code, cause: error });
}
