/**
 * From a path to an inode, as Linux walks (kernel: fs/namei.c): symbolic links on the way are always followed, the
 * last one on request or when a slash follows; `..` of the root is the root; at most 40 links.
 */
import { FsError } from '../errors.ts';
import type { Filesystem } from './filesystem.ts';
import { type Inode, sameInode } from './inode.ts';
import { encodeName } from './names.ts';

const MAX_LINKS = 40;
const PATH_MAX = 4096;
const NAME_MAX = 255;

export interface ResolveOptions {
  /** Follow a symbolic link in the last place (default true). */
  readonly follow?: boolean;
}

/** Where a path leads: the directory that has (or would have) the last name, and what the name is there. */
export interface PathEnd {
  readonly parent: Inode;
  /** The last name; `.` when the path is a root or ends in `.` or `..`. */
  readonly name: string;
  /** Null if nothing has that name. */
  readonly inode: Inode | null;
  /** A slash follows the last name: only a directory will do. */
  readonly slash: boolean;
}

/** The inode that `path` names, seen from directory `cwd`. @throws FsError ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, EUCLEAN */
export function resolve(fs: Filesystem, cwd: Inode, path: string, options: ResolveOptions = {}): Inode {
  const end = resolveEnd(fs, cwd, path, options);
  if (end.inode === null) throw new FsError('ENOENT', { path });
  return end.inode;
}

/** Like resolve(), but the last name need not exist: for creating it. @throws FsError as resolve() */
export function resolveEnd(fs: Filesystem, cwd: Inode, path: string, options: ResolveOptions = {}): PathEnd {
  if (path === '') throw new FsError('ENOENT', { path });
  if (path.length * 3 >= PATH_MAX && encodeName(path).length >= PATH_MAX) throw new FsError('ENAMETOOLONG', { path });
  try {
    return walk(fs, cwd, path, options.follow ?? true);
  } catch (error) {
    throw error instanceof FsError ? error.withPath(path) : error;
  }
}

function walk(fs: Filesystem, cwd: Inode, path: string, follow: boolean): PathEnd {
  // Names still to walk, next one last; a link's target is pushed in front of what follows the link.
  const todo: string[] = [];
  let here = push(todo, path) ? fs.root() : cwd;
  let slash = path.endsWith('/');
  let links = 0;
  while (todo.length > 0) {
    const name = todo.pop() as string;
    const last = todo.length === 0;
    if (here.kind !== 'dir') throw new FsError('ENOTDIR');
    if (name === '.' || name === '..') {
      if (name === '..') here = parentOf(fs, here);
      continue;
    }
    const inode = step(here, name);
    if (inode === null) {
      if (!last) throw new FsError('ENOENT');
      return { parent: here, name, inode: null, slash };
    }
    if (inode.kind === 'symlink' && (!last || follow || slash)) {
      if (++links > MAX_LINKS) throw new FsError('ELOOP');
      const target = inode.readlink();
      if (target === '') throw new FsError('ENOENT');
      if (last && target.endsWith('/')) slash = true;
      if (push(todo, target)) here = fs.root();
      if (todo.length === 0) break;
      continue;
    }
    if (last) {
      if (slash && inode.kind !== 'dir') throw new FsError('ENOTDIR');
      return { parent: here, name, inode, slash };
    }
    here = inode;
  }
  return { parent: here, name: '.', inode: here, slash };
}

/** Puts the names of `path` on the stack; true if it starts at the root. */
function push(todo: string[], path: string): boolean {
  const names = path.split('/');
  for (let i = names.length - 1; i >= 0; i--) if (names[i] !== '') todo.push(names[i] as string);
  return path.startsWith('/');
}

function step(dir: Inode, name: string): Inode | null {
  if (name.length * 3 > NAME_MAX && encodeName(name).length > NAME_MAX) throw new FsError('ENAMETOOLONG');
  return dir.child(name);
}

function parentOf(fs: Filesystem, dir: Inode): Inode {
  if (sameInode(dir, fs.root())) return dir;
  const parent = dir.child('..');
  if (parent === null) throw new FsError('ENOENT');
  return parent;
}
