/** Directory blocks of all kinds as xfs_db shows them; the magic number decides which fields are there. */
import { blockTailAt, dataEntrySize, dirGeometry, leafTailAt } from '../dir/geometry.ts';
import { Da3Blkinfo, Da3NodeHeader, DaBlkinfo, DaMagic, DaNodeHeader } from '../structure/da.ts';
import {
  DIR_DATA_FREE_TAG,
  Dir3DataHeader,
  Dir3FreeHeader,
  Dir3LeafHeader,
  DirDataHeader,
  DirFreeHeader,
  DirLeafHeader,
  DirMagic,
} from '../structure/dir.ts';
import type { Block, Field, Group, Table } from './field.ts';
import {
  chars,
  crc,
  i32,
  null64,
  type Row,
  rows,
  u8,
  u16,
  u16x,
  u16xSkipZero,
  u32,
  u32x,
  u64x,
  uuid,
} from './leaves.ts';

const group = (...list: readonly Row[]): Group => ({ kind: 'group', fields: rows(...list) });

const magic32 = ({ view }: Block): number => view.getUint32(0);
const magic16 = ({ view }: Block): number => view.getUint16(DaBlkinfo.at.magic);
const has = (magics: readonly number[], magic: number): boolean => magics.includes(magic);
const isBlock = (block: Block): boolean => has(DirMagic.block, magic32(block));
const isData = (block: Block): boolean => has(DirMagic.data, magic32(block));
const isFree = (block: Block): boolean => has(DirMagic.free, magic32(block));
const isLeaf1 = (block: Block): boolean => has(DaMagic.leaf1, magic16(block));
const isLeaf = (block: Block): boolean => isLeaf1(block) || has(DaMagic.leafn, magic16(block));
const isNode = (block: Block): boolean => has(DaMagic.node, magic16(block));
const when = (test: (block: Block) => boolean) => ({ count: (block: Block) => (test(block) ? 1 : 0) });
const array = (count: (block: Block) => number) => ({ array: true, count }) as const;

const blockHeader: Group = group(
  ['magic', Dir3DataHeader.at.magic, u32x],
  ['crc', Dir3DataHeader.at.crc, crc],
  ['bno', Dir3DataHeader.at.blkno, null64],
  ['lsn', Dir3DataHeader.at.lsn, u64x],
  ['uuid', Dir3DataHeader.at.uuid, uuid],
  ['owner', Dir3DataHeader.at.owner, null64],
);
const bestfree: Group = group(['offset', 0, u16x], ['length', 2, u16x]);

/** Header of the hash tree's blocks: also attribute leaves and nodes begin with it. */
export const daInfo: Group = group(
  ['forw', DaBlkinfo.at.forw, u32],
  ['back', DaBlkinfo.at.back, u32],
  ['magic', DaBlkinfo.at.magic, u16x],
  ['pad', DaBlkinfo.at.pad, u16x, { hidden: true }],
);
export const da3Info: Group = group(
  ['hdr', 0, daInfo],
  ['crc', Da3Blkinfo.at.crc, crc],
  ['bno', Da3Blkinfo.at.blkno, null64],
  ['lsn', Da3Blkinfo.at.lsn, u64x],
  ['uuid', Da3Blkinfo.at.uuid, uuid],
  ['owner', Da3Blkinfo.at.owner, null64],
);
export const daEntry: Table = { kind: 'table', size: 8, columns: rows(['hashval', 0, u32x], ['before', 4, u32]) };

/** Header of a tree node. */
export function daNodeHeader(v5: boolean): Group {
  const at = v5 ? Da3NodeHeader.at : DaNodeHeader.at;
  const pad: Row[] = v5 ? [['pad', Da3NodeHeader.at.pad32, u32x, { hidden: true }]] : [];
  return group(['info', 0, v5 ? da3Info : daInfo], ['count', at.count, u16], ['level', at.level, u16], ...pad);
}

function dataHeader(v5: boolean): Group {
  const free: Row = [
    'bestfree',
    (_block, _base, index) => (v5 ? Dir3DataHeader : DirDataHeader).at.bestfree + index * 4,
    bestfree,
    { array: true, count: 3 },
  ];
  return v5 ? group(['hdr', 0, blockHeader], free) : group(['magic', 0, u32x], free);
}

function leafHeader(v5: boolean): Group {
  const at = v5 ? Dir3LeafHeader.at : DirLeafHeader.at;
  return group(['info', 0, v5 ? da3Info : daInfo], ['count', at.count, u16], ['stale', at.stale, u16]);
}

function freeHeader(v5: boolean): Group {
  const at = v5 ? Dir3FreeHeader.at : DirFreeHeader.at;
  const head: Row = v5 ? ['hdr', 0, blockHeader] : ['magic', 0, u32x];
  return group(head, ['firstdb', at.firstdb, i32], ['nvalid', at.nvalid, i32], ['nused', at.nused, i32]);
}

