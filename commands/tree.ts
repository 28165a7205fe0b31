/** tree: what lies below a directory, drawn with lines. */
import { exactPos } from '../core/positions.ts';
import type { Inode } from '../core/vfs/inode.ts';
import { command } from './command.ts';

interface Leaf {
  /** The lines to the left of the name. */
  readonly indent: string;
  readonly name: string;
  readonly type: string;
  readonly size: number | bigint;
  readonly target: string | null;
}

/** Directories in directories: no image has more, unless it is damaged. */
const DEPTH_LIMIT = 4096;

export const tree = command({
  name: 'tree',
  operands: '[path]',
  count: [0, 4],
  about: 'what lies below a directory',
  options: {
    L: { value: 'levels', kind: 'integer', about: 'so many levels deep' },
    d: { about: 'directories only' },
  },
  needs: 'image',
  once: true,
  completes: 'path',
  *run(session, { options, operands: [path = '.'] }): Generator<Leaf> {
    const root = session.lookup(path, { follow: true });
    yield leafOf('', path, root);
    if (root.kind === 'dir') yield* below(root, '', Math.min(options.L ?? DEPTH_LIMIT, DEPTH_LIMIT), options.d);
  },
  text({ indent, name, type, target }, out) {
    const mark = type === 'dir' && !name.endsWith('/') ? '/' : '';
    out.write(`${indent}${name}${mark}${target === null ? '' : ` -> ${target}`}\n`);
  },
  json: ({ indent, ...leaf }) => ({ command: 'tree', depth: indent.length / 4, ...leaf }),
});

function* below(dir: Inode, indent: string, levels: number, onlyDirectories: boolean): Generator<Leaf> {
  if (levels < 1) return;
  const entries = [...dir.entries()].filter(({ name }) => name !== '.' && name !== '..');
  entries.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  const shown = onlyDirectories
    ? entries.filter((entry) => (entry.kind ?? dir.childOf(entry).kind) === 'dir')
    : entries;
  for (const [i, entry] of shown.entries()) {
    const last = i === shown.length - 1;
    const inode = dir.childOf(entry);
    yield leafOf(`${indent}${last ? '└── ' : '├── '}`, entry.name, inode);
    if (inode.kind === 'dir') yield* below(inode, `${indent}${last ? '    ' : '│   '}`, levels - 1, onlyDirectories);
  }
}

function leafOf(indent: string, name: string, inode: Inode): Leaf {
  const target = inode.kind === 'symlink' ? inode.readlink() : null;
  return { indent, name, type: inode.kind, size: exactPos(inode.size), target };
}
