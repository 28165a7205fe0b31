/** mkdir, rmdir, rm, mv, ln, symlink, mknod, mkfifo, touch: the names of the image. Paths need no open file. */
import { FsError } from '../core/errors.ts';
import { type DeviceNumber, type Inode, sameInode } from '../core/vfs/inode.ts';
import { command, usage } from './command.ts';
import { CommandFailure, perror } from './failure.ts';
import type { Session } from './session.ts';
import { parseInteger } from './words.ts';

/** Permissions as chmod and mkdir take them. @throws CommandFailure */
function octalMode(word: string | undefined, otherwise: number): number {
  if (word === undefined) return otherwise;
  if (!/^[0-7]{1,5}$/.test(word)) throw new CommandFailure(`invalid mode -- ${word}`, { code: 'EINVAL' });
  return Number.parseInt(word, 8) & 0o7777;
}

export const mkdir = command({
  name: 'mkdir',
  count: [1, Number.POSITIVE_INFINITY],
  operands: 'path...',
  about: 'make directories',
  options: { m: { value: 'mode', kind: 'text', about: 'octal permissions (default 0777)' } },
  needs: 'image',
  once: true,
  completes: 'path',
  run(session, { options, operands }): undefined {
    for (const path of operands) {
      session.changing(path, ({ parent, name, inode }) => {
        if (inode !== null) throw new FsError('EEXIST');
        parent.mkdir(name, octalMode(options.m, 0o777));
      });
    }
  },
});

export const rmdir = command({
  name: 'rmdir',
  count: [1, Number.POSITIVE_INFINITY],
  operands: 'path...',
  about: 'remove empty directories',
  needs: 'image',
  once: true,
  completes: 'path',
  run(session, { operands }): undefined {
    for (const path of operands) {
      session.changing(path, ({ parent, name, inode }) => {
        if (inode === null) throw new FsError('ENOENT');
        if (sameInode(inode, inode.fs.root())) throw new FsError('EBUSY');
        parent.rmdir(name);
      });
    }
  },
});

export const rm = command({
  name: 'rm',
  count: [1, Number.POSITIVE_INFINITY],
  operands: 'path...',
  about: 'remove files',
  options: {
    f: { about: 'a path that names nothing is no failure' },
    r: { about: 'directories too, with all that they hold' },
  },
  needs: 'image',
  once: true,
  completes: 'path',
  run(session, { options, operands }): undefined {
    if (operands.length === 0) throw usage(rm);
    for (const path of operands) {
      session.changing(path, ({ parent, name, inode }) => {
        if (inode === null && options.f) return;
        if (inode === null) throw new FsError('ENOENT');
        if (sameInode(inode, inode.fs.root())) throw new FsError('EBUSY');
        if (inode.kind === 'dir' && !options.r) throw new FsError('EISDIR');
        remove(parent, name, inode);
      });
    }
  },
});

/** Removes a name with all that is below it. What a directory holds is listed before any of it goes. */
function remove(parent: Inode, name: string, inode: Inode): void {
  if (inode.kind !== 'dir') {
    parent.unlink(name);
    return;
  }
  const entries = [...inode.entries()].filter((entry) => entry.name !== '.' && entry.name !== '..');
  for (const entry of entries) remove(inode, entry.name, inode.childOf(entry));
  parent.rmdir(name);
}

export const mv = command({
  name: 'mv',
  count: [2, Number.POSITIVE_INFINITY],
  operands: 'from... to',
  about: 'rename; into a directory if several are moved, or if the last path ends in / or .',
  options: {
    n: { about: 'do not replace anything' },
    T: { about: 'the last path is the new name, even if it is a directory' },
    x: { about: 'exchange the two' },
  },
  needs: 'image',
  once: true,
  completes: 'path',
  run(session, { options, operands }): undefined {
    const target = operands.at(-1) as string;
    const sources = operands.slice(0, -1);
    // Two names are rename(2)'s, over an empty directory too; that the last one is meant as a place must be seen in it.
    const place = sources.length > 1 || /(^|\/)\.{0,2}$/.test(target);
    const into = !options.T && !options.x && place && session.isDirectory(target);
    if (sources.length === 0 || (sources.length > 1 && !into)) throw usage(mv);
    const mode = options.x ? 'exchange' : options.n ? 'noreplace' : 'replace';
    for (const source of sources) {
      session.changing(source, (from) => {
        if (from.inode === null) throw new FsError('ENOENT');
        if (from.name === '.') throw new FsError('EBUSY');
        const to = session.pathEnd(into ? `${target}/${from.name}` : target);
        if (to.slash && from.inode.kind !== 'dir') throw new FsError('ENOTDIR');
        if (to.name === '.') throw new FsError('EBUSY');
        if (from.parent.fs !== to.parent.fs) throw new FsError('EXDEV');
        from.parent.rename(from.name, to.parent, to.name, mode);
      });
    }
  },
});

