import { corrupt } from '../core/errors.ts';
import type { Inode } from '../core/vfs/inode.ts';

/** A file or directory of a tree, with its path below the name of the root. */
export interface TreeEntry {
  readonly path: string;
  readonly inode: Inode;
}

/**
 * Everything below `root` in directory order, what a directory holds before it itself (nftw's FTW_DEPTH); symbolic
 * links are not followed. @throws FsError EUCLEAN for a directory that contains itself
 */
export function* treeDepthFirst(root: Inode, path: string, parents: readonly number[] = []): Generator<TreeEntry> {
  if (root.kind === 'dir') {
    if (parents.includes(root.ino)) {
      throw corrupt({ structure: `directory ${root.ino} at ${path}`, rule: 'it contains itself' });
    }
    const below = [...parents, root.ino];
    for (const { name, ino } of root.entries()) {
      if (name === '.' || name === '..') continue;
      yield* treeDepthFirst(root.fs.iget(ino), `${path === '/' ? '' : path}/${name}`, below);
    }
  }
  yield { path, inode: root };
}
