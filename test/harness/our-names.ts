/** The operations of kernel-names.ts done by ourselves on an unmounted image, with the same answers. */
import { FsError } from '../../core/errors.ts';
import { bufferedWrite } from '../../core/iomap/write.ts';
import type { Filesystem } from '../../core/vfs/filesystem.ts';
import type { Inode, XattrNamespace } from '../../core/vfs/inode.ts';
import { resolve } from '../../core/vfs/path.ts';
import type { NameOp } from './kernel-names.ts';

/** The answers: an errno name or 'ok' for each operation. Anything that is no FsError is thrown. */
export function ourNames(fs: Filesystem, ops: readonly NameOp[]): string[] {
  return ops.map((op) => {
    try {
      perform(fs, op);
      return 'ok';
    } catch (error) {
      if (error instanceof FsError) return error.code === 'EUCLEAN' ? error.message : error.code;
      throw new Error(`${op.join(' ')}: ${(error as Error).stack}`);
    }
  });
}

function walk(fs: Filesystem, path: string, follow = false): Inode {
  return path === '' ? fs.root() : resolve(fs, fs.root(), path, { follow });
}

function parentOf(fs: Filesystem, path: string): { dir: Inode; name: string } {
  const slash = path.lastIndexOf('/');
  const dir = slash < 0 ? fs.root() : walk(fs, path.slice(0, slash), true);
  if (dir.kind !== 'dir') throw new FsError('ENOTDIR');
  return { dir, name: path.slice(slash + 1) };
}

function valueBytes(name: string, size: number): Uint8Array {
  return Buffer.from(name.repeat(Math.floor(size / name.length) + 1).slice(0, size));
}

const RENAMES = { rename: 'replace', noreplace: 'noreplace', exchange: 'exchange' } as const;

function perform(fs: Filesystem, [op, ...args]: NameOp): void {
  const path = String(args[0]);
  const text = (i: number): string => String(args[i]);
  const number = (i: number): number => Number(args[i]);
  switch (op) {
    case 'create': {
      const { dir, name } = parentOf(fs, path);
      dir.create(name, number(1));
      return;
    }
    case 'write': {
      const file = walk(fs, path, true);
      if (file.kind !== 'file') throw new FsError('EINVAL');
      if (file.readOnly === true) throw new FsError('EROFS');
      file.touch();
      bufferedWrite(file, 0, Buffer.alloc(number(1), 'x'));
      return;
    }
    case 'tmpfile': {
      const file = walk(fs, path, true).tmpfile(0o640);
      file.acquire();
      try {
        if (text(1) !== '') {
          const { dir, name } = parentOf(fs, text(1));
          dir.link(name, file);
        }
      } finally {
        file.release(true);
      }
      return;
    }
    case 'mknod': {
      const { dir, name } = parentOf(fs, path);
      dir.mknod(name, text(1) as 'fifo', number(2), { major: number(3), minor: number(4) });
      return;
    }
    case 'symlink': {
      const { dir, name } = parentOf(fs, text(1));
      dir.symlink(name, path);
      return;
    }
    case 'link': {
      const file = walk(fs, path);
      const { dir, name } = parentOf(fs, text(1));
      dir.link(name, file);
      return;
    }
    case 'rename':
    case 'noreplace':
    case 'exchange': {
      const from = parentOf(fs, path);
      const to = parentOf(fs, text(1));
      from.dir.rename(from.name, to.dir, to.name, RENAMES[op]);
      return;
    }
    case 'mkdir':
    case 'rmdir':
    case 'unlink': {
      const { dir, name } = parentOf(fs, path);
      if (op === 'mkdir') dir.mkdir(name, number(1));
      else if (op === 'rmdir') dir.rmdir(name);
      else dir.unlink(name);
      return;
    }
    default:
      change(fs, [op, ...args]);
  }
}

function change(fs: Filesystem, [op, ...args]: NameOp): void {
  const inode = walk(fs, String(args[0]), op === 'chmod');
  const [first, second] = [args[1], args[2]].map(Number) as [number, number];
  const dot = String(args[1]).indexOf('.');
  const space = String(args[1]).slice(0, dot) as XattrNamespace;
  const name = String(args[1]).slice(dot + 1);
  if (op === 'chmod') inode.setAttr({ mode: first });
  else if (op === 'chown') inode.setAttr({ uid: first, gid: second });
  else if (op === 'utimes')
    inode.setAttr({ atime: { seconds: first, nanoseconds: 5 }, mtime: { seconds: second, nanoseconds: 7 } });
  else if (op === 'setxattr')
    inode.setXattr(
      space,
      name,
      valueBytes(`${space}.${name}`, second),
      (['any', 'create', 'replace'] as const)[Number(args[3])] ?? 'any',
    );
  else if (op === 'removexattr') inode.removeXattr(space, name);
  else throw new Error(`no operation ${op}`);
}
