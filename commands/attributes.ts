/** chmod, chown, touch, utimes: what inodes carry besides their data. */
import { FsError } from '../core/errors.ts';
import type { AttrChange, Inode, Timestamp } from '../core/vfs/inode.ts';
import { setIdBits } from '../core/vfs/mode.ts';
import { command, usage } from './command.ts';
import { CommandFailure } from './failure.ts';
import { parseMode } from './mode-change.ts';
import { parseOwner } from './owner.ts';

export const chmod = command({
  name: 'chmod',
  mildUsage: true,
  count: [1, 1],
  own: ([first = '-']) => !first.startsWith('-'),
  operands: '[mode path...]',
  about: 'set permissions: a mode of paths, octal or like u+rwX,go-w, or of the open file (-r 0444, -w 0664)',
  options: { r: { about: 'the open file: 0444' }, w: { about: 'the open file: 0664' } },
  needs: 'image',
  perFile: true,
  once: true,
  completes: 'path',
  call: 'fchmod',
  run(session, { options, operands }): undefined {
    if (options.r || options.w) {
      if (operands.length > 0) throw usage(chmod);
      session.file().inode.setAttr({ mode: options.w ? 0o664 : 0o444 });
      return;
    }
    const [word = '', ...paths] = operands;
    const change = parseMode(word);
    if (change === null || paths.length === 0) throw usage(chmod);
    for (const path of paths)
      session.changingInode(path, (inode) => {
        inode.setAttr({ mode: change(inode.stat().mode, inode.kind === 'dir', session.umask) });
      });
  },
});

export const chown = command({
  name: 'chown',
  count: [2, Number.POSITIVE_INFINITY],
  operands: 'user[:group] path...',
  about: 'set the owner and the group',
  help: "Both are numbers, or names that the image's own /etc/passwd and /etc/group have; `user:` is with its login group.",
  options: { h: { about: 'a symbolic link itself, not what it points to' } },
  needs: 'image',
  once: true,
  completes: 'path',
  run(session, { options, operands }): undefined {
    const [word = '', ...paths] = operands;
    const owner = paths.length === 0 ? null : parseOwner(session.where(paths[0] as string).mount.fs, word);
    if (owner === null) throw usage(chown);
    for (const path of paths) session.changingInode(path, (inode) => changeOwner(inode, owner), { follow: !options.h });
  },
});

/** As chown(2): a new owner takes setuid, and setgid of what a group may execute, away from a file. */
function changeOwner(inode: Inode, owner: AttrChange): void {
  const { mode } = inode.stat();
  const dropped = inode.kind === 'dir' ? 0 : setIdBits(mode);
  inode.setAttr(dropped === 0 ? owner : { ...owner, mode: mode & ~dropped });
}

export const touch = command({
  name: 'touch',
  count: [1, Number.POSITIVE_INFINITY],
  operands: 'path...',
  about: 'set times to now; a path that names nothing becomes an empty file',
  needs: 'image',
  once: true,
  completes: 'path',
  run(session, { operands }): undefined {
    for (const path of operands) {
      session.changing(
        path,
        ({ parent, name, inode, slash }) => {
          const now = parent.fs.now();
          if (inode !== null) inode.setAttr({ atime: now, mtime: now });
          else if (slash) throw new FsError('ENOENT');
          else parent.create(name, 0o666);
        },
        { follow: true },
      );
    }
  },
});

export const utimes = command({
  name: 'utimes',
  count: [4, 4],
  operands: 'atime_sec atime_nsec mtime_sec mtime_nsec',
  about: 'set the times of the open file',
  plain: true,
  call: 'futimens',
  run(session, { operands }): undefined {
    const [asec, ansec, msec, mnsec] = operands as [string, string, string, string];
    const [first, second] = [wordsOfTime(asec, ansec, 'atime'), wordsOfTime(msec, mnsec, 'mtime')];
    const { inode } = session.file();
    const [atime, mtime] = [timeOf(inode, first), timeOf(inode, second)];
    inode.setAttr({ ...(atime === null ? {} : { atime }), ...(mtime === null ? {} : { mtime }) });
  },
});

/** Nanoseconds that stand for the present, and for leaving a time alone (UTIME_NOW, UTIME_OMIT). */
const Utime = { NOW: 0x3fffffff, OMIT: 0x3ffffffe } as const;

interface TimeWords {
  readonly seconds: number | bigint;
  readonly nanoseconds: number | bigint;
}

/** @throws CommandFailure for what is no number */
function wordsOfTime(seconds: string, nanoseconds: string, name: string): TimeWords {
  const number = /^[+-]?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/;
  if (!number.test(seconds) || !number.test(nanoseconds)) throw new CommandFailure(`Bad value for ${name}`);
  return { seconds: wholeNumber(seconds), nanoseconds: wholeNumber(nanoseconds) };
}

/** The time that is meant; null: leave it. @throws FsError EINVAL */
function timeOf(inode: Inode, { seconds, nanoseconds }: TimeWords): Timestamp | null {
  if (nanoseconds === Utime.OMIT) return null;
  if (nanoseconds === Utime.NOW) return inode.fs.now();
  const time = { seconds, nanoseconds: Number(nanoseconds) };
  if (time.nanoseconds < 0 || time.nanoseconds > 999_999_999) throw new FsError('EINVAL');
  return time;
}

/** A number as a C long takes it, exact beyond 2^53 too. */
function wholeNumber(text: string): number | bigint {
  const negative = text.startsWith('-');
  const digits = text.replace(/^[+-]/, '');
  const size = BigInt(/^0[0-7]/.test(digits) ? `0o${digits.slice(1)}` : digits);
  const exact = BigInt.asIntN(64, negative ? -size : size);
  return Number.isSafeInteger(Number(exact)) ? Number(exact) : exact;
}
