/**
 * Every rule for tree blocks and items: one field of a good image is changed, the checksum made to fit, and the block
 * refused with an error that names tree, copy, address, item, field and rule.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { MemoryDevice } from '../../../core/device/memory.ts';
import { OverlayDevice } from '../../../core/device/overlay.ts';
import { FsError } from '../../../core/errors.ts';
import { checksumKind, seal } from '../../../formats/btrfs/checksum.ts';
import { type BtrfsMount, openMount } from '../../../formats/btrfs/mount.ts';
import { HEADER_SIZE, ITEM_SIZE } from '../../../formats/btrfs/structure/block.ts';
import { ItemType, Key, Objectid } from '../../../formats/btrfs/structure/key.ts';
import { TreeCursor } from '../../../formats/btrfs/tree/cursor.ts';
import type { TreeRoot } from '../../../formats/btrfs/tree/root.ts';
import { imageDevice } from '../../harness/images.ts';

const rules = suite('btrfs tree block rules');
const crc = checksumKind(0) as NonNullable<ReturnType<typeof checksumKind>>;
const image: MemoryDevice = imageDevice('btrfs-default');

function open(device: MemoryDevice): BtrfsMount {
  return openMount(device, {
    readOnly: false,
    norecovery: true,
    devices: [],
    now: () => ({ seconds: 0, nanoseconds: 0 }),
    owner: { uid: 0, gid: 0, umask: 0 },
    random: () => 0,
  });
}

function treeOf(mp: BtrfsMount, id: number): TreeRoot {
  return id === Objectid.ROOT_TREE ? mp.treeRoot : id === Objectid.CHUNK_TREE ? mp.chunkRoot : mp.root(id);
}

type Patch = (view: DataView, at: number, header: number) => void;

/** The error of reading the leaf of the tree's first item of the type (the `nth` one) after `patch` changed it. */
function refusal(tree: number, type: number, patch: Patch, nth = 0, fits = true): FsError {
  const mp = open(image);
  const cursor = new TreeCursor(treeOf(mp, tree));
  let left = nth;
  for (let more = cursor.first(); more; more = cursor.next()) if (cursor.key.type === type && left-- === 0) break;
  assert.ok(cursor.valid, `tree ${tree} has an item of type ${type}`);
  const bytes = cursor.leaf.bytes.slice();
  patch(new DataView(bytes.buffer), cursor.at, HEADER_SIZE + cursor.slot * ITEM_SIZE);
  if (fits) seal(crc, bytes);
  const damaged = new OverlayDevice(image);
  for (const { addr } of mp.space.map(cursor.leaf.bytenr, mp.nodeSize)) damaged.write(addr, bytes);
  try {
    const again = new TreeCursor(treeOf(open(damaged), tree));
    for (let more = again.first(); more; more = again.next());
  } catch (error) {
    if (error instanceof FsError) return error;
    throw error;
  }
  return assert.unreachable('the damage was not noticed') as never;
}

const u8 =
  (offset: number, value: number): Patch =>
  (view, at) =>
    view.setUint8(at + offset, value);
const u16 =
  (offset: number, value: number): Patch =>
  (view, at) =>
    view.setUint16(at + offset, value, true);
const u32 =
  (offset: number, value: number): Patch =>
  (view, at) =>
    view.setUint32(at + offset, value, true);
const u64 =
  (offset: number, value: bigint): Patch =>
  (view, at) =>
    view.setBigUint64(at + offset, value, true);
/** A part of the item's key: objectid at 0, type at 8, offset at 9. */
const key64 =
  (offset: number, value: bigint): Patch =>
  (view, _, header) =>
    view.setBigUint64(header + offset, value, true);
const header32 =
  (offset: number, value: number): Patch =>
  (view, _, header) =>
    view.setUint32(header + offset, value, true);
const block8 =
  (offset: number, value: number): Patch =>
  (view) =>
    view.setUint8(offset, value);
const block32 =
  (offset: number, value: number): Patch =>
  (view) =>
    view.setUint32(offset, value, true);
const block64 =
  (offset: number, value: bigint): Patch =>
  (view) =>
    view.setBigUint64(offset, value, true);

const {
  FS_TREE: FS,
  ROOT_TREE: ROOT,
  EXTENT_TREE: EXTENT,
  CHUNK_TREE: CHUNK,
  DEV_TREE: DEV,
  CSUM_TREE: CSUM,
} = Objectid;
const FREE = Objectid.FREE_SPACE_TREE;
const I = ItemType;
const HUGE = 0x4000_0000_0000_0000n;

