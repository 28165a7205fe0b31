/** The kinds of block that can be looked at, by xfs_db's names: their size, fields and checksum. */
import { crc32cSkipping } from '../../../core/checksum.ts';
import type { XfsMount } from '../mount.ts';
import { Agf, Agfl, Agi } from '../structure/ag.ts';
import { ATTR3_RMT_MAGIC, AttrRemoteHeader } from '../structure/attr.ts';
import { BtreeLongHeader, BtreeShortHeader } from '../structure/btree-format.ts';
import { Da3Blkinfo } from '../structure/da.ts';
import { Dinode } from '../structure/dinode.ts';
import { Dir3DataHeader, DirMagic } from '../structure/dir.ts';
import { Superblock } from '../structure/sb.ts';
import { SymlinkHeader } from '../structure/symlink.ts';
import type { BtreeName } from '../verify/btree.ts';
import { attrFields, symlinkFields } from './attr-fields.ts';
import { btreeFields } from './btree-blocks.ts';
import { dirFields } from './dir-fields.ts';
import type { Block, Field } from './field.ts';
import { agfFields, agflCrcFields, agflFields, agiFields, sbFields } from './headers.ts';
import { inodeCrcFields, inodeFields } from './inode-fields.ts';

export interface BlockType {
  readonly name: string;
  /** Bytes, or null for whatever was looked at before. */
  readonly size: number | null;
  /** Null: shown as bytes. */
  readonly fields: readonly Field[] | null;
  /** Where the checksum lies in these bytes; null for none. */
  crcAt(bytes: Uint8Array): number | null;
}

const tables = new WeakMap<XfsMount, readonly BlockType[]>();

/** The types of this image, in xfs_db's order. */
export function blockTypes(mp: XfsMount): readonly BlockType[] {
  let list = tables.get(mp);
  if (list === undefined) {
    list = build(mp);
    tables.set(mp, list);
  }
  return list;
}

/** The type with this name, or null. */
export function blockType(mp: XfsMount, name: string): BlockType | null {
  return blockTypes(mp).find((type) => type.name === name) ?? null;
}

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

function build(mp: XfsMount): BlockType[] {
  const { v5, ftype } = mp.features;
  const { sectorSize, blockSize } = mp;
  const type = (
    name: string,
    size: number | null,
    fields: readonly Field[] | null,
    crcAt: BlockType['crcAt'] | number | null,
  ): BlockType => ({
    name,
    size,
    fields,
    crcAt: typeof crcAt === 'function' ? crcAt : () => (v5 ? crcAt : null),
  });
  const short = (name: string, tree: BtreeName): BlockType =>
    type(name, blockSize, btreeFields(mp, tree), BtreeShortHeader.at.crc);
  const long = (name: string): BlockType => type(name, blockSize, btreeFields(mp, 'bmbt'), BtreeLongHeader.at.crc);
  const plain = (name: string): BlockType => type(name, null, null, null);
  return [
    type('agf', sectorSize, agfFields, Agf.at.crc),
    type('agfl', sectorSize, v5 ? agflCrcFields : agflFields, Agfl.at.crc),
    type('agi', sectorSize, agiFields, Agi.at.crc),
    type(v5 ? 'attr3' : 'attr', blockSize, attrFields(v5), (bytes) => (v5 ? attrCrc(bytes) : null)),
    long('bmapbta'),
    long('bmapbtd'),
    short('bnobt', 'bnobt'),
    short('cntbt', 'cntbt'),
    ...(v5 ? [short('rmapbt', 'rmapbt'), short('refcntbt', 'refcountbt')] : []),
    plain('data'),
    type(v5 ? 'dir3' : 'dir2', mp.dirBlockSize, dirFields(v5, ftype), (bytes) => (v5 ? dirCrc(bytes) : null)),
    short('inobt', 'inobt'),
    type('inode', mp.inodeSize, v5 ? inodeCrcFields : inodeFields, Dinode.at.crc),
    type('sb', sectorSize, sbFields, Superblock.at.crc),
    v5 ? type('symlink', blockSize, symlinkFields, SymlinkHeader.at.crc) : plain('symlink'),
    plain('text'),
    short('finobt', 'finobt'),
  ];
}

function dirCrc(bytes: Uint8Array): number {
  const magic = view(bytes).getUint32(0);
  const data = [DirMagic.block[1], DirMagic.data[1], DirMagic.free[1]].some((one) => one === magic);
  return data ? Dir3DataHeader.at.crc : Da3Blkinfo.at.crc;
}

function attrCrc(bytes: Uint8Array): number {
  return view(bytes).getUint32(0) === ATTR3_RMT_MAGIC ? AttrRemoteHeader.at.crc : Da3Blkinfo.at.crc;
}

/** Bytes ready to be printed as a type. */
export function asBlock(mp: XfsMount, type: BlockType, bytes: Uint8Array): Block {
  const at = bytes.length >= 64 ? type.crcAt(bytes) : null;
  const data = view(bytes);
  const crc = at === null ? null : data.getUint32(at, true) === crc32cSkipping(bytes, at) ? 'correct' : 'bad';
  return { mp, bytes, view: data, crc };
}
