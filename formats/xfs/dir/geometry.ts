/**
 * Sizes and offsets of directory blocks and of the hash tree, fixed by block size, directory block size and version.
 * Blocks of the tree are numbered in file system blocks of the fork (`dablk`), whatever their own size; data blocks
 * are numbered in directory blocks (`db`).
 */

import { Da3NodeHeader, DaNodeEntry, DaNodeHeader } from '../structure/da.ts';
import {
  DIR_FREE_OFFSET,
  DIR_LEAF_OFFSET,
  Dir3DataHeader,
  Dir3FreeHeader,
  Dir3LeafHeader,
  DirBlockTail,
  DirDataHeader,
  DirFreeHeader,
  DirLeafEntry,
  DirLeafHeader,
  DirLeafTail,
} from '../structure/dir.ts';

/** What a geometry follows from. */
export interface GeometrySource {
  readonly blockSize: number;
  readonly dirBlockSize: number;
  readonly features: { readonly v5: boolean; readonly ftype: boolean; readonly asciiCi: boolean };
}

/** Layout of a tree of da blocks of `blockSize` bytes, each made of `fsbCount` file system blocks. */
export interface DaGeometry {
  readonly v5: boolean;
  readonly blockSize: number;
  readonly fsbCount: number;
  readonly nodeHeader: number;
  readonly nodeCountAt: number;
  readonly nodeLevelAt: number;
  readonly nodeMax: number;
}

/** Layout of directory blocks. */
export interface DirGeometry extends DaGeometry {
  readonly ftype: boolean;
  readonly asciiCi: boolean;
  /** First byte of entries in a data block, and of the array of the three largest free spaces. */
  readonly dataHeader: number;
  readonly bestAt: number;
  readonly leafHeader: number;
  readonly leafCountAt: number;
  readonly leafStaleAt: number;
  readonly leafMax: number;
  readonly freeHeader: number;
  readonly firstdbAt: number;
  readonly nvalidAt: number;
  readonly nusedAt: number;
  readonly freeMax: number;
  /** First dablk of the hash index and of the free-space index. */
  readonly leafBlock: number;
  readonly freeBlock: number;
}

/** Layout of trees whose blocks are one file system block: attribute forks. */
export function daGeometry(v5: boolean, blockSize: number, fsbCount: number): DaGeometry {
  const node = v5 ? Da3NodeHeader : DaNodeHeader;
  return {
    v5,
    blockSize,
    fsbCount,
    nodeHeader: node.size,
    nodeCountAt: node.at.count,
    nodeLevelAt: node.at.level,
    nodeMax: Math.floor((blockSize - node.size) / DaNodeEntry.size),
  };
}

const geometries = new WeakMap<GeometrySource, DirGeometry>();

/** The directory layout of a mount; the same object each time. */
export function dirGeometry(mp: GeometrySource): DirGeometry {
  let geo = geometries.get(mp);
  if (geo === undefined) {
    geo = build(mp);
    geometries.set(mp, geo);
  }
  return geo;
}

function build(mp: GeometrySource): DirGeometry {
  const { v5, ftype, asciiCi } = mp.features;
  const size = mp.dirBlockSize;
  const data = v5 ? Dir3DataHeader : DirDataHeader;
  const leaf = v5 ? Dir3LeafHeader : DirLeafHeader;
  const free = v5 ? Dir3FreeHeader : DirFreeHeader;
  return {
    ...daGeometry(v5, size, size / mp.blockSize),
    ftype,
    asciiCi,
    dataHeader: data.size,
    bestAt: data.at.bestfree,
    leafHeader: leaf.size,
    leafCountAt: leaf.at.count,
    leafStaleAt: leaf.at.stale,
    leafMax: Math.floor((size - leaf.size) / DirLeafEntry.size),
    freeHeader: free.size,
    firstdbAt: free.at.firstdb,
    nvalidAt: free.at.nvalid,
    nusedAt: free.at.nused,
    freeMax: Math.floor((size - free.size) / 2),
    leafBlock: DIR_LEAF_OFFSET / mp.blockSize,
    freeBlock: DIR_FREE_OFFSET / mp.blockSize,
  };
}

/** Bytes of an entry in a data block: inode number, name, file type and tag, in multiples of 8. */
export function dataEntrySize(geo: DirGeometry, nameLength: number): number {
  return (8 + 1 + nameLength + (geo.ftype ? 1 : 0) + 2 + 7) & ~7;
}

/** Where the block tail of a block-form block and the leaf tail of a leaf1 block lie. */
export function blockTailAt(geo: DirGeometry): number {
  return geo.blockSize - DirBlockTail.size;
}
export function leafTailAt(geo: DirGeometry): number {
  return geo.blockSize - DirLeafTail.size;
}

/** The 32-bit address of byte `offset` of data block `db`, in units of 8 bytes. */
export function toDataptr(geo: DirGeometry, db: number, offset: number): number {
  return (db * geo.blockSize + offset) / 8;
}
export function dataptrToDb(geo: DirGeometry, dataptr: number): number {
  return Math.floor((dataptr * 8) / geo.blockSize);
}
export function dataptrToOffset(geo: DirGeometry, dataptr: number): number {
  return (dataptr * 8) % geo.blockSize;
}
