/** cp: copies of files in the image, sharing blocks where that is possible, as cp(1) does with --reflink. */
import { FsError } from '../core/errors.ts';
import { exactPos } from '../core/positions.ts';
import { expect } from '../core/steps.ts';
import { command, usage } from './command.ts';
import { CommandFailure, explain } from './failure.ts';
import type { OpenFile } from './open-file.ts';
import type { Session } from './session.ts';

const CHUNK = 1 << 20;
const WHENS = ['auto', 'always', 'never'] as const;
type When = (typeof WHENS)[number];

interface Copied {
  readonly from: string;
  readonly to: string;
  readonly bytes: number | bigint;
  /** Did the files come to share their blocks? */
  readonly shared: boolean;
}

export const cp = command({
  name: 'cp',
  count: [2, Number.POSITIVE_INFINITY],
  operands: '[--reflink[=always|auto|never]] from... to',
  about: 'copy files of the image, sharing their blocks where that is possible',
  help: `Holes stay holes. --reflink alone, or =always, fails where blocks cannot be shared; =never copies every byte.
With several files, or a directory as the last word, the copies go into that directory.`,
  plain: true,
  needs: 'image',
  once: true,
  completes: 'path',
  *run(session, { operands }): Generator<Copied> {
    let when: When = 'auto';
    const paths: string[] = [];
    for (const word of operands) {
      const match = /^--reflink(?:=(.*))?$/s.exec(word);
      if (match === null) {
        if (/^-./.test(word)) throw usage(cp, `cp: unrecognized option '${word}'`);
        paths.push(word);
        continue;
      }
      const given = WHENS.find((known) => known === (match[1] ?? 'always'));
      if (given === undefined) throw usage(cp);
      when = given;
    }
    const to = paths.pop();
    if (to === undefined || paths.length === 0) throw usage(cp);
    const into = isDirectory(session, to);
    if (paths.length > 1 && !into)
      throw new CommandFailure(`cp: target '${to}' is not a directory`, { code: 'ENOTDIR' });
    for (const from of paths) {
      const target = into ? `${to.replace(/\/+$/, '')}/${from.replace(/\/+$/, '').split('/').at(-1)}` : to;
      yield copyFile(session, from, target, when);
    }
  },
});

function isDirectory(session: Session, path: string): boolean {
  try {
    return session.isDirectory(path);
  } catch (error) {
    if (error instanceof FsError && error.code === 'ENOENT') return false;
    throw error;
  }
}

function copyFile(session: Session, from: string, to: string, when: When): Copied {
  const source = session.openSource(from);
  try {
    if (source.inode.kind === 'dir') throw new FsError('EISDIR', { path: from });
    const { mode } = source.inode.stat();
    const same = samePlace(session, source, to);
    if (same) throw new CommandFailure(`cp: '${from}' and '${to}' are the same file`);
    const target = session.openTarget(to, mode & 0o777 & ~session.umask);
    try {
      const shared = when !== 'never' && share(source, target, from, to, when);
      if (!shared) copyBytes(session, source, target);
      return { from, to, bytes: exactPos(source.inode.size), shared };
    } finally {
      target.close();
    }
  } finally {
    source.close();
  }
}

/** Opening the target empties it: it must not be the source. */
function samePlace(session: Session, source: OpenFile, path: string): boolean {
  const { inode } = session.pathEnd(path, { follow: true });
  return (
    inode !== null &&
    inode.fs === source.inode.fs &&
    inode.ino === source.inode.ino &&
    inode.subvolume === source.inode.subvolume
  );
}

function share(source: OpenFile, target: OpenFile, from: string, to: string, when: When): boolean {
  try {
    if (source.mount !== target.mount) throw new FsError('EXDEV');
    target.inode.reflink(source.inode, 0, 0, 0);
    return true;
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    if (when === 'always') {
      throw new CommandFailure(`cp: failed to clone '${to}' from '${from}': ${explain(error)}`, { code: error.code });
    }
    if (['EOPNOTSUPP', 'EXDEV', 'EINVAL', 'ENOSPC'].includes(error.code)) return false;
    throw error;
  }
}

function copyBytes(session: Session, source: OpenFile, target: OpenFile): void {
  const { size } = source.inode;
  const buffer = session.buffer(CHUNK);
  expect(size);
  for (let at = 0; at < size; ) {
    const start = source.seekData(at);
    if (start === null) break;
    const end = source.seekHole(start) ?? size;
    for (at = start; at < end; ) {
      const bytes = source.read(at, buffer.subarray(0, Math.min(CHUNK, end - at)));
      if (bytes === 0) return;
      for (let done = 0; done < bytes; ) done += target.write(at + done, buffer.subarray(done, bytes));
      at += bytes;
    }
  }
  if (target.inode.size < size) target.inode.truncate(size);
}
