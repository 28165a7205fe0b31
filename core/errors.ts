/**
 * The one error class of fsio: an errno code as Linux would return it, what was being done, where, and for
 * damage the structure, device address, field, value and rule. Everything a user's image, argument or device
 * can cause is an FsError; any other exception is a bug in fsio.
 */

const MESSAGES = {
  EPERM: 'Operation not permitted',
  ENOENT: 'No such file or directory',
  EINTR: 'Interrupted system call',
  EIO: 'Input/output error',
  ENXIO: 'No such device or address',
  E2BIG: 'Argument list too long',
  EBADF: 'Bad file descriptor',
  EAGAIN: 'Resource temporarily unavailable',
  ENOMEM: 'Cannot allocate memory',
  EACCES: 'Permission denied',
  EFAULT: 'Bad address',
  EBUSY: 'Device or resource busy',
  EEXIST: 'File exists',
  EXDEV: 'Invalid cross-device link',
  ENODEV: 'No such device',
  ENOTDIR: 'Not a directory',
  EISDIR: 'Is a directory',
  EINVAL: 'Invalid argument',
  ENFILE: 'Too many open files in system',
  EMFILE: 'Too many open files',
  ENOTTY: 'Inappropriate ioctl for device',
  ETXTBSY: 'Text file busy',
  EFBIG: 'File too large',
  ENOSPC: 'No space left on device',
  ESPIPE: 'Illegal seek',
  EROFS: 'Read-only file system',
  EMLINK: 'Too many links',
  EPIPE: 'Broken pipe',
  ERANGE: 'Numerical result out of range',
  ENAMETOOLONG: 'File name too long',
  ENOSYS: 'Function not implemented',
  ENOTEMPTY: 'Directory not empty',
  ELOOP: 'Too many levels of symbolic links',
  ENODATA: 'No data available',
  EOVERFLOW: 'Value too large for defined data type',
  EOPNOTSUPP: 'Operation not supported',
  EUCLEAN: 'Structure needs cleaning',
  ELIBACC: 'Can not access a needed shared library',
  EBADMSG: 'Bad message',
  EBADR: 'Invalid request descriptor',
  EDQUOT: 'Disk quota exceeded',
  ENOKEY: 'Required key not available',
  ESTALE: 'Stale file handle',
} as const;

/** The errno names that fsio uses, with Linux's meaning. */
export type Errno = keyof typeof MESSAGES;

/** Whether a host's error code is one that fsio knows. */
export function isErrno(code: string): code is Errno {
  return Object.hasOwn(MESSAGES, code);
}

/** The text of strerror(3) for an errno name. */
export function strerror(code: Errno): string {
  return MESSAGES[code];
}

/** What is wrong with an on-disk structure, where, and which rule it breaks. */
export interface Damage {
  /** Structure and place as a person says it: `agf 0`, `bmbt block of inode 133, data fork level 1`. */
  readonly structure: string;
  /** Device byte address of the structure. */
  readonly addr?: number;
  /** Byte offset of the field in the structure. */
  readonly offset?: number;
  /** Field name, as xfs_db or dump-tree print it. */
  readonly field?: string;
  /** The value found, already readable. */
  readonly value?: string;
  /** The rule that it breaks: `crc`, `magic`, `511 > 251`. */
  readonly rule: string;
}

export interface FsErrorOptions {
  readonly path?: string;
  readonly detail?: string;
  readonly damage?: Damage;
  readonly cause?: unknown;
}

/** An operation that failed for a reason outside fsio; `message` is one line without the operation's name. */
export class FsError extends Error {
  readonly code: Errno;
  readonly path: string | undefined;
  readonly detail: string | undefined;
  readonly damage: Damage | undefined;

  constructor(code: Errno, options: FsErrorOptions = {}) {
    super(describe(code, options), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'FsError';
    this.code = code;
    this.path = options.path;
    this.detail = options.detail;
    this.damage = options.damage;
  }

  /** The same error, saying which path it is about (unless it already does). */
  withPath(path: string): FsError {
    if (this.path !== undefined) return this;
    return new FsError(this.code, {
      path,
      ...(this.detail === undefined ? {} : { detail: this.detail }),
      ...(this.damage === undefined ? {} : { damage: this.damage }),
      cause: this,
    });
  }
}

/** An EUCLEAN error for a damaged structure. */
export function corrupt(damage: Damage): FsError {
  return new FsError('EUCLEAN', { damage });
}

function describe(code: Errno, options: FsErrorOptions): string {
  let text = MESSAGES[code] as string;
  if (options.path !== undefined) text = `${options.path}: ${text}`;
  if (options.detail !== undefined) text += `: ${options.detail}`;
  if (options.damage !== undefined) text += `: ${describeDamage(options.damage)}`;
  return text;
}

/** One line for a damage: `bmbt block of inode 133 at 0x2801000+6, numrecs 511: > 251`. */
export function describeDamage(damage: Damage): string {
  let text = damage.structure;
  if (damage.addr !== undefined) {
    text += ` at 0x${damage.addr.toString(16)}`;
    if (damage.offset !== undefined) text += `+${damage.offset}`;
  }
  if (damage.field !== undefined) text += `, ${damage.field}`;
  if (damage.value !== undefined) text += ` ${damage.value}`;
  return `${text}: ${damage.rule}`;
}
