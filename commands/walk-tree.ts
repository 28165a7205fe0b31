import { corrupt } from '../core/errors.ts';
import { type Inode, sameInode } from '../core/vfs/inode.ts';
import { childPath } from './tidy-path.ts';

/** A file or directory of a tree, with its path below the name of the root. */
export interface TreeEntry {
  readonly path: string;
  readonly inode: Inode;
}

/**
 * Everything below `root` in directory order, what a directory holds before it itself (nftw's FTW_DEPTH); symbolic
 * links are not followed. @throws FsError EUCLEAN for a directory that contains itself
 */
export function* treeDepthFirst(root: Inode, path: string, parents: readonly Inode[] = []): Generator<TreeEntry> {
  if (root.kind === 'dir') {
    if (parents.some((parent) => sameInode(parent, root))) {
      throw corrupt({ structure: `directory ${root.ino} at ${path}`, rule: 'it contains itself' });
    }
    const below = [...parents, root];
    for (const entry of root.entries()) {
      if (entry.name === '.' || entry.name === '..') continue;
      yield* treeDepthFirst(root.childOf(entry), childPath(path, entry.name), below);
    }
  }
  yield { path, inode: root };
}
