/**
 * Reading extended attributes: those in the inode come first, then those of its block; values of their own inodes are
 * checked against the hash that they are kept under (kernel: fs/ext4/xattr.c).
 */
import type { Buf, BufOps } from '../../../core/buffer-cache.ts';
import { corrupt, type Damage } from '../../../core/errors.ts';
import { aclName, aclTypeOf, encodeAcl } from '../../../core/vfs/acl.ts';
import type { Xattr, XattrNamespace } from '../../../core/vfs/inode.ts';
import { decodeName, encodeName } from '../../../core/vfs/names.ts';
import { crc32cRaw, crc32cSkippingRaw } from '../checksum.ts';
import type { Ext4Inode } from '../inode.ts';
import type { Ext4Mount } from '../mount.ts';
import { DiskInode, GOOD_OLD_INODE_SIZE, ROOT_INO } from '../structure/inode.ts';
import { XATTR_MAGIC, XattrBlockHeader, XattrEntry, XattrIndex, XattrInodeHeader } from '../structure/xattr.ts';
import { aclFromDisk, aclUserSize } from './acl.ts';
import { type EntryRow, entryName, entryPlaces, entryValue, rowFault } from './entries.ts';
import { entryHash } from './hash.ts';
import { readValueInode } from './value-inode.ts';

/** Every attribute that users see, in the order of Linux's listing. @throws FsError EUCLEAN, EIO */
export function listXattrs(ip: Ext4Inode): Xattr[] {
  const found: Xattr[] = [];
  for (const row of rows(ip))
    for (const at of entryPlaces(row)) {
      const full = userName(row, at);
      if (full !== null) found.push({ ...full, size: userSize(row, at) });
    }
  return found;
}

/** The value of an attribute, or null if it has none of this name. @throws FsError EUCLEAN, EIO */
export function getXattr(ip: Ext4Inode, namespace: XattrNamespace, name: string): Uint8Array | null {
  const acl = namespace === 'system' ? aclTypeOf(name) : null;
  if (acl !== null) {
    const disk = diskXattr(ip, acl === 'access' ? XattrIndex.POSIX_ACL_ACCESS : XattrIndex.POSIX_ACL_DEFAULT, '');
    const list = disk === null ? null : aclFromDisk(disk);
    return list === null ? null : encodeAcl(list);
  }
  const index = NAMESPACES.indexOf(namespace);
  return index < 0 ? null : diskXattr(ip, index, name);
}

/** The value of an attribute by its number and name on disk, or null. @throws FsError EUCLEAN, EIO */
export function diskXattr(ip: Ext4Inode, index: number, name: string): Uint8Array | null {
  const bytes = encodeName(name);
  for (const row of rows(ip)) {
    const at = findEntry(row, index, bytes);
    if (at >= 0) return valueAt(ip, row, at);
  }
  return null;
}

/** Namespaces by their number on disk. */
const NAMESPACES: readonly (XattrNamespace | undefined)[] = [
  undefined,
  'user',
  undefined,
  undefined,
  'trusted',
  undefined,
  'security',
];

function userName(row: EntryRow, at: number): { namespace: XattrNamespace; name: string } | null {
  const index = XattrEntry.get.name_index(row.view, at);
  if (index === XattrIndex.POSIX_ACL_ACCESS) return { namespace: 'system', name: aclName('access') };
  if (index === XattrIndex.POSIX_ACL_DEFAULT) return { namespace: 'system', name: aclName('default') };
  const namespace = NAMESPACES[index];
  return namespace === undefined ? null : { namespace, name: decodeName(entryName(row, at)) };
}

function userSize(row: EntryRow, at: number): number {
  const index = XattrEntry.get.name_index(row.view, at);
  const size = XattrEntry.get.value_size(row.view, at);
  return index === XattrIndex.POSIX_ACL_ACCESS || index === XattrIndex.POSIX_ACL_DEFAULT ? aclUserSize(size) : size;
}

/** The byte offset of the entry with this number and name in a row, or -1. */
export function findEntry(row: EntryRow, index: number, name: Uint8Array): number {
  for (const at of entryPlaces(row)) {
    if (XattrEntry.get.name_index(row.view, at) !== index || row.view.getUint8(at) !== name.length) continue;
    if (Buffer.compare(entryName(row, at), name) === 0) return at;
  }
  return -1;
}

/** The rows of an inode: its own, then its block's. @throws FsError EUCLEAN, EIO */
function rows(ip: Ext4Inode): EntryRow[] {
  const own = inodeXattrRow(ip);
  const block = ip.fileAcl === 0 ? null : blockRow(xattrBlock(ip));
  return [own, block].filter((row) => row !== null);
}

