/** cat, get, put: file contents out of the image and into it. */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { hostError } from '../core/device/host-error.ts';
import { FsError } from '../core/errors.ts';
import { exactPos } from '../core/positions.ts';
import { expect } from '../core/steps.ts';
import { command } from './command.ts';
import { perror } from './failure.ts';
import type { OpenFile } from './open-file.ts';
import type { Session } from './session.ts';

const CHUNK = 1 << 20;

interface Copied {
  /** In the image for `get`, on the host for `put`. */
  readonly from: string;
  /** The other way round. */
  readonly to: string;
  readonly bytes: number;
}

export const cat = command({
  name: 'cat',
  count: [0, Number.POSITIVE_INFINITY],
  operands: '[path...]',
  about: 'print what files contain, or the open file',
  needs: 'image',
  once: true,
  completes: 'path',
  *run(session, { operands }): Generator<Contents> {
    if (operands.length === 0) yield* contents(session, session.file());
    for (const path of operands) {
      const file = session.openSource(path);
      yield* contents(session, file);
      file.close();
    }
  },
  text: ({ data }, out) => out.bytes(data),
  json: ({ data }) => ({ command: 'cat', data: Buffer.from(data).toString('base64') }),
});

interface Contents {
  /** The next bytes of the file; with --json as base64. */
  readonly data: Uint8Array;
}

function* contents(session: Session, file: OpenFile): Generator<{ data: Uint8Array }> {
  expect(file.inode.size);
  const buffer = session.buffer(CHUNK);
  for (let at = 0; ; ) {
    const bytes = file.read(at, buffer);
    if (bytes === 0) return;
    yield { data: buffer.subarray(0, bytes) };
    at += bytes;
  }
}

export const get = command({
  name: 'get',
  count: [1, 2],
  operands: 'path [hostfile]',
  about: 'copy a file out of the image',
  help: 'Holes stay holes. Without a second name the file keeps its own, in the current directory of the host.',
  needs: 'image',
  once: true,
  completes: 'path',
  run(session, { operands }): Copied {
    const [path, name] = operands as [string, string?];
    const to = name ?? (path.split('/').at(-1) as string);
    const file = session.openSource(path);
    const bytes = exactPos(file.inode.size);
    if (typeof bytes === 'bigint') {
      file.close();
      // Node writes at no position that a number does not hold.
      throw perror(to, new FsError('EFBIG'));
    }
    const fd = onHost(to, () => openSync(to, 'w'));
    try {
      copyOut(session, file, fd, to);
      return { from: path, to, bytes };
    } finally {
      closeSync(fd);
      file.close();
    }
  },
});

/** Copies the data of `file`, leaving holes unwritten. */
function copyOut(session: Session, file: OpenFile, fd: number, to: string): void {
  const buffer = session.buffer(CHUNK);
  const size = file.inode.size;
  expect(size);
  let at = 0;
  while (at < size) {
    const start = file.seekData(at);
    if (start === null) break;
    const end = file.seekHole(start) ?? size;
    for (at = start; at < end; ) {
      const bytes = file.read(at, buffer.subarray(0, Math.min(CHUNK, end - at)));
      if (bytes === 0) return;
      onHost(to, () => writeAll(fd, buffer.subarray(0, bytes), Number(exactPos(at))));
      at += bytes;
    }
  }
  onHost(to, () => ftruncateSync(fd, Number(exactPos(size))));
}

function writeAll(fd: number, data: Uint8Array, position: number): void {
  for (let done = 0; done < data.length; ) done += writeSync(fd, data, done, data.length - done, position + done);
}

export const put = command({
  name: 'put',
  count: [2, 2],
  operands: 'hostfile path',
  about: 'copy a file into the image',
  help: 'Creates the file, with the permissions of the host file, or replaces what it contains.',
  needs: 'image',
  once: true,
  completes: 'host',
  run(session, { operands }): Copied {
    const [from, path] = operands as [string, string];
    const fd = onHost(from, () => openSync(from, 'r'));
    try {
      const mode = onHost(from, () => fstatSync(fd)).mode & 0o777 & ~session.umask;
      const file = session.openTarget(path, mode);
      expect(onHost(from, () => fstatSync(fd)).size);
      const bytes = copyIn(session, file, fd, from);
      file.close();
      return { from, to: path, bytes };
    } finally {
      closeSync(fd);
    }
  },
});

function copyIn(session: Session, file: OpenFile, fd: number, from: string): number {
  const buffer = session.buffer(CHUNK);
  for (let at = 0; ; ) {
    const bytes = onHost(from, () => readSync(fd, buffer, 0, CHUNK, at));
    if (bytes === 0) return at;
    for (let done = 0; done < bytes; ) done += file.write(at + done, buffer.subarray(done, bytes));
    at += bytes;
  }
}

/** Runs a system call of the host; its failure is about the host's file `path`. */
function onHost<T>(path: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw perror(path, hostError(error, path));
  }
}
