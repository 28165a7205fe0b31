/**
 * How large this process may make a file (RLIMIT_FSIZE, `ulimit -f`). Files inside an image obey it as they would if the
 * image were mounted: EFBIG, without SIGXFSZ, as where that is ignored. The image itself may be larger: mounted, it would
 * be the kernel that writes to it.
 *
 * Mirrors: fs/attr.c (inode_newsize_ok), fs/read_write.c (generic_write_check_limits).
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { FsError } from './errors.ts';

let limit = -1;

/** The size in bytes that a file of this process may have; Infinity without a limit, and elsewhere than on Linux. */
export function fileSizeLimit(): number {
  if (limit < 0) limit = hostLimits().soft;
  return limit;
}

/** May a file of `size` bytes grow to `end`? @throws FsError EFBIG */
export function checkGrowth(size: number, end: number): void {
  if (end > size && end > fileSizeLimit()) throw new FsError('EFBIG');
}

/**
 * Lifts the limit for the host's file `name` of `size` bytes, if it has to be; inside of images the old one stays.
 * @throws FsError EFBIG where this user may not: `ulimit -f` sets what only root can exceed, `ulimit -S -f` does not
 */
export function liftLimit(name: string, size: number): void {
  if (size <= fileSizeLimit()) return;
  const { hard } = hostLimits();
  const wish = hard === Infinity || hard < size ? 'unlimited' : `${hard}:`;
  spawnSync('prlimit', ['--pid', String(process.pid), `--fsize=${wish}`]);
  const { soft } = hostLimits();
  if (size <= soft) return;
  const detail = `this process may not write beyond ${soft} bytes of a file (ulimit -f), and the image has ${size}`;
  throw new FsError('EFBIG', { path: name, detail });
}

/** What the host allows now. */
function hostLimits(): { readonly soft: number; readonly hard: number } {
  const text = process.platform === 'linux' ? readFileSync('/proc/self/limits', 'latin1') : '';
  const [, soft, hard] = /^Max file size +(\w+) +(\w+)/m.exec(text) ?? [];
  return { soft: bytes(soft), hard: bytes(hard) };
}

const bytes = (word = 'unlimited'): number => (word === 'unlimited' ? Infinity : Number(word));