/** The attributes in the inode itself; null if it has no room for any, or never had one. */
export function inodeXattrRow(ip: Ext4Inode): EntryRow | null {
  const end = ip.base + ip.mp.inodeSize;
  const header = ip.base + GOOD_OLD_INODE_SIZE + ip.extraSize;
  const first = header + XattrInodeHeader.size;
  if (ip.extraSize === 0 || first > end) return null;
  const { view } = ip;
  return XattrInodeHeader.get.magic(view, header) === XATTR_MAGIC ? { view, first, origin: first, end } : null;
}

/** What is wrong with the attributes in an inode, or null. */
export function inodeXattrDamage(ip: Ext4Inode): Damage | null {
  const row = inodeXattrRow(ip);
  const fault = row === null ? null : rowFault(row, (ino) => mayHoldValue(ip.mp, ino));
  if (fault === null) return null;
  return { structure: `attributes in inode ${ip.ino}`, addr: ip.buf.addr, ...fault };
}

function mayHoldValue(mp: Ext4Mount, ino: number): boolean {
  return mp.incompat('ea_inode') && ino !== ROOT_INO && mp.validIno(ino);
}

/** The inode's block of attributes, verified. @throws FsError EUCLEAN, EIO */
export function xattrBlock(ip: Ext4Inode): Buf {
  const { mp, fileAcl } = ip;
  if (!mp.validDataBlocks(ip.ino, fileAcl, 1))
    throw corrupt({
      structure: `inode ${ip.ino}`,
      addr: ip.buf.addr,
      offset: ip.base + DiskInode.at.file_acl_lo,
      field: 'file_acl',
      value: String(fileAcl),
      rule: 'not where data can be',
    });
  return mp.block(fileAcl, xattrBlockOps(mp));
}

/** The row of entries in a block of attributes. */
export function blockRow({ view, length }: Buf): EntryRow {
  return { view, first: XattrBlockHeader.size, origin: 0, end: length };
}

const opsOf = new WeakMap<Ext4Mount, BufOps>();

/** How the blocks of attributes of an image are judged; a block may belong to several inodes. */
function xattrBlockOps(mp: Ext4Mount): BufOps {
  let ops = opsOf.get(mp);
  if (ops === undefined) {
    ops = {
      name: 'attribute block',
      logType: 0,
      verify: (buf) => blockDamage(mp, buf),
      seal(buf) {
        if (mp.hasCsum) XattrBlockHeader.set.checksum(buf.view, 0, blockChecksum(mp, buf));
      },
    };
    opsOf.set(mp, ops);
  }
  return ops;
}

/** The checksum that a block of attributes should have. */
function blockChecksum(mp: Ext4Mount, buf: Buf): number {
  const number = new Uint8Array(8);
  new DataView(number.buffer).setBigUint64(0, BigInt(buf.addr / mp.blockSize), true);
  return crc32cSkippingRaw(crc32cRaw(mp.csumSeed, number), buf.bytes, XattrBlockHeader.at.checksum, 4);
}

function blockDamage(mp: Ext4Mount, buf: Buf): Damage | null {
  const structure = 'attribute block';
  const { get, at } = XattrBlockHeader;
  const bad = (field: keyof typeof at, value: string, rule: string): Damage => {
    return { structure, addr: buf.addr, offset: at[field], field, value, rule };
  };
  const magic = get.magic(buf.view, 0);
  if (magic !== XATTR_MAGIC) return bad('magic', `0x${magic.toString(16)}`, 'magic');
  if (get.blocks(buf.view, 0) !== 1) return bad('blocks', String(get.blocks(buf.view, 0)), 'not 1');
  if (mp.hasCsum) {
    const found = get.checksum(buf.view, 0);
    const computed = blockChecksum(mp, buf);
    if (found !== computed)
      return bad('checksum', `0x${found.toString(16)}`, `crc, computed 0x${computed.toString(16)}`);
  }
  const fault = rowFault(blockRow(buf), (ino) => mayHoldValue(mp, ino));
  return fault === null ? null : { structure, addr: buf.addr, ...fault };
}

function valueAt(ip: Ext4Inode, row: EntryRow, at: number): Uint8Array {
  const size = XattrEntry.get.value_size(row.view, at);
  const inum = XattrEntry.get.value_inum(row.view, at);
  if (size === 0) return new Uint8Array(0);
  if (inum === 0) return entryValue(row, at).slice();
  const { value, hash, checked } = readValueInode(ip, inum, size);
  const wanted = XattrEntry.get.hash(row.view, at);
  const name = entryName(row, at);
  // Machines whose characters are signed wrote other hashes.
  const fits = [false, true].some((signed) => entryHash(name, [hash], signed) === wanted);
  if (checked && !fits)
    throw corrupt({
      structure: `attribute ${JSON.stringify(decodeName(name))} of inode ${ip.ino}`,
      field: 'hash',
      value: `0x${wanted.toString(16)}`,
      rule: `does not fit the value in inode ${inum}`,
    });
  return value;
}