const isUnused = ({ view }: Block, at: number): boolean => view.getUint16(at) === DIR_DATA_FREE_TAG;

/** An entry or a free space; a free space's "type" is what xfs_db prints there: the first byte of its tag. */
function entry(ftype: boolean): Group {
  const used = { count: (block: Block, base: number) => (isUnused(block, base) ? 0 : 1) };
  const unused = { count: (block: Block, base: number) => (isUnused(block, base) ? 1 : 0) };
  const nameLength = ({ bytes }: Block, base: number): number => bytes[base + 8] ?? 0;
  const type: Row[] = ftype
    ? [
        [
          'filetype',
          (block, base) => (isUnused(block, base) ? entryLength(block, base) - 2 : 9 + nameLength(block, base)),
          u8,
        ],
      ]
    : [];
  return group(
    ['freetag', 0, u16x, unused],
    ['inumber', 0, null64, used],
    ['length', 2, u16x, unused],
    ['namelen', 8, u8, used],
    ['name', 9, chars, { count: (block, base) => (isUnused(block, base) ? 0 : nameLength(block, base)) }],
    ...type,
    ['tag', (block, base) => entryLength(block, base) - 2, u16x],
  );
}

function entryLength(block: Block, at: number): number {
  if (isUnused(block, at)) return Math.max(block.view.getUint16(at + 2), 8);
  return dataEntrySize(dirGeometry(block.mp), block.bytes[at + 8] ?? 0);
}

const places = new WeakMap<Block, number[]>();

/** Where the entries and free spaces of a block begin. Each is at least 8 bytes long. */
function entryPlaces(block: Block): number[] {
  let list = places.get(block);
  if (list !== undefined) return list;
  const geo = dirGeometry(block.mp);
  list = [];
  const end = isBlock(block) ? Math.max(geo.dataHeader, leafAt(block)) : block.bytes.length;
  for (let at = geo.dataHeader; at < end && at + 4 <= block.bytes.length; at += entryLength(block, at)) list.push(at);
  places.set(block, list);
  return list;
}

const tailAt = (block: Block): number => blockTailAt(dirGeometry(block.mp));
const leafCount = (block: Block): number => Math.min(block.view.getUint32(tailAt(block)), tailAt(block) / 8);
const leafAt = (block: Block): number => tailAt(block) - leafCount(block) * 8;
const bestCount = (block: Block): number =>
  Math.min(block.view.getUint32(leafTailAt(dirGeometry(block.mp))), block.bytes.length / 2);

/** Fields of directory blocks. */
export function dirFields(v5: boolean, ftype: boolean): Field[] {
  // xfs_db never shows the type in version 2 blocks, though it may be there.
  const union = entry(v5 && ftype);
  const pair = group(['hashval', 0, u32x], ['address', 4, u32x]);
  const node = v5 ? Da3NodeHeader : DaNodeHeader;
  const unionAt: Field['at'] = (block, _base, index) => entryPlaces(block)[index] ?? 0;
  const count16 = (test: (block: Block) => boolean, at: number) =>
    array((block) => (test(block) ? block.view.getUint16(at) : 0));
  const entries = (test: (block: Block) => boolean) => array((block) => (test(block) ? entryPlaces(block).length : 0));
  const leaf = v5 ? Dir3LeafHeader : DirLeafHeader;
  const free = v5 ? Dir3FreeHeader : DirFreeHeader;
  return rows(
    ['bhdr', 0, dataHeader(v5), when(isBlock)],
    ['bu', unionAt, union, entries(isBlock)],
    [
      'bleaf',
      (block, _base, index) => leafAt(block) + index * 8,
      pair,
      array((block) => (isBlock(block) ? leafCount(block) : 0)),
    ],
    ['btail', tailAt, group(['count', 0, u32], ['stale', 4, u32]), when(isBlock)],
    ['dhdr', 0, dataHeader(v5), when(isData)],
    ['du', unionAt, union, entries(isData)],
    ['lhdr', 0, leafHeader(v5), when(isLeaf)],
    [
      'lbests',
      (block, _base, index) => leafTailAt(dirGeometry(block.mp)) - (bestCount(block) - index) * 2,
      u16x,
      array((block) => (isLeaf1(block) ? bestCount(block) : 0)),
    ],
    ['lents', (_block, _base, index) => leaf.size + index * 8, pair, count16(isLeaf, leaf.at.count)],
    ['ltail', (block) => leafTailAt(dirGeometry(block.mp)), group(['bestcount', 0, u32]), when(isLeaf1)],
    ['nhdr', 0, daNodeHeader(v5), when(isNode)],
    ['nbtree', node.size, daEntry, count16(isNode, node.at.count)],
    ['fhdr', 0, freeHeader(v5), when(isFree)],
    [
      'fbests',
      free.size,
      u16xSkipZero,
      array((block) => (isFree(block) ? Math.max(0, block.view.getInt32(free.at.nvalid)) : 0)),
    ],
  );
}
