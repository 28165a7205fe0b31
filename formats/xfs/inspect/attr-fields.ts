/** Blocks of attribute forks and remote symlinks as xfs_db shows them. */
import {
  ATTR3_RMT_MAGIC,
  Attr3LeafHeader,
  AttrFlag,
  AttrLeafEntry,
  AttrLeafHeader,
  AttrLeafLocal,
  AttrLeafRemote,
  AttrRemoteHeader,
} from '../structure/attr.ts';
import { Da3NodeHeader, DaBlkinfo, DaMagic, DaNodeHeader } from '../structure/da.ts';
import { SymlinkHeader } from '../structure/symlink.ts';
import { da3Info, daEntry, daInfo, daNodeHeader } from './dir-fields.ts';
import type { Block, Field, Group, Table } from './field.ts';
import { bit, chars, crc, null64, type Row, rows, u8, u8x, u16, u32, u32x, u64x, uuid } from './leaves.ts';

const group = (...list: readonly Row[]): Group => ({ kind: 'group', fields: rows(...list) });
const magic16 = ({ view }: Block): number => view.getUint16(DaBlkinfo.at.magic);
const isLeaf = (block: Block): boolean => DaMagic.attrLeaf.some((magic) => magic === magic16(block));
const isNode = (block: Block): boolean => DaMagic.node.some((magic) => magic === magic16(block));
const isRemote = (block: Block): boolean => block.view.getUint32(0) === ATTR3_RMT_MAGIC;
const when = (test: (block: Block) => boolean) => ({ count: (block: Block) => (test(block) ? 1 : 0) });

const map: Table = { kind: 'table', size: 4, columns: rows(['base', 0, u16], ['size', 2, u16]) };

function leafHeader(v5: boolean): Group {
  const at = v5 ? Attr3LeafHeader.at : AttrLeafHeader.at;
  return group(
    ['info', 0, v5 ? da3Info : daInfo],
    ['count', at.count, u16],
    ['usedbytes', at.usedbytes, u16],
    ['firstused', at.firstused, u16],
    ['holes', at.holes, u8],
    ['pad1', at.pad1, u8x, { hidden: true }],
    ['freemap', at.freemap, map, { array: true, count: 3 }],
  );
}

const E = AttrLeafEntry.at;
const entry: Table = {
  kind: 'table',
  size: AttrLeafEntry.size,
  columns: rows(
    ['hashval', E.hashval, u32x],
    ['nameidx', E.nameidx, u16],
    ['flags', E.flags, u8x, { hidden: true }],
    ['incomplete', E.flags, bit(1, 7)],
    ['root', E.flags, bit(1, 1)],
    ['secure', E.flags, bit(1, 2)],
    ['local', E.flags, bit(1, 0)],
    ['pad2', E.pad2, u8x, { hidden: true }],
  ),
};

/** A name and value where the leaf keeps them; `base` is the place in the block, which tells the entry. */
function nameAndValue(v5: boolean): Group {
  const local = (block: Block, base: number): boolean => {
    const header = v5 ? Attr3LeafHeader.size : AttrLeafHeader.size;
    const count = (v5 ? Attr3LeafHeader : AttrLeafHeader).get.count(block.view, 0);
    for (let i = 0; i < count; i++) {
      const at = header + i * AttrLeafEntry.size;
      if (at + AttrLeafEntry.size > block.bytes.length) return false;
      if (AttrLeafEntry.get.nameidx(block.view, at) === base)
        return (AttrLeafEntry.get.flags(block.view, at) & AttrFlag.LOCAL) !== 0;
    }
    return false;
  };
  const L = AttrLeafLocal;
  const R = AttrLeafRemote;
  const near = (count: (block: Block, base: number) => number) => ({
    count: (b: Block, base: number) => (local(b, base) ? count(b, base) : 0),
  });
  const far = (count: (block: Block, base: number) => number) => ({
    count: (b: Block, base: number) => (local(b, base) ? 0 : count(b, base)),
  });
  const one = (): number => 1;
  const localName = ({ bytes }: Block, base: number): number => bytes[base + L.at.namelen] ?? 0;
  return group(
    ['valuelen', L.at.valuelen, u16, near(one)],
    ['namelen', L.at.namelen, u8, near(one)],
    ['name', L.size, chars, near(localName)],
    ['value', (block, base) => L.size + localName(block, base), chars, near(({ view }, base) => view.getUint16(base))],
    ['valueblk', R.at.valueblk, u32x, far(one)],
    ['valuelen', R.at.valuelen, u32, far(one)],
    ['namelen', R.at.namelen, u8, far(one)],
    ['name', R.size, chars, far(({ bytes }, base) => bytes[base + R.at.namelen] ?? 0)],
  );
}

const remoteHeader: Group = group(
  ['magic', AttrRemoteHeader.at.magic, u32x],
  ['offset', AttrRemoteHeader.at.offset, u32],
  ['bytes', AttrRemoteHeader.at.bytes, u32],
  ['crc', AttrRemoteHeader.at.crc, crc],
  ['uuid', AttrRemoteHeader.at.uuid, uuid],
  ['owner', AttrRemoteHeader.at.owner, null64],
  ['bno', AttrRemoteHeader.at.blkno, null64],
  ['lsn', AttrRemoteHeader.at.lsn, u64x],
);

/** Fields of blocks in an attribute fork. A v4 block that is neither leaf nor node is all value. */
export function attrFields(v5: boolean): Field[] {
  const leaf = v5 ? Attr3LeafHeader : AttrLeafHeader;
  const node = v5 ? Da3NodeHeader : DaNodeHeader;
  const leafEntries = (block: Block): number => (isLeaf(block) ? leaf.get.count(block.view, 0) : 0);
  const remote: Row[] = v5
    ? [
        ['hdr', 0, remoteHeader, when(isRemote)],
        [
          'data',
          AttrRemoteHeader.size,
          chars,
          { count: (block) => (isRemote(block) ? AttrRemoteHeader.get.bytes(block.view, 0) : 0) },
        ],
      ]
    : [['data', 0, chars, { count: (block) => (isLeaf(block) || isNode(block) ? 0 : block.bytes.length) }]];
  return rows(
    ['hdr', 0, leafHeader(v5), when(isLeaf)],
    ['hdr', 0, daNodeHeader(v5), when(isNode)],
    ...remote,
    ['entries', leaf.size, entry, { array: true, count: leafEntries }],
    [
      'btree',
      node.size,
      daEntry,
      { array: true, count: (block) => (isNode(block) ? block.view.getUint16(node.at.count) : 0) },
    ],
    [
      'nvlist',
      ({ view }, _base, index) => AttrLeafEntry.get.nameidx(view, leaf.size + index * AttrLeafEntry.size),
      nameAndValue(v5),
      { array: true, count: leafEntries },
    ],
  );
}

/** Fields of a remote symlink block; v4 blocks have none. */
export const symlinkFields: readonly Field[] = rows(
  ['magic', SymlinkHeader.at.magic, u32x],
  ['offset', SymlinkHeader.at.offset, u32],
  ['bytes', SymlinkHeader.at.bytes, u32],
  ['crc', SymlinkHeader.at.crc, crc],
  ['uuid', SymlinkHeader.at.uuid, uuid],
  ['owner', SymlinkHeader.at.owner, null64],
  ['bno', SymlinkHeader.at.blkno, null64],
  ['lsn', SymlinkHeader.at.lsn, u64x],
  ['data', SymlinkHeader.size, chars, { count: (block) => SymlinkHeader.get.bytes(block.view, 0) }],
);
