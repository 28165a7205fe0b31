/**
 * Reading extended attributes in every form: in the inode, in one leaf, in a hash tree of leaves, with values in
 * blocks of their own (kernel: xfs_attr_list.c, xfs_attr_remote.c). Parent pointers live among them and are not
 * shown: they are the directory tree's business.
 */
import type { Buf } from '../../../core/buffer-cache.ts';
import { corrupt } from '../../../core/errors.ts';
import type { Xattr, XattrNamespace } from '../../../core/vfs/inode.ts';
import { decodeName, encodeName } from '../../../core/vfs/names.ts';
import { forkLookup } from '../bmap-fork.ts';
import { daMagic, daRead } from '../da/block.ts';
import { type DaGeometry, daGeometry } from '../dir/geometry.ts';
import { hashName, sameName } from '../dir/hash.ts';
import { Extent } from '../extent.ts';
import type { XfsInode } from '../inode.ts';
import {
  ATTR_NSP_MASK,
  Attr3LeafHeader,
  AttrFlag,
  AttrLeafEntry,
  AttrLeafHeader,
  AttrLeafLocal,
  AttrLeafRemote,
  AttrRemoteHeader,
  AttrShortEntry,
  AttrShortHeader,
} from '../structure/attr.ts';
import { DA_NODE_MAXDEPTH, DaBlkinfo, DaMagic, DaNodeEntry } from '../structure/da.ts';
import { aclDiskName, aclFromDisk, aclUserName, aclUserSize } from './acl.ts';

/** An attribute where it lies. */
export interface AttrPlace {
  readonly name: Uint8Array;
  /** Namespace bits of AttrFlag. */
  readonly flags: number;
  readonly size: number;
  /** The value in the inode or leaf; null when it is remote. */
  readonly local: Uint8Array | null;
  /** First block of a remote value in the attribute fork. */
  readonly valueBlock: number;
}

/** Every attribute that users see; ACLs are `system` as well as `trusted`, as in Linux. */
export function listXattrs(ip: XfsInode): Xattr[] {
  const out: Xattr[] = [];
  for (const place of attrPlaces(ip)) {
    const namespace = namespaceOf(place.flags);
    const acl = namespace === 'trusted' ? aclUserName(decodeName(place.name)) : null;
    if (acl !== null) out.push({ namespace: 'system', name: acl, size: aclUserSize(place.size) });
    if (namespace !== null) out.push({ namespace, name: decodeName(place.name), size: place.size });
  }
  return out;
}

/** The value of an attribute, or null if it has none of this name. @throws FsError EUCLEAN */
export function getXattr(ip: XfsInode, namespace: XattrNamespace, name: string): Uint8Array | null {
  if (namespace === 'system') {
    const disk = aclDiskName(name);
    const acl = disk === null ? null : getXattr(ip, 'trusted', disk);
    return acl === null ? null : aclFromDisk(acl, ip.ino);
  }
  const flags = flagsOf(namespace);
  if (flags === null) return null;
  const place = findAttr(ip, encodeName(name), flags);
  return place === null ? null : attrValue(ip, place);
}

function namespaceOf(flags: number): XattrNamespace | null {
  const space = flags & ATTR_NSP_MASK;
  if (space === 0) return 'user';
  if (space === AttrFlag.ROOT) return 'trusted';
  return space === AttrFlag.SECURE ? 'security' : null;
}

function flagsOf(namespace: XattrNamespace): number | null {
  if (namespace === 'user') return 0;
  if (namespace === 'trusted') return AttrFlag.ROOT;
  return namespace === 'security' ? AttrFlag.SECURE : null;
}

/** All attributes in the order of Linux's listing, parent pointers too; unfinished ones are left out. */
export function* attrPlaces(ip: XfsInode): Generator<AttrPlace, void, undefined> {
  if (!ip.hasAttrFork) return;
  if (ip.attrFork.format === 'local') yield* shortPlaces(ip);
  else if (ip.attrFork.nextents > 0) {
    for (const leaf of leaves(ip)) yield* leafPlaces(ip, leaf, 0, leafCount(ip, leaf));
  }
}

