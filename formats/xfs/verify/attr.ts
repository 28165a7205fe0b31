/** Verifiers of the hash tree's nodes, of attribute leaves and of remote attribute values (kernel: xfs_attr3_leaf_verify). */
import type { Buf, BufOps } from '../../../core/buffer-cache.ts';
import { crc32cSkipping } from '../../../core/checksum.ts';
import type { Damage } from '../../../core/errors.ts';
import { Blft } from '../log/log-format.ts';
import type { XfsMount } from '../mount.ts';
import {
  ATTR3_RMT_MAGIC,
  Attr3LeafHeader,
  AttrFlag,
  AttrLeafEntry,
  AttrLeafHeader,
  AttrLeafLocal,
  AttrLeafRemote,
  AttrRemoteHeader,
  XATTR_SIZE_MAX,
} from '../structure/attr.ts';
import { DA_NODE_MAXDEPTH, Da3Blkinfo, Da3NodeHeader, DaBlkinfo, DaMagic, DaNodeHeader } from '../structure/da.ts';
import { checkIdentity, fault, hex, sealBlock } from './header.ts';

const DA_AT = { crc: Da3Blkinfo.at.crc, uuid: Da3Blkinfo.at.uuid, blkno: Da3Blkinfo.at.blkno, lsn: Da3Blkinfo.at.lsn };

/** A block of a hash tree whose kind only its magic tells: a node, or a leaf of either kind of tree. */
export function daNodeOps(mp: XfsMount, attrLeaf: BufOps, dirLeafn: BufOps): BufOps {
  const version = mp.features.v5 ? 1 : 0;
  const structure = 'hash tree node';
  return {
    name: 'daNode',
    logType: Blft.DA_NODE,
    verify(buf) {
      const magic = DaBlkinfo.get.magic(buf.view, 0);
      const leaf = magic === DaMagic.attrLeaf[version] ? attrLeaf : magic === DaMagic.leafn[version] ? dirLeafn : null;
      if (leaf !== null) {
        buf.ops = leaf;
        return leaf.verify(buf);
      }
      if (magic !== DaMagic.node[version])
        return fault(buf, structure, 'magic', DaBlkinfo.at.magic, hex(magic), 'magic');
      if (mp.features.v5) {
        const identity = checkIdentity(buf, structure, DA_AT, mp);
        if (identity !== null) return identity;
      }
      return checkNode(mp, buf, structure);
    },
    seal(buf, lsn) {
      if (mp.features.v5) sealBlock(buf, DA_AT, lsn);
    },
  };
}

function checkNode(mp: XfsMount, buf: Buf, structure: string): Damage | null {
  const header = mp.features.v5 ? Da3NodeHeader : DaNodeHeader;
  const level = header.get.level(buf.view, 0);
  if (level < 1 || level > DA_NODE_MAXDEPTH)
    return fault(buf, structure, 'level', header.at.level, level, `not 1 to ${DA_NODE_MAXDEPTH}`);
  const count = header.get.count(buf.view, 0);
  const max = Math.floor((buf.length - header.size) / 8);
  if (count < 1 || count > max) return fault(buf, structure, 'count', header.at.count, count, `not 1 to ${max}`);
  for (let i = 1; i < count; i++) {
    const at = header.size + i * 8;
    if (buf.view.getUint32(at) < buf.view.getUint32(at - 8))
      return fault(buf, structure, `btree[${i}].hashval`, at, hex(buf.view.getUint32(at)), 'hashes are not in order');
  }
  return null;
}

export function attrLeafOps(mp: XfsMount): BufOps {
  const magic = DaMagic.attrLeaf[mp.features.v5 ? 1 : 0];
  const structure = 'attribute leaf';
  return {
    name: 'attrLeaf',
    logType: Blft.ATTR_LEAF,
    verify(buf) {
      const found = DaBlkinfo.get.magic(buf.view, 0);
      if (found !== magic) return fault(buf, structure, 'magic', DaBlkinfo.at.magic, hex(found), 'magic');
      if (mp.features.v5) {
        const identity = checkIdentity(buf, structure, DA_AT, mp);
        if (identity !== null) return identity;
      }
      return checkLeaf(mp, buf, structure);
    },
    seal(buf, lsn) {
      if (mp.features.v5) sealBlock(buf, DA_AT, lsn);
    },
  };
}

