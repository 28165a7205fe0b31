/**
 * The root tree of an image: that of the last commit, or on request an older one, of which the superblock names four.
 * What older trees point to may have been overwritten since, so they are for reading only (Linux: usebackuproot).
 */
import { FsError } from '../../core/errors.ts';
import type { BtrfsMount } from './mount.ts';
import { Objectid } from './structure/key.ts';
import { TreeRoot } from './tree/root.ts';

/** The root tree to use, and the generation that it shows if that is not the last. */
export interface ChosenRoot {
  readonly root: TreeRoot;
  readonly older: number | null;
}

/** The root tree, whose root node was read. @throws FsError EUCLEAN or EIO if it is damaged, saying what else there is */
export function chooseTreeRoot(mp: BtrfsMount): ChosenRoot {
  const { sb } = mp;
  const root = treeAt(mp, sb.root, sb.root_level, sb.generation);
  const failure = unreadable(root);
  if (failure === null) return { root, older: null };
  const backups = sb.super_roots
    .filter((backup) => backup.tree_root > 0 && backup.tree_root_gen > 0 && backup.tree_root_gen < sb.generation)
    .sort((a, b) => b.tree_root_gen - a.tree_root_gen);
  for (const backup of backups) {
    const older = treeAt(mp, backup.tree_root, backup.tree_root_level, backup.tree_root_gen);
    if (unreadable(older) !== null) continue;
    if (mp.options.backupRoot === true) return { root: older, older: backup.tree_root_gen };
    throw withHint(failure, `the older root tree of generation ${backup.tree_root_gen} can be read (--backup-root)`);
  }
  throw failure;
}

function withHint(failure: FsError, hint: string): FsError {
  const { code, damage, detail } = failure;
  if (damage === undefined)
    return new FsError(code, { detail: `${detail ?? 'no root tree'}; ${hint}`, cause: failure });
  return new FsError(code, { damage: { ...damage, rule: `${damage.rule}; ${hint}` }, cause: failure });
}

function treeAt(mp: BtrfsMount, bytenr: number, level: number, generation: number): TreeRoot {
  return new TreeRoot(mp, Objectid.ROOT_TREE, { bytenr, level, generation }, null);
}

function unreadable(root: TreeRoot): FsError | null {
  try {
    root.node();
    return null;
  } catch (error) {
    if (error instanceof FsError) return error;
    throw error;
  }
}
