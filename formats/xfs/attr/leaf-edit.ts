/**
 * Attribute leaf blocks, rewritten as a whole at each change: entries from the front, names and values packed from
 * the end, one free area between (kernel: xfs_attr_leaf.c; its leaves may have holes, ours have none).
 *
 *     header | (hash, nameidx, flags) …      free      … name+value | name+value
 */
import type { Buf } from '../../../core/buffer-cache.ts';
import type { DaKind } from '../da/tree.ts';
import { type DaGeometry, daGeometry } from '../dir/geometry.ts';
import type { XfsMount } from '../mount.ts';
import {
  Attr3LeafHeader,
  AttrFlag,
  AttrLeafEntry,
  AttrLeafHeader,
  AttrLeafLocal,
  AttrLeafRemote,
} from '../structure/attr.ts';
import type { Trans } from '../trans.ts';

/** An attribute of a leaf, decoded. */
export interface LeafAttr {
  readonly hash: number;
  /** Namespace bits of AttrFlag, and INCOMPLETE. */
  readonly flags: number;
  readonly name: Uint8Array;
  /** Null when the value is in blocks of its own. */
  readonly value: Uint8Array | null;
  readonly valueBlock: number;
  readonly valueSize: number;
}

export interface AttrGeometry extends DaGeometry {
  readonly header: number;
  readonly at: {
    readonly count: number;
    readonly usedbytes: number;
    readonly firstused: number;
    readonly holes: number;
    readonly freemap: number;
  };
  /** A name and value this large or larger do not go into a leaf together. */
  readonly localMax: number;
}

const geometries = new WeakMap<XfsMount, AttrGeometry>();

export function attrGeometry(mp: XfsMount): AttrGeometry {
  let geo = geometries.get(mp);
  if (geo === undefined) {
    const header = mp.features.v5 ? Attr3LeafHeader : AttrLeafHeader;
    const size = mp.blockSize;
    geo = {
      ...daGeometry(mp.features.v5, size, 1),
      header: header.size,
      at: header.at,
      localMax: (size >> 1) + (size >> 2),
    };
    geometries.set(mp, geo);
  }
  return geo;
}

const round4 = (bytes: number): number => (bytes + 3) & ~3;

/** Bytes of a name with its value in a leaf. */
export function localSize(nameLength: number, valueLength: number): number {
  return round4(AttrLeafLocal.size + nameLength + valueLength);
}

/** Bytes of an attribute's name part in a leaf; remote ones have two bytes of history in them. */
export function attrSize(attr: LeafAttr): number {
  if (attr.value !== null) return localSize(attr.name.length, attr.value.length);
  return round4(AttrLeafRemote.size + 2 + attr.name.length);
}

/** Bytes of a leaf with these attributes. */
export function leafSize(geo: AttrGeometry, attrs: readonly LeafAttr[]): number {
  let size = geo.header;
  for (const attr of attrs) size += AttrLeafEntry.size + attrSize(attr);
  return size;
}

/** The attributes of a leaf, in hash order. */
export function readAttrLeaf(geo: AttrGeometry, buf: Buf): LeafAttr[] {
  const { view, bytes } = buf;
  const count = view.getUint16(geo.at.count);
  const attrs: LeafAttr[] = [];
  for (let i = 0; i < count; i++) {
    const at = geo.header + i * AttrLeafEntry.size;
    const place = AttrLeafEntry.get.nameidx(view, at);
    const flags = AttrLeafEntry.get.flags(view, at);
    const hash = AttrLeafEntry.get.hashval(view, at);
    if ((flags & AttrFlag.LOCAL) !== 0) {
      const valueSize = AttrLeafLocal.get.valuelen(view, place);
      const nameAt = place + AttrLeafLocal.size;
      const valueAt = nameAt + AttrLeafLocal.get.namelen(view, place);
      const value = bytes.slice(valueAt, valueAt + valueSize);
      attrs.push({
        hash,
        flags: flags & ~AttrFlag.LOCAL,
        name: bytes.slice(nameAt, valueAt),
        value,
        valueBlock: 0,
        valueSize,
      });
    } else {
      const nameAt = place + AttrLeafRemote.size;
      attrs.push({
        hash,
        flags,
        name: bytes.slice(nameAt, nameAt + AttrLeafRemote.get.namelen(view, place)),
        value: null,
        valueBlock: AttrLeafRemote.get.valueblk(view, place),
        valueSize: AttrLeafRemote.get.valuelen(view, place),
      });
    }
  }
  return attrs;
}

/** Writes the attributes, which fit and are sorted by hash, into the leaf; its links stay. */
export function writeAttrLeaf(tp: Trans, geo: AttrGeometry, buf: Buf, attrs: readonly LeafAttr[]): void {
  tp.modify(buf, 0, buf.length);
  const { view, bytes } = buf;
  bytes.fill(0, geo.at.count);
  let place = geo.blockSize;
  attrs.forEach((attr, i) => {
    place -= attrSize(attr);
    const at = geo.header + i * AttrLeafEntry.size;
    const { value } = attr;
    AttrLeafEntry.set.hashval(view, at, attr.hash);
    AttrLeafEntry.set.nameidx(view, at, place);
    AttrLeafEntry.set.flags(view, at, attr.flags | (value === null ? 0 : AttrFlag.LOCAL));
    if (value !== null) {
      AttrLeafLocal.set.valuelen(view, place, value.length);
      AttrLeafLocal.set.namelen(view, place, attr.name.length);
      bytes.set(attr.name, place + AttrLeafLocal.size);
      bytes.set(value, place + AttrLeafLocal.size + attr.name.length);
    } else {
      AttrLeafRemote.set.valueblk(view, place, attr.valueBlock);
      AttrLeafRemote.set.valuelen(view, place, attr.valueSize);
      AttrLeafRemote.set.namelen(view, place, attr.name.length);
      bytes.set(attr.name, place + AttrLeafRemote.size);
    }
  });
  const table = geo.header + attrs.length * AttrLeafEntry.size;
  view.setUint16(geo.at.count, attrs.length);
  view.setUint16(geo.at.usedbytes, geo.blockSize - place);
  // 64 KiB does not fit: 0 stands for it.
  view.setUint16(geo.at.firstused, place);
  view.setUint16(geo.at.freemap, place > table ? table : 0);
  view.setUint16(geo.at.freemap + 2, place - table);
}

const kinds = new WeakMap<AttrGeometry, DaKind>();

/** The hash tree of attribute forks. */
export function attrKind(geo: AttrGeometry): DaKind {
  let kind = kinds.get(geo);
  if (kind === undefined) {
    const count = (buf: Buf): number => buf.view.getUint16(geo.at.count);
    const used = (buf: Buf): number =>
      geo.header + count(buf) * AttrLeafEntry.size + buf.view.getUint16(geo.at.usedbytes);
    kind = {
      fork: 'attr',
      geo,
      root: 0,
      leafCount: count,
      leafHash: (buf, index) => buf.view.getUint32(geo.header + index * AttrLeafEntry.size),
      leafUsed: used,
      leafJoined: (a, b) => used(a) + used(b) - geo.header,
      leafMerge(tp, save, drop, before) {
        const own = readAttrLeaf(geo, save);
        const more = readAttrLeaf(geo, drop);
        writeAttrLeaf(tp, geo, save, before ? [...more, ...own] : [...own, ...more]);
      },
    };
    kinds.set(geo, kind);
  }
  return kind;
}
