/** The trees of an image, and the names by which a user may ask for one. */
import type { BtrfsMount } from '../mount.ts';
import { ItemType, Key, Objectid } from '../structure/key.ts';
import { TreeCursor } from '../tree/cursor.ts';
import { TreeRoot } from '../tree/root.ts';

/** What dump-tree calls the trees. */
const TITLES: Readonly<Record<number, string>> = {
  [Objectid.ROOT_TREE]: 'root',
  [Objectid.EXTENT_TREE]: 'extent',
  [Objectid.CHUNK_TREE]: 'chunk',
  [Objectid.DEV_TREE]: 'device',
  [Objectid.FS_TREE]: 'fs',
  [Objectid.ROOT_TREE_DIR]: 'directory',
  [Objectid.CSUM_TREE]: 'checksum',
  [Objectid.ORPHAN]: 'orphan',
  [Objectid.TREE_LOG]: 'log',
  [Objectid.TREE_LOG_FIXUP]: 'log fixup',
  [Objectid.TREE_RELOC]: 'reloc',
  [Objectid.DATA_RELOC_TREE]: 'data reloc',
  [Objectid.EXTENT_CSUM]: 'extent checksum',
  [Objectid.QUOTA_TREE]: 'quota',
  [Objectid.UUID_TREE]: 'uuid',
  [Objectid.FREE_SPACE_TREE]: 'free space',
  [Objectid.MULTIPLE]: 'multiple',
  [Objectid.BLOCK_GROUP_TREE]: 'block group',
  [Objectid.RAID_STRIPE_TREE]: 'raid stripe',
};

/** The heading of a tree: `extent`, `file`. */
export function treeTitle(id: number): string {
  return TITLES[id] ?? 'file';
}

const NAMES: Readonly<Record<string, number>> = {
  ROOT: Objectid.ROOT_TREE,
  EXTENT: Objectid.EXTENT_TREE,
  CHUNK: Objectid.CHUNK_TREE,
  DEVICE: Objectid.DEV_TREE,
  DEV: Objectid.DEV_TREE,
  FS: Objectid.FS_TREE,
  CSUM: Objectid.CSUM_TREE,
  CHECKSUM: Objectid.CSUM_TREE,
  QUOTA: Objectid.QUOTA_TREE,
  UUID: Objectid.UUID_TREE,
  FREE_SPACE: Objectid.FREE_SPACE_TREE,
  TREE_LOG_FIXUP: Objectid.TREE_LOG_FIXUP,
  TREE_LOG: Objectid.TREE_LOG,
  TREE_RELOC: Objectid.TREE_RELOC,
  DATA_RELOC: Objectid.DATA_RELOC_TREE,
  BLOCK_GROUP: Objectid.BLOCK_GROUP_TREE,
  RAID_STRIPE: Objectid.RAID_STRIPE_TREE,
};

/** The id that a word means: a number, or a name with or without BTRFS_ before and _TREE or _OBJECTID after; null: none. */
export function treeIdOf(word: string): number | null {
  if (/^-?\d+$/.test(word)) {
    const id = Number(word);
    const wrapped = id > Number.MAX_SAFE_INTEGER ? Number(BigInt.asIntN(64, BigInt(word))) : id;
    return wrapped === 0 ? null : wrapped;
  }
  const name = word
    .toUpperCase()
    .replaceAll('-', '_')
    .replace(/^BTRFS_/, '')
    .replace(/_OBJECTID$/, '')
    .replace(/_TREE$/, '');
  return NAMES[name] ?? null;
}

/** The keys of all ROOT_ITEMs of a tree of trees, in order. */
export function* rootItemKeys(tree: TreeRoot): Generator<Key> {
  const from = new Key(0, ItemType.ROOT_ITEM, 0);
  for (;;) {
    const cursor = new TreeCursor(tree);
    const found: Key[] = [];
    try {
      for (cursor.search(from); cursor.valid && found.length < BATCH; cursor.next())
        if (cursor.key.type === ItemType.ROOT_ITEM) found.push(cursor.key.clone());
    } finally {
      cursor.close();
    }
    yield* found;
    const last = found.at(-1);
    if (last === undefined || found.length < BATCH || !from.copyFrom(last).increment()) return;
  }
}

/** Keys that are looked at together. */
const BATCH = 256;

/** The root of a tree by its id; those that the superblock names too. @throws FsError ENOENT */
export function treeRootOf(mp: BtrfsMount, id: number): TreeRoot {
  if (id === Objectid.ROOT_TREE) return mp.treeRoot;
  return id === Objectid.CHUNK_TREE ? mp.chunkRoot : mp.root(id);
}

/** The tree of log trees as the superblock names it, or null. */
export function logTree(mp: BtrfsMount): TreeRoot | null {
  const { log_root, log_root_level } = mp.sb;
  if (log_root === 0) return null;
  return new TreeRoot(mp, Objectid.TREE_LOG, { bytenr: log_root, level: log_root_level, generation: 0 }, null);
}