const CASES: readonly (readonly [string, number, number, Patch, RegExp, number?])[] = [
  ['bytenr', FS, I.INODE_ITEM, block64(48, 4096n), /bytenr 4096: not its own address/],
  ['fsid', FS, I.INODE_ITEM, block8(32, 1), /fsid .*: of another file system/],
  ['level', FS, I.INODE_ITEM, block8(100, 3), /level 3: not 0/],
  ['level 8', FS, I.INODE_ITEM, block8(100, 8), /level 8: >= 8/],
  ['generation', FS, I.INODE_ITEM, block64(80, 3n), /generation 3: its parent says/],
  ['owner', FS, I.INODE_ITEM, block64(88, 2n), /owner EXTENT_TREE: not FS_TREE/],
  ['flags', FS, I.INODE_ITEM, block32(56, 0), /flags 0: not marked as written/],
  ['no items', FS, I.INODE_ITEM, block32(96, 0), /nritems 0/],
  ['too many items', FS, I.INODE_ITEM, block32(96, 5000), /nritems 5000: > 651/],
  ['first key', FS, I.INODE_ITEM, block64(101, 1n), /first key .*: its parent says/],
  ['key order', FS, I.INODE_REF, key64(0, 5n), /item \d+ \(5 INODE_REF .*: does not sort after/, 2],
  ['item offset', FS, I.INODE_REF, header32(17, 200), /item \d+ .* 200\+\d+: must end at/],
  ['item size', FS, I.INODE_REF, header32(21, 0x7fffffff), /must end at/],
  ['inode generation', FS, I.INODE_ITEM, u64(0, 1000n), /INODE_ITEM 0\) generation 1000: > \d+/],
  ['inode generation beyond', FS, I.INODE_ITEM, u64(0, HUGE), /4611686018427387904.*beyond 2\^53/],
  ['inode transid', FS, I.INODE_ITEM, u64(8, 1000n), /transid 1000/],
  ['mode', FS, I.INODE_ITEM, u32(52, 0o170644), /mode 0170644: no such file type/],
  ['mode bits', FS, I.INODE_ITEM, u32(52, 0x100000 + 0o100644), /mode .*: no such file type/],
  ['nlink of a directory', FS, I.INODE_ITEM, u32(40, 2), /nlink 2: > 1 of a directory/],
  ['inode flags', FS, I.INODE_ITEM, u32(64, 0x10000), /flags 0x10000: unknown flag/],
  ['inode ro flags', FS, I.INODE_ITEM, u32(68, 2), /ro_flags 0x2: unknown flag/],
  ['name length of a reference', FS, I.INODE_REF, u16(8, 0), /name_len 0: not from 1 to 255/],
  ['a long name of a reference', FS, I.INODE_REF, u16(8, 250), /name_len 250/],
  ['directory entry location', FS, I.DIR_ITEM, u8(8, 77), /location .*: neither an inode nor a subvolume/],
  ['directory entry inode', FS, I.DIR_ITEM, u64(0, 3n), /location .*: no inode has this number/],
  ['directory entry location offset', FS, I.DIR_INDEX, u64(9, 3n), /location .*: offset is not 0/],
  ['directory entry type', FS, I.DIR_ITEM, u8(29, 12), /type 12: unknown/],
  ['attribute among names', FS, I.DIR_ITEM, u8(29, 8), /type 8: attributes and names are not mixed/],
  ['name length', FS, I.DIR_INDEX, u16(27, 255), /name_len 255\+0: past the end/],
  ['data length', FS, I.DIR_ITEM, u16(25, 1), /data_len 1: not 0/],
  ['name hash', FS, I.DIR_ITEM, u8(30, 1), /name \d+: its hash is not the key offset/],
  ['attribute location', FS, I.XATTR_ITEM, u64(0, 256n), /location .*: an attribute has none/],
  ['attribute length', FS, I.XATTR_ITEM, u16(25, 60000), /past the end of the item/],
  ['extent type', FS, I.EXTENT_DATA, u8(20, 3), /type 3: unknown/],
  ['compression', FS, I.EXTENT_DATA, u8(16, 4), /compression 4: unknown/],
  ['encryption', FS, I.EXTENT_DATA, u8(17, 1), /encryption 1: unknown/],
  ['inline length', FS, I.EXTENT_DATA, u64(8, 7000n), /ram_bytes 7000: item has/],
  ['regular of inline size', FS, I.EXTENT_DATA, u8(20, 1), /item size \d+: not 53/],
  ['disk_bytenr', FS, I.EXTENT_DATA, u64(21, 4097n), /disk_bytenr 4097: not aligned/, 40],
  ['num_bytes', FS, I.EXTENT_DATA, u64(45, 100n), /num_bytes 100: not aligned/, 40],
  ['extents that overlap', FS, I.EXTENT_DATA, u64(45, 1n << 40n), /the extent before reaches to/, 40],
  ['csum key', CSUM, I.EXTENT_CSUM, key64(0, 5n), /objectid is not EXTENT_CSUM/],
  ['csum offset', CSUM, I.EXTENT_CSUM, key64(9, 4097n), /key offset is not aligned/],
  ['extent generation', EXTENT, I.EXTENT_ITEM, u64(8, 1000n), /generation 1000: >/],
  ['extent flags', EXTENT, I.EXTENT_ITEM, u64(16, 3n), /flags 3: must be either/],
  ['data with FULL_BACKREF', EXTENT, I.EXTENT_ITEM, u64(16, 257n), /FULL_BACKREF/],
  ['extent refs', EXTENT, I.EXTENT_ITEM, u64(0, 0n), /refs 0: < \d+ inline/],
  ['inline type', EXTENT, I.EXTENT_ITEM, u8(24, 99), /inline reference type 99: unknown/],
  ['inline overflow', EXTENT, I.METADATA_ITEM, u8(24, 178), /inline reference 178: runs past the end/],
  ['data reference root', EXTENT, I.EXTENT_ITEM, u64(25, 2n), /root EXTENT_TREE: has no file data/],
  ['data reference inode', EXTENT, I.EXTENT_ITEM, u64(33, 3n), /objectid 3: no inode has this number/],
  ['data reference offset', EXTENT, I.EXTENT_ITEM, u64(41, 5n), /offset 5: not aligned/],
  ['data reference count', EXTENT, I.EXTENT_ITEM, u32(49, 0), /count 0: no reference counts nothing/],
  ['tree level', EXTENT, I.METADATA_ITEM, key64(9, 9n), /level is not below 8/],
  ['block group use', EXTENT, I.BLOCK_GROUP_ITEM, u64(0, 1n << 45n), /used \d+: >/],
  ['block group chunk tree', EXTENT, I.BLOCK_GROUP_ITEM, u64(8, 7n), /chunk_objectid 7: not 256/],
  ['block group profiles', EXTENT, I.BLOCK_GROUP_ITEM, u64(16, 0x19n), /flags 25: several profiles/],
  ['block group type', EXTENT, I.BLOCK_GROUP_ITEM, u64(16, 3n), /flags 3: no such type/],
  ['root generation', ROOT, I.ROOT_ITEM, u64(160, 1000n), /generation 1000: >/],
  ['root bytenr', ROOT, I.ROOT_ITEM, u64(176, 12345n), /bytenr 12345: not aligned/],
  ['root level', ROOT, I.ROOT_ITEM, u8(238, 8), /level 8: >= 8/],
  ['root flags', ROOT, I.ROOT_ITEM, u64(208, 6n), /flags 0x6: unknown flag/],
  ['dropped without level', ROOT, I.ROOT_ITEM, u64(220, 300n), /drop_progress .*: with drop_level 0/],
  ['chunk size', CHUNK, I.CHUNK_ITEM, u16(44, 5), /item size \d+: not 208/],
  ['device item id', CHUNK, I.DEV_ITEM, u64(0, 9n), /devid 9: not the key offset/],
  ['device use', CHUNK, I.DEV_ITEM, u64(16, 1n << 50n), /bytes_used \d+: >/],
  ['device extent tree', DEV, I.DEV_EXTENT, u64(0, 9n), /chunk_tree 9: not 3/],
  ['device extent length', DEV, I.DEV_EXTENT, u64(24, 9n), /length 9: not aligned/],
  ['device extents that overlap', DEV, I.DEV_EXTENT, u64(24, 1n << 40n), /the extent before reaches to/],
  ['free space info', FREE, I.FREE_SPACE_INFO, header32(21, 4), /must end at/],
];