/** The attribute with this name and namespace bits, or null. */
export function findAttr(ip: XfsInode, name: Uint8Array, space: number): AttrPlace | null {
  if (!ip.hasAttrFork) return null;
  if (ip.attrFork.format === 'local') return match(shortPlaces(ip), name, space);
  if (ip.attrFork.nextents === 0) return null;
  const hash = hashName(name);
  for (const leaf of leaves(ip, hash)) {
    const count = leafCount(ip, leaf);
    const start = leafHeader(ip);
    let first = 0;
    while (first < count && leaf.view.getUint32(start + first * AttrLeafEntry.size) < hash) first++;
    let end = first;
    while (end < count && leaf.view.getUint32(start + end * AttrLeafEntry.size) === hash) end++;
    const place = match(leafPlaces(ip, leaf, first, end), name, space);
    if (place !== null || end < count) return place;
  }
  return null;
}

function match(places: Iterable<AttrPlace>, name: Uint8Array, space: number): AttrPlace | null {
  for (const place of places)
    if ((place.flags & ATTR_NSP_MASK) === space && sameName(name, place.name, 0, place.name.length)) return place;
  return null;
}

function* shortPlaces(ip: XfsInode): Generator<AttrPlace, void, undefined> {
  const { view, bytes } = ip.buf;
  const { start, size } = ip.attrFork;
  const end = start + Math.min(size, AttrShortHeader.get.totsize(view, start));
  const count = AttrShortHeader.get.count(view, start);
  let at = start + AttrShortHeader.size;
  for (let i = 0; i < count; i++) {
    const nameAt = at + AttrShortEntry.size;
    const nameLength = nameAt <= end ? AttrShortEntry.get.namelen(view, at) : 0;
    const valueLength = nameAt <= end ? AttrShortEntry.get.valuelen(view, at) : 0;
    const next = nameAt + nameLength + valueLength;
    if (nameLength === 0 || next > end)
      throw corrupt({
        structure: `inode ${ip.ino}`,
        addr: ip.buf.addr,
        offset: at,
        field: `a.sfattr.list[${i}]`,
        rule: 'leaves the inode',
      });
    yield {
      name: bytes.slice(nameAt, nameAt + nameLength),
      flags: AttrShortEntry.get.flags(view, at),
      size: valueLength,
      local: bytes.slice(nameAt + nameLength, next),
      valueBlock: 0,
    };
    at = next;
  }
}

const leafHeader = (ip: XfsInode): number => (ip.mp.features.v5 ? Attr3LeafHeader.size : AttrLeafHeader.size);

function leafCount(ip: XfsInode, leaf: Buf): number {
  return (ip.mp.features.v5 ? Attr3LeafHeader : AttrLeafHeader).get.count(leaf.view, 0);
}

/** The leaves from the first that may hold `hash` on, in hash order. */
function* leaves(ip: XfsInode, hash = 0): Generator<Buf, void, undefined> {
  const geo = daGeometry(ip.mp.features.v5, ip.mp.blockSize, 1);
  let leaf = descend(ip, geo, hash);
  // A chain longer than the fork has blocks is a loop.
  let left = ip.mp.dataBlocks;
  let last = -1;
  for (;;) {
    const count = leafCount(ip, leaf);
    const start = leafHeader(ip);
    if (count > 0) {
      const first = leaf.view.getUint32(start);
      if (first < last)
        throw corrupt({
          structure: `attribute leaf of inode ${ip.ino}`,
          addr: leaf.addr,
          rule: 'does not sort after the leaf before',
        });
      last = leaf.view.getUint32(start + (count - 1) * AttrLeafEntry.size);
    }
    yield leaf;
    const next = DaBlkinfo.get.forw(leaf.view, 0);
    if (next === 0) return;
    if (left-- <= 0) throw corrupt({ structure: `attribute leaves of inode ${ip.ino}`, rule: 'a chain without end' });
    leaf = daRead(ip, 'attr', geo, next, ip.mp.ops.attrLeaf);
  }
}