export const ln = command({
  name: 'ln',
  count: [2, 3],
  operands: 'from to',
  about: 'give a file a further name',
  options: { s: { about: 'make a symbolic link instead' } },
  needs: 'image',
  once: true,
  completes: 'path',
  run(session, { options, operands }): undefined {
    if (operands.length !== 2) throw usage(ln);
    const [from, to] = operands as [string, string];
    const inode = options.s ? null : session.lookup(from, { follow: false });
    session.changing(to, (end) => {
      if (end.inode !== null) throw new FsError('EEXIST');
      if (end.slash) throw new FsError('ENOENT');
      if (inode === null) end.parent.symlink(end.name, from);
      else if (inode.fs !== end.parent.fs) throw new FsError('EXDEV');
      else end.parent.link(end.name, inode);
    });
  },
});

export const symlink = command({
  name: 'symlink',
  count: [2, 2],
  operands: 'target path',
  about: 'make a symbolic link',
  plain: true,
  needs: 'image',
  once: true,
  completes: 'path',
  run(session, { operands }): undefined {
    const [target, path] = operands as [string, string];
    session.changing(path, (end) => {
      if (end.inode !== null) throw new FsError('EEXIST');
      if (end.slash) throw new FsError('ENOENT');
      end.parent.symlink(end.name, target);
    });
  },
});

export const readlink = command({
  name: 'readlink',
  count: [1, 1],
  operands: 'path',
  about: 'print where a symbolic link points',
  needs: 'image',
  once: true,
  completes: 'path',
  run: (session, { operands }): { target: string } => ({
    target: session.lookup(operands[0] as string, { follow: false }).readlink(),
  }),
  text: ({ target }, out) => out.write(`${target}\n`),
});

const NODE_KINDS: Readonly<Record<string, 'fifo' | 'char' | 'block' | 'socket'>> = {
  p: 'fifo',
  c: 'char',
  u: 'char',
  b: 'block',
  s: 'socket',
};

export const mknod = command({
  name: 'mknod',
  count: [2, 6],
  operands: 'path p|c|b|s [major minor]',
  about: 'make a fifo (p), device (c, b) or socket (s)',
  options: { m: { value: 'mode', kind: 'text', about: 'octal permissions (default 0666)' } },
  needs: 'image',
  once: true,
  completes: 'path',
  run(session, { options, operands }): undefined {
    const [path, letter = '', ...numbers] = operands as [string, string?, string?, string?];
    const kind = NODE_KINDS[letter];
    const [major, minor] = numbers.map((word) => parseInteger(word ?? ''));
    const isDevice = kind === 'char' || kind === 'block';
    if (kind === undefined || numbers.length !== (isDevice ? 2 : 0) || major === null || minor === null)
      throw usage(mknod);
    const device = major === undefined || minor === undefined ? null : { major, minor };
    makeNode(session, path, kind, octalMode(options.m, 0o666), device);
  },
});

export const mkfifo = command({
  name: 'mkfifo',
  count: [1, 3],
  operands: 'path',
  about: 'make a fifo',
  options: { m: { value: 'mode', kind: 'text', about: 'octal permissions (default 0666)' } },
  needs: 'image',
  once: true,
  completes: 'path',
  run(session, { options, operands }): undefined {
    if (operands.length !== 1) throw usage(mkfifo);
    makeNode(session, operands[0] as string, 'fifo', octalMode(options.m, 0o666), null);
  },
});

function makeNode(
  session: Session,
  path: string,
  kind: 'fifo' | 'char' | 'block' | 'socket',
  mode: number,
  device: DeviceNumber | null,
): void {
  session.changing(path, ({ parent, name, inode, slash }) => {
    if (inode !== null) throw new FsError('EEXIST');
    if (slash) throw new FsError('ENOENT');
    parent.mknod(name, kind, mode, device);
  });
}

export const flink = command({
  name: 'flink',
  mildUsage: true,
  count: [1, 1],
  operands: 'path',
  about: 'give the open file a (further) name',
  plain: true,
  once: true,
  completes: 'path',
  run(session, { operands }): undefined {
    try {
      const end = session.pathEnd(operands[0] as string);
      if (end.inode !== null) throw new FsError('EEXIST');
      if (end.slash) throw new FsError('ENOENT');
      end.parent.link(end.name, session.file().named);
    } catch (error) {
      throw error instanceof FsError ? perror('flink', error) : error;
    }
  },
});