for (const [name, tree, type, patch, message, nth] of CASES) {
  rules(name, () => {
    const error = refusal(tree, type, patch, nth);
    assert.is(error.code, 'EUCLEAN', error.message);
    assert.match(error.message, message);
    assert.match(error.message, /^Structure needs cleaning: (leaf|node) of \w+ \(copy 1\) at 0x[0-9a-f]+\+?\d*/);
  });
}

rules('the checksum itself', () => {
  const error = refusal(FS, I.INODE_ITEM, u8(0, 77), 0, false);
  assert.match(error.message, /leaf of FS_TREE \(copy 1\) at 0x[0-9a-f]+\+0, csum 0x[0-9a-f]+: wrong \(crc32c\)/);
});

rules('keys compare as unsigned numbers', () => {
  const sorted = [
    new Key(0, 0, 0),
    new Key(1, 1, -1),
    new Key(1, 2, 0),
    new Key(256, 1, 2 ** 33),
    new Key(2 ** 40, 255, 5),
    new Key(-256, 0, 0),
    new Key(-1, 0, 0),
    new Key(-1, 255, -1),
  ];
  for (let i = 1; i < sorted.length; i++)
    assert.ok((sorted[i - 1] as Key).compare(sorted[i] as Key) < 0, `${sorted[i]}`);
  const view = new DataView(new ArrayBuffer(20));
  for (const key of sorted) {
    key.write(view, 3);
    assert.is(new Key().read(view, 3).compare(key), 0);
    assert.is(key.compareAt(view, 3), 0);
    assert.is(new Key(key.objectid, key.type, key.offset).compare(key), 0);
  }
  assert.is(String(new Key(-5, ItemType.ORPHAN_ITEM, 300)), '(ORPHAN ORPHAN_ITEM 300)');
  assert.is(String(new Key(257, ItemType.DIR_ITEM, -1)), '(257 DIR_ITEM 18446744073709551615)');
});

rules.run();