function checkLeaf(mp: XfsMount, buf: Buf, structure: string): Damage | null {
  const header = mp.features.v5 ? Attr3LeafHeader : AttrLeafHeader;
  const { view } = buf;
  // A block of 64 KiB does not fit 16 bits: 0 stands for it.
  const firstused = header.get.firstused(view, 0) || buf.length;
  const count = header.get.count(view, 0);
  if (firstused > buf.length || firstused < header.size + count * AttrLeafEntry.size)
    return fault(buf, structure, 'firstused', header.at.firstused, firstused, `runs into ${count} entries`);
  let last = 0;
  for (let i = 0; i < count; i++) {
    const at = header.size + i * AttrLeafEntry.size;
    const hash = view.getUint32(at);
    if (hash < last) return fault(buf, structure, `entries[${i}].hashval`, at, hex(hash), 'hashes are not in order');
    last = hash;
    const damage = checkLeafName(buf, structure, i, at, firstused);
    if (damage !== null) return damage;
  }
  for (let i = 0; i < 3; i++) {
    const at = header.at.freemap + i * 4;
    const base = view.getUint16(at);
    const size = view.getUint16(at + 2);
    if (base + size > buf.length || base % 4 !== 0 || size % 4 !== 0)
      return fault(buf, structure, `freemap[${i}]`, at, `${base}+${size}`, 'does not fit the block');
  }
  return null;
}

function checkLeafName(buf: Buf, structure: string, index: number, at: number, firstused: number): Damage | null {
  const { view } = buf;
  const nameidx = AttrLeafEntry.get.nameidx(view, at);
  const flags = AttrLeafEntry.get.flags(view, at);
  const bad = (field: string, value: number, rule: string): Damage =>
    fault(buf, structure, `entries[${index}].${field}`, nameidx, value, rule);
  const local = (flags & AttrFlag.LOCAL) !== 0;
  const head = local ? AttrLeafLocal.size : AttrLeafRemote.size;
  if (nameidx < firstused || nameidx + head > buf.length) return bad('nameidx', nameidx, 'outside the name area');
  const nameLength = local ? AttrLeafLocal.get.namelen(view, nameidx) : AttrLeafRemote.get.namelen(view, nameidx);
  if (nameLength === 0) return bad('namelen', 0, 'empty name');
  const stored = local ? AttrLeafLocal.get.valuelen(view, nameidx) : 0;
  if (nameidx + head + nameLength + stored > buf.length)
    return bad('namelen', nameLength, 'name and value leave the block');
  if (local) return null;
  const valueLength = AttrLeafRemote.get.valuelen(view, nameidx);
  if (valueLength > XATTR_SIZE_MAX) return bad('valuelen', valueLength, `> ${XATTR_SIZE_MAX}`);
  if ((flags & AttrFlag.INCOMPLETE) === 0 && AttrLeafRemote.get.valueblk(view, nameidx) === 0)
    return bad('valueblk', 0, 'remote value without a block');
  return null;
}

/** Remote values: a header in each block of the buffer, which may be several blocks long. */
export function attrRemoteOps(mp: XfsMount): BufOps {
  return {
    name: 'attrRemote',
    logType: Blft.ATTR_RMT,
    verify(buf) {
      if (!mp.features.v5) return null;
      for (let base = 0; base < buf.length; base += mp.blockSize) {
        const damage = checkRemote(mp, buf, base);
        if (damage !== null) return damage;
      }
      return null;
    },
    seal(buf) {
      if (!mp.features.v5) return;
      for (let base = 0; base < buf.length; base += mp.blockSize) {
        const block = buf.bytes.subarray(base, base + mp.blockSize);
        AttrRemoteHeader.set.crc(buf.view, base, crc32cSkipping(block, AttrRemoteHeader.at.crc));
      }
    },
  };
}

function checkRemote(mp: XfsMount, buf: Buf, base: number): Damage | null {
  const get = AttrRemoteHeader.get;
  const at = AttrRemoteHeader.at;
  const bad = (field: keyof typeof at, value: number | string, rule: string): Damage =>
    fault(buf, 'remote attribute block', field, base + at[field], value, rule);
  const magic = get.magic(buf.view, base);
  if (magic !== ATTR3_RMT_MAGIC) return bad('magic', hex(magic), 'magic');
  const computed = crc32cSkipping(buf.bytes.subarray(base, base + mp.blockSize), at.crc);
  if (get.crc(buf.view, base) !== computed)
    return bad('crc', hex(get.crc(buf.view, base)), `crc, computed ${hex(computed)}`);
  for (let i = 0; i < 16; i++)
    if (buf.bytes[base + at.uuid + i] !== mp.uuid[i]) return bad('uuid', '', 'uuid of another file system');
  const sector = buf.view.getUint32(base + at.blkno) * 0x1_0000_0000 + buf.view.getUint32(base + at.blkno + 4);
  if (sector * 512 !== buf.addr + base) return bad('blkno', sector, `own address is ${(buf.addr + base) / 512}`);
  const length = get.bytes(buf.view, base);
  if (length > mp.blockSize - AttrRemoteHeader.size) return bad('bytes', length, 'more than the block holds');
  if (get.offset(buf.view, base) + length > XATTR_SIZE_MAX)
    return bad('offset', get.offset(buf.view, base), 'beyond 64 KiB');
  return null;
}