function descend(ip: XfsInode, geo: DaGeometry, hash: number): Buf {
  let block = 0;
  let level = DA_NODE_MAXDEPTH + 1;
  for (;;) {
    const buf = daRead(ip, 'attr', geo, block, ip.mp.ops.daNode);
    const magic = daMagic(buf);
    if (magic === DaMagic.attrLeaf[0] || magic === DaMagic.attrLeaf[1]) return buf;
    const own = buf.view.getUint16(geo.nodeLevelAt);
    const isNode = magic === DaMagic.node[0] || magic === DaMagic.node[1];
    if (!isNode || own === 0 || own >= level || (level <= DA_NODE_MAXDEPTH && own !== level - 1))
      throw corrupt({
        structure: `attribute tree of inode ${ip.ino}`,
        addr: buf.addr,
        field: 'level',
        value: String(own),
        rule: 'out of order',
      });
    level = own;
    const count = buf.view.getUint16(geo.nodeCountAt);
    let slot = 0;
    while (slot < count - 1 && buf.view.getUint32(geo.nodeHeader + slot * DaNodeEntry.size) < hash) slot++;
    block = buf.view.getUint32(geo.nodeHeader + slot * DaNodeEntry.size + 4);
  }
}

function* leafPlaces(ip: XfsInode, leaf: Buf, first: number, end: number): Generator<AttrPlace, void, undefined> {
  const { view, bytes } = leaf;
  const start = leafHeader(ip);
  for (let i = first; i < end; i++) {
    const at = start + i * AttrLeafEntry.size;
    const flags = AttrLeafEntry.get.flags(view, at);
    if ((flags & AttrFlag.INCOMPLETE) !== 0) continue;
    const place = AttrLeafEntry.get.nameidx(view, at);
    if ((flags & AttrFlag.LOCAL) !== 0) {
      const size = AttrLeafLocal.get.valuelen(view, place);
      const nameAt = place + AttrLeafLocal.size;
      const valueAt = nameAt + AttrLeafLocal.get.namelen(view, place);
      yield {
        name: bytes.slice(nameAt, valueAt),
        flags,
        size,
        local: bytes.slice(valueAt, valueAt + size),
        valueBlock: 0,
      };
    } else {
      const nameAt = place + AttrLeafRemote.size;
      yield {
        name: bytes.slice(nameAt, nameAt + AttrLeafRemote.get.namelen(view, place)),
        flags,
        size: AttrLeafRemote.get.valuelen(view, place),
        local: null,
        valueBlock: AttrLeafRemote.get.valueblk(view, place),
      };
    }
  }
}

/** The bytes of an attribute's value. @throws FsError EUCLEAN if remote blocks are not its own */
export function attrValue(ip: XfsInode, place: AttrPlace): Uint8Array {
  return place.local ?? readRemote(ip, place);
}

function readRemote(ip: XfsInode, place: AttrPlace): Uint8Array {
  const { mp } = ip;
  const header = mp.features.v5 ? AttrRemoteHeader.size : 0;
  const value = new Uint8Array(place.size);
  const extent = new Extent();
  let block = place.valueBlock;
  for (let done = 0; done < place.size; block++) {
    if (!forkLookup(ip, 'attr', block, extent) || extent.off > block || !mp.validFsb(extent.block, extent.count))
      throw corrupt({
        structure: `inode ${ip.ino}, attribute fork`,
        field: `file block ${block}`,
        rule: 'no block of the value is mapped',
      });
    const buf = mp.cache.get(mp.fsbToAddr(extent.block + (block - extent.off)), mp.blockSize, mp.ops.attrRemote);
    const count = Math.min(place.size - done, mp.blockSize - header);
    if (header > 0) checkRemote(ip, buf, done, count);
    value.set(buf.bytes.subarray(header, header + count), done);
    done += count;
  }
  return value;
}

function checkRemote(ip: XfsInode, buf: Buf, offset: number, count: number): void {
  const { get, at } = AttrRemoteHeader;
  const wanted: [keyof typeof at & ('offset' | 'bytes' | 'owner'), number][] = [
    ['offset', offset],
    ['bytes', count],
    ['owner', ip.ino],
  ];
  for (const [field, value] of wanted) {
    const found = get[field](buf.view, 0);
    if (found !== value)
      throw corrupt({
        structure: `remote attribute block of inode ${ip.ino}`,
        addr: buf.addr,
        offset: at[field],
        field,
        value: String(found),
        rule: `should be ${value}`,
      });
  }
}
