/** The path walk on a tree of plain objects: links, dots, slashes and limits as open(2) has them. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FsError } from '../../core/errors.ts';
import { openFile } from '../../core/vfs/file.ts';
import type { Filesystem } from '../../core/vfs/filesystem.ts';
import type { Inode } from '../../core/vfs/inode.ts';
import { resolve, resolveEnd } from '../../core/vfs/path.ts';

type Tree = { [name: string]: Tree | string };

/** Strings that start with `->` are links, other strings are files. */
const tree: Tree = {
  a: { b: { file: 'x' }, up: '-> ..', abs: '-> /a/b/', dangling: '-> nowhere' },
  link: '-> a/b',
  file: 'y',
  loop: '-> loop',
  chain0: '-> file',
};
for (let i = 1; i <= 45; i++) tree[`chain${i}`] = `-> chain${i - 1}`;

const inodes: Inode[] = [];
let created = '';

function add(node: Tree | string, parent: number | null): number {
  const ino = inodes.length;
  const text = typeof node === 'string' ? node : '';
  const names = new Map<string, number>();
  const kind = typeof node !== 'string' ? 'dir' : text.startsWith('-> ') ? 'symlink' : 'file';
  const inode = {
    ino,
    kind,
    readlink: () => text.slice(3),
    stat: () => ({ xflags: 0 }),
    child: (name: string) => inodes[names.get(name) ?? -1] ?? null,
    create: (name: string) => {
      created = `${ino}/${name}`;
      return inodes[3];
    },
    truncate: () => undefined,
    acquire: () => undefined,
    get fs() {
      return fs;
    },
  };
  inodes.push(inode as unknown as Inode);
  names.set('..', parent ?? ino);
  if (typeof node !== 'string') for (const [name, child] of Object.entries(node)) names.set(name, add(child, ino));
  return ino;
}

const fs = { readOnly: false, root: () => inodes[0], iget: (ino: number) => inodes[ino] } as unknown as Filesystem;
add(tree, null);
const root = fs.root();
const fails = (code: string, act: () => unknown): void =>
  assert.throws(act, (error: unknown) => error instanceof FsError && error.code === code);

test('dots, doubled slashes and links on the way', () => {
  const b = resolve(fs, root, '/a/b');
  const file = resolve(fs, root, '/a/b/file');
  assert.is(resolve(fs, root, '//a/./b/../b//file'), file);
  assert.is(resolve(fs, root, 'link/file'), file);
  assert.is(resolve(fs, b, '../up/a/abs/file'), file);
  assert.is(resolve(fs, b, '../../../../..'), root);
  assert.is(resolve(fs, root, '/'), root);
  assert.is(resolve(fs, b, '.'), b);
});

test('the last link is followed unless told; a slash follows it always', () => {
  assert.is(resolve(fs, root, 'link', { follow: false }).kind, 'symlink');
  assert.is(resolve(fs, root, 'link/', { follow: false }).kind, 'dir');
  assert.is(resolve(fs, root, 'link').kind, 'dir');
});

test('what is missing, not a directory, too long or goes round', () => {
  fails('ENOENT', () => resolve(fs, root, ''));
  fails('ENOENT', () => resolve(fs, root, '/a/none'));
  fails('ENOENT', () => resolve(fs, root, '/none/file'));
  fails('ENOENT', () => resolve(fs, root, '/a/dangling'));
  fails('ENOTDIR', () => resolve(fs, root, '/file/x'));
  fails('ENOTDIR', () => resolve(fs, root, '/file/'));
  fails('ELOOP', () => resolve(fs, root, '/loop'));
  assert.is(resolve(fs, root, 'chain39').kind, 'file');
  fails('ELOOP', () => resolve(fs, root, 'chain40'));
  fails('ENAMETOOLONG', () => resolve(fs, root, 'n'.repeat(256)));
  fails('ENOENT', () => resolve(fs, root, 'n'.repeat(255)));
  fails('ENAMETOOLONG', () => resolve(fs, root, 'a/'.repeat(2048)));
});

test('a name to be created: where it would be', () => {
  const end = resolveEnd(fs, root, '/a/b/new');
  assert.is(end.parent, resolve(fs, root, '/a/b'));
  assert.is(end.name, 'new');
  assert.is(end.inode, null);
  assert.is(resolveEnd(fs, root, '/a/dangling').name, 'nowhere');
});

test('open: create, exclusive, directories', () => {
  openFile(fs, root, '/a/b/new', { write: true, create: true });
  assert.is(created, `${resolve(fs, root, '/a/b').ino}/new`);
  fails('EEXIST', () => openFile(fs, root, '/file', { create: true, exclusive: true }));
  fails('EEXIST', () => openFile(fs, root, '/a/dangling', { create: true, exclusive: true }));
  fails('EISDIR', () => openFile(fs, root, '/a', { write: true }));
  fails('EISDIR', () => openFile(fs, root, '/a', { create: true }));
  fails('EISDIR', () => openFile(fs, root, '/a/new/', { create: true }));
  fails('ENOENT', () => openFile(fs, root, '/a/new', {}));
  fails('EINVAL', () => openFile(fs, root, '/file', {}).read(-1, new Uint8Array(1)));
  fails('EBADF', () => openFile(fs, root, '/file', {}).write(0, new Uint8Array(1)));
  fails('EISDIR', () => openFile(fs, root, '/a', {}).read(0, new Uint8Array(1)));
  fails('EINVAL', () => openFile(fs, root, '/file', {}).truncate(1));
});

test.run();
