/**
 * The chunk tree and the root tree of an image: those of the last commit, or on request older ones, of which the
 * superblock names four. What older trees point to may have been overwritten since, so they are for reading only
 * (Linux: usebackuproot).
 */
import { FsError } from '../../core/errors.ts';
import type { BtrfsMount } from './mount.ts';
import { Objectid } from './structure/key.ts';
import { TreeRoot } from './tree/root.ts';

/** The tree to use, and the generation that it shows if that is not the last. */
export interface ChosenRoot {
  readonly root: TreeRoot;
  readonly older: number | null;
}

/** Where a root node is, and how old it is. */
interface Place {
  readonly bytenr: number;
  readonly level: number;
  readonly generation: number;
}

/** Told of a tree that cannot be read, and of what else there is; may throw it. */
type Fault = (failure: FsError) => void;

/** The root tree, whose root node was read; `fault` hears if it cannot be. */
export function chooseTreeRoot(mp: BtrfsMount, fault: Fault): ChosenRoot {
  const { sb } = mp;
  const newest = { bytenr: sb.root, level: sb.root_level, generation: sb.generation };
  const older = sb.super_roots.map((backup) => ({
    bytenr: backup.tree_root,
    level: backup.tree_root_level,
    generation: backup.tree_root_gen,
  }));
  return choose(mp, Objectid.ROOT_TREE, newest, older, fault);
}

/** The chunk tree likewise. */
export function chooseChunkRoot(mp: BtrfsMount, fault: Fault): ChosenRoot {
  const { sb } = mp;
  const newest = { bytenr: sb.chunk_root, level: sb.chunk_root_level, generation: sb.chunk_root_generation };
  const older = sb.super_roots.map((backup) => ({
    bytenr: backup.chunk_root,
    level: backup.chunk_root_level,
    generation: backup.chunk_root_gen,
  }));
  return choose(mp, Objectid.CHUNK_TREE, newest, older, fault);
}

function choose(mp: BtrfsMount, id: number, newest: Place, older: readonly Place[], fault: Fault): ChosenRoot {
  const root = new TreeRoot(mp, id, newest, null);
  const failure = unreadable(root);
  if (failure === null) return { root, older: null };
  const backups = older
    .filter((backup) => backup.bytenr > 0 && backup.generation > 0 && backup.generation < newest.generation)
    .sort((a, b) => b.generation - a.generation);
  for (const backup of backups) {
    const found = new TreeRoot(mp, id, backup, null);
    if (unreadable(found) !== null) continue;
    if (mp.options.backupRoot === true) return { root: found, older: backup.generation };
    const name = id === Objectid.CHUNK_TREE ? 'chunk tree' : 'root tree';
    fault(withHint(failure, `the older ${name} of generation ${backup.generation} can be read (--backup-root)`));
    return { root, older: null };
  }
  fault(failure);
  return { root, older: null };
}

function withHint(failure: FsError, hint: string): FsError {
  const { code, damage, detail } = failure;
  if (damage === undefined)
    return new FsError(code, { detail: `${detail ?? 'no root tree'}; ${hint}`, cause: failure });
  return new FsError(code, { damage: { ...damage, rule: `${damage.rule}; ${hint}` }, cause: failure });
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
