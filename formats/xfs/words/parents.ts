/** parent: the names of the open file (xfsprogs' io/parent.c since parent pointers exist); path-of-inode. */
import { says, WordFailure, word } from '../../../core/vfs/word.ts';
import { inodePaths, type ParentName, parentNames } from '../inspect/parents.ts';
import type { XfsMount } from '../mount.ts';
import { mountOf } from './mount-of.ts';

export const parentWords = [
  word({
    name: 'parent',
    mildUsage: true,
    about: 'the names of the open file, and the directories they are in',
    help: 'Read from parent pointers where the image has them; without them the whole tree is searched.',
    needsFile: true,
    options: {
      i: { value: 'inode', kind: 'integer', about: 'only names in this directory' },
      n: { value: 'name', kind: 'text', about: 'only this name' },
      p: { about: 'whole paths' },
      s: { about: 'one line a name: inode/generation/length/name' },
    },
    run(context, { options, operands }) {
      if (operands.length > 0 || context.file === null) throw context.usage();
      const mp = mountOf(context);
      const { inode, name } = context.file;
      const image = name.slice(0, Math.max(0, name.indexOf(':/') + 1));
      if (inode.ino === mp.rootIno)
        return says({ ino: inode.ino, root: true }, [options.p ? `${image}/` : 'Root directory.']);
      const show = (row: ParentName) =>
        options.p ? `${image}${row.path}` : options.s ? shortRow(row) : `${longRow(row)}\n`;
      return names(mp, inode.ino, options, show);
    },
  }),
  word({
    name: 'path-of-inode',
    operands: 'inode...',
    about: 'every path of an inode number',
    help: 'Read from parent pointers where the image has them; without them the whole tree is searched.',
    run(context, { operands }) {
      if (operands.length === 0) throw context.usage();
      for (const text of operands)
        if (!/^\d+$/.test(text)) throw new WordFailure(`${text} is not a numeric inode value`, 'stdout');
      return pathsOf(mountOf(context), operands.map(Number));
    },
  }),
] as const;

interface Filter {
  readonly i: number | undefined;
  readonly n: string | undefined;
}

function* names(mp: XfsMount, ino: number, filter: Filter, show: (row: ParentName) => string) {
  for (const row of parentNames(mp, ino)) {
    if (filter.i !== undefined && row.ino !== filter.i) continue;
    if (filter.n !== undefined && row.name !== filter.n) continue;
    yield says({ ...row }, [show(row)]);
  }
}

const shortRow = ({ ino, gen, length, name }: ParentName): string => `${ino}/${gen}/${length}/${name}`;

function longRow({ ino, gen, length, name }: ParentName): string {
  return [`p_ino     = ${ino}`, `p_gen     = ${gen}`, `p_namelen = ${length}`, `p_name    = "${name}"`].join('\n');
}

function* pathsOf(mp: XfsMount, inodes: readonly number[]) {
  for (const ino of inodes) {
    let found = false;
    for (const path of inodePaths(mp, ino)) {
      found = true;
      yield says({ ino, path }, [path]);
    }
    if (!found) throw new WordFailure(`inode ${ino} has no path`);
  }
}
