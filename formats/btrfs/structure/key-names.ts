/** The numbers that have names: reserved objectids, item types. Names are the kernel's without BTRFS_ and _KEY. */

/** Reserved objectids; negative ones are the top of the u64 range. */
export const Objectid = {
  ROOT_TREE: 1,
  EXTENT_TREE: 2,
  CHUNK_TREE: 3,
  DEV_TREE: 4,
  FS_TREE: 5,
  ROOT_TREE_DIR: 6,
  CSUM_TREE: 7,
  QUOTA_TREE: 8,
  UUID_TREE: 9,
  FREE_SPACE_TREE: 10,
  BLOCK_GROUP_TREE: 11,
  RAID_STRIPE_TREE: 12,
  REMAP_TREE: 13,
  DEV_STATS: 0,
  BALANCE: -4,
  ORPHAN: -5,
  TREE_LOG: -6,
  TREE_LOG_FIXUP: -7,
  TREE_RELOC: -8,
  DATA_RELOC_TREE: -9,
  EXTENT_CSUM: -10,
  FREE_SPACE: -11,
  FREE_INO: -12,
  CSUM_CHANGE: -13,
  MULTIPLE: -255,
  /** First and last numbers of subvolumes and of inodes. */
  FIRST_FREE: 256,
  LAST_FREE: -256,
  FIRST_CHUNK_TREE: 256,
  DEV_ITEMS: 1,
  EMPTY_SUBVOL_DIR: 2,
} as const;

/** Item types: the middle part of a key. */
export const ItemType = {
  INODE_ITEM: 1,
  INODE_REF: 12,
  INODE_EXTREF: 13,
  XATTR_ITEM: 24,
  VERITY_DESC_ITEM: 36,
  VERITY_MERKLE_ITEM: 37,
  ORPHAN_ITEM: 48,
  DIR_LOG_ITEM: 60,
  DIR_LOG_INDEX: 72,
  DIR_ITEM: 84,
  DIR_INDEX: 96,
  EXTENT_DATA: 108,
  EXTENT_CSUM: 128,
  ROOT_ITEM: 132,
  ROOT_BACKREF: 144,
  ROOT_REF: 156,
  EXTENT_ITEM: 168,
  METADATA_ITEM: 169,
  EXTENT_OWNER_REF: 172,
  TREE_BLOCK_REF: 176,
  EXTENT_DATA_REF: 178,
  SHARED_BLOCK_REF: 182,
  SHARED_DATA_REF: 184,
  BLOCK_GROUP_ITEM: 192,
  FREE_SPACE_INFO: 198,
  FREE_SPACE_EXTENT: 199,
  FREE_SPACE_BITMAP: 200,
  DEV_EXTENT: 204,
  DEV_ITEM: 216,
  CHUNK_ITEM: 228,
  RAID_STRIPE: 230,
  QGROUP_STATUS: 240,
  QGROUP_INFO: 242,
  QGROUP_LIMIT: 244,
  QGROUP_RELATION: 246,
  /** Also BALANCE_ITEM. */
  TEMPORARY_ITEM: 248,
  /** Also DEV_STATS. */
  PERSISTENT_ITEM: 249,
  DEV_REPLACE: 250,
  UUID_KEY_SUBVOL: 251,
  UUID_KEY_RECEIVED_SUBVOL: 252,
  STRING_ITEM: 253,
} as const;

const TYPE_NAMES = new Map<number, string>(Object.entries(ItemType).map(([name, type]) => [type, name]));

const OBJECTID_NAMES = new Map<number, string>([
  [Objectid.ROOT_TREE, 'ROOT_TREE'],
  [Objectid.EXTENT_TREE, 'EXTENT_TREE'],
  [Objectid.CHUNK_TREE, 'CHUNK_TREE'],
  [Objectid.DEV_TREE, 'DEV_TREE'],
  [Objectid.FS_TREE, 'FS_TREE'],
  [Objectid.ROOT_TREE_DIR, 'ROOT_TREE_DIR'],
  [Objectid.CSUM_TREE, 'CSUM_TREE'],
  [Objectid.QUOTA_TREE, 'QUOTA_TREE'],
  [Objectid.UUID_TREE, 'UUID_TREE'],
  [Objectid.FREE_SPACE_TREE, 'FREE_SPACE_TREE'],
  [Objectid.BLOCK_GROUP_TREE, 'BLOCK_GROUP_TREE'],
  [Objectid.RAID_STRIPE_TREE, 'RAID_STRIPE_TREE'],
  [Objectid.REMAP_TREE, 'REMAP_TREE'],
  [Objectid.BALANCE, 'BALANCE'],
  [Objectid.ORPHAN, 'ORPHAN'],
  [Objectid.TREE_LOG, 'TREE_LOG'],
  [Objectid.TREE_LOG_FIXUP, 'TREE_LOG_FIXUP'],
  [Objectid.TREE_RELOC, 'TREE_RELOC'],
  [Objectid.DATA_RELOC_TREE, 'DATA_RELOC_TREE'],
  [Objectid.EXTENT_CSUM, 'EXTENT_CSUM'],
  [Objectid.FREE_SPACE, 'FREE_SPACE'],
  [Objectid.FREE_INO, 'FREE_INO'],
  [Objectid.CSUM_CHANGE, 'CSUM_CHANGE'],
  [Objectid.MULTIPLE, 'MULTIPLE'],
]);

/** The name of an item type, or `UNKNOWN.n`. */
export function itemTypeName(type: number): string {
  return TYPE_NAMES.get(type) ?? `UNKNOWN.${type}`;
}

/** The name of a tree or reserved objectid, or null. Small numbers mean trees only where a tree is meant. */
export function treeName(objectid: number): string | null {
  return OBJECTID_NAMES.get(objectid) ?? null;
}

/** The name of a reserved objectid of the top of the range, or null. */
export function objectidName(objectid: number): string | null {
  return objectid < 0 ? treeName(objectid) : null;
}

/** A tree as errors name it: `FS_TREE`, `tree 257`. */
export function treeText(id: number): string {
  return treeName(id) ?? `tree ${id}`;
}

/** True for ids of trees that hold files: the first tree and subvolumes. */
export function isFsTree(id: number): boolean {
  return id === Objectid.FS_TREE || id >= Objectid.FIRST_FREE;
}
