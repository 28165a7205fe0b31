/**
 * The chunk tree and the root tree of an image: those of the last commit, or on request older ones, of which the
 * superblock names four. What older trees point to may have been overwritten since, so they are for reading only
 * (Linux: usebackuproot).
 */
import { FsError } from '../../core/errors.ts';
import type { BtrfsMount } from './mount.ts';
import { MAX_LEVEL } from './structure/block.ts';
import { ItemType, Key, Objectid } from './structure/key.ts';
import { ROOT_ITEM_LEGACY_SIZE, RootItem } from './structure/root.ts';
import { TreeCursor } from './tree/cursor.ts';
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
  return choose(mp, Objectid.ROOT_TREE, newest, fault);
}

/** The chunk tree likewise. */
export function chooseChunkRoot(mp: BtrfsMount, fault: Fault): ChosenRoot {
  const { sb } = mp;
  const newest = { bytenr: sb.chunk_root, level: sb.chunk_root_level, generation: sb.chunk_root_generation };
  return choose(mp, Objectid.CHUNK_TREE, newest, fault);
}

function choose(mp: BtrfsMount, id: number, newest: Place, fault: Fault): ChosenRoot {
  const root = new TreeRoot(mp, id, newest, null);
  const failure = unreadable(root);
  const wanted = mp.options.backupRoot === true;
  if (failure === null && !(wanted && lacksFiles(root))) return { root, older: null };
  const backups = olderRoots(mp, id, newest.generation);
  // One whose files can be read, or else any that is better than none.
  const found = backups.find((backup) => !lacksFiles(backup)) ?? (failure === null ? undefined : backups[0]);
  if (found !== undefined && wanted) return { root: found, older: found.generation };
  if (failure !== null) fault(found === undefined ? failure : withHint(failure, hintOf(found)));
  return { root, older: null };
}

/** The older trees whose root node can be read, the newest of them first. */
function olderRoots(mp: BtrfsMount, id: number, generation: number): TreeRoot[] {
  const chunks = id === Objectid.CHUNK_TREE;
  return mp.sb.super_roots
    .map((backup) =>
      chunks
        ? { bytenr: backup.chunk_root, level: backup.chunk_root_level, generation: backup.chunk_root_gen }
        : { bytenr: backup.tree_root, level: backup.tree_root_level, generation: backup.tree_root_gen },
    )
    .filter(isPlace)
    .filter((place) => place.bytenr > 0 && place.generation > 0 && place.generation < generation)
    .sort((a, b) => b.generation - a.generation)
    .map((place) => new TreeRoot(mp, id, place, null))
    .filter((root) => unreadable(root) === null);
}

/** False for numbers that no place has. */
function isPlace(place: { bytenr: number | bigint; level: number; generation: number | bigint }): place is Place {
  return typeof place.bytenr === 'number' && typeof place.generation === 'number' && place.level < MAX_LEVEL;
}

/** Which older state has the files that the newest lost, as a hint for the user; null if none has. */
export function olderFiles(mp: BtrfsMount): string | null {
  const found = olderRoots(mp, Objectid.ROOT_TREE, mp.sb.generation).find((root) => !lacksFiles(root));
  return found === undefined ? null : hintOf(found);
}

function hintOf({ id, generation }: TreeRoot): string {
  const name = id === Objectid.CHUNK_TREE ? 'chunk tree' : 'root tree';
  return `the older ${name} of generation ${generation} can be read (--backup-root)`;
}

/** True for a root tree from which the tree of files cannot be reached. */
function lacksFiles(root: TreeRoot): boolean {
  if (root.id !== Objectid.ROOT_TREE) return false;
  const cursor = new TreeCursor(root);
  try {
    cursor.searchBack(new Key(Objectid.FS_TREE, ItemType.ROOT_ITEM, -1));
    const { key, view, at, size } = cursor;
    if (!cursor.valid || key.objectid !== Objectid.FS_TREE || key.type !== ItemType.ROOT_ITEM) return true;
    if (size < ROOT_ITEM_LEGACY_SIZE) return true;
    const place = {
      bytenr: RootItem.get.bytenr(view, at),
      level: RootItem.get.level(view, at),
      generation: RootItem.get.generation(view, at),
    };
    return unreadable(new TreeRoot(root.mp, Objectid.FS_TREE, place, null)) !== null;
  } catch (error) {
    if (error instanceof FsError) return true;
    throw error;
  } finally {
    cursor.close();
  }
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
