/** tree: what lies below a directory, drawn with lines. */
import { exactPos } from '../core/positions.ts';
import type { DirEntry, FileKind, Inode } from '../core/vfs/inode.ts';
import { command } from './command.ts';
import { Complaints, sortedEntries } from './complaints.ts';
import { childPath } from './tidy-path.ts';

interface Leaf {
  /** The lines to the left of the name. */
  readonly indent: string;
  readonly name: string;
  /** As ls(1) marks it. */
  readonly type: string;
  readonly size: number | bigint;
  /** Where a symbolic link points. */
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
    const complaints = new Complaints();
    const levels = Math.min(options.L ?? DEPTH_LIMIT, DEPTH_LIMIT);
    if (root.kind === 'dir') yield* below({ dir: root, path, indent: '', levels }, options.d, complaints);
    complaints.raise();
  },
  text({ indent, name, type, target }, out) {
    const mark = type === 'dir' && !name.endsWith('/') ? '/' : '';
    out.write(`${indent}${name}${mark}${target === null ? '' : ` -> ${target}`}\n`);
  },
  json: ({ indent, ...leaf }) => ({ command: 'tree', depth: indent.length / 4, ...leaf }),
});

interface Branch {
  readonly dir: Inode;
  readonly path: string;
  readonly indent: string;
  /** How many more levels are shown. */
  readonly levels: number;
}

function* below(branch: Branch, onlyDirectories: boolean, complaints: Complaints): Generator<Leaf> {
  const { dir, path, indent, levels } = branch;
  if (levels < 1) return;
  const entries = sortedEntries(dir, `tree: ${path}`, complaints);
  const shown = onlyDirectories ? entries.filter((entry) => kindOf(dir, entry) === 'dir') : entries;
  for (const [i, entry] of shown.entries()) {
    const last = i === shown.length - 1;
    const { name } = entry;
    const at = childPath(path, name);
    const line = `${indent}${last ? '└── ' : '├── '}`;
    const inode = complaints.attempt(`tree: ${at}`, () => dir.childOf(entry));
    const leaf = inode === null ? null : complaints.attempt(`tree: ${at}`, () => leafOf(line, name, inode));
    yield leaf ?? { indent: line, name, type: '?', size: 0, target: null };
    if (inode?.kind !== 'dir') continue;
    const deeper = { dir: inode, path: at, indent: `${indent}${last ? '    ' : '│   '}`, levels: levels - 1 };
    yield* below(deeper, onlyDirectories, complaints);
  }
}

/** What an entry is, asked of its inode where the directory does not say; null if that is damaged. */
function kindOf(dir: Inode, entry: DirEntry): FileKind | null {
  return entry.kind ?? new Complaints().attempt('', () => dir.childOf(entry).kind);
}

function leafOf(indent: string, name: string, inode: Inode): Leaf {
  const target = inode.kind === 'symlink' ? inode.readlink() : null;
  return { indent, name, type: inode.kind, size: exactPos(inode.size), target };
}
