/**
 * Writing attributes that lie in the inode, and where the inode's two forks meet (kernel: xfs_attr_shortform_*,
 * xfs_bmap_add_attrfork). The attribute fork takes what it needs from the data fork's free bytes:
 *
 *     core | data fork …        free        | attribute fork        forkoff * 8 = bytes of the data fork
 */
import { corrupt } from '../../../core/errors.ts';
import { dirFitFork } from '../dir/edit.ts';
import type { XfsInode } from '../inode.ts';
import { diskSize, setForkFormat } from '../inode-core.ts';
import { defaultForkOffset } from '../names/inode-init.ts';
import { moveSymlinkOut } from '../names/symlink-blocks.ts';
import { ATTR_NSP_MASK, AttrShortEntry, AttrShortHeader } from '../structure/attr.ts';
import { Dinode, ForkFormat } from '../structure/dinode.ts';
import type { Trans } from '../trans.ts';
import { fitDataExtents, shrinkDataRoot } from './data-fork.ts';

export interface ShortAttr {
  readonly flags: number;
  readonly name: Uint8Array;
  readonly value: Uint8Array;
}

/** Names and values of this length or more are not kept in the inode. */
const ENTRY_MAX = 255;

/** Decodes the attributes in the inode. @throws FsError EUCLEAN if one leaves it */
export function readShortAttrs(ip: XfsInode): ShortAttr[] {
  const { view, bytes } = ip.buf;
  const { start, size } = ip.attrFork;
  const end = start + Math.min(size, AttrShortHeader.get.totsize(view, start));
  const count = AttrShortHeader.get.count(view, start);
  const attrs: ShortAttr[] = [];
  let at = start + AttrShortHeader.size;
  for (let i = 0; i < count; i++) {
    const nameAt = at + AttrShortEntry.size;
    const valueAt = nameAt + (nameAt <= end ? AttrShortEntry.get.namelen(view, at) : 0);
    const next = valueAt + (nameAt <= end ? AttrShortEntry.get.valuelen(view, at) : 0);
    if (nameAt > end || next > end)
      throw corrupt({ structure: `inode ${ip.ino}`, field: `a.sfattr.list[${i}]`, rule: 'leaves the inode' });
    const flags = AttrShortEntry.get.flags(view, at) & ATTR_NSP_MASK;
    attrs.push({ flags, name: bytes.slice(nameAt, valueAt), value: bytes.slice(valueAt, next) });
    at = next;
  }
  return attrs;
}

/** Bytes of these attributes in an inode; Infinity if one is too large for that. */
export function shortAttrSize(attrs: readonly ShortAttr[]): number {
  let size = AttrShortHeader.size;
  for (const { name, value } of attrs) {
    if (name.length >= ENTRY_MAX || value.length >= ENTRY_MAX) return Number.POSITIVE_INFINITY;
    size += AttrShortEntry.size + name.length + value.length;
  }
  return attrs.length > 255 ? Number.POSITIVE_INFINITY : size;
}

const MIN_DATA_ROOT = 4 + 3 * 16;
const MIN_ATTR_ROOT = 4 + 2 * 16;

/**
 * Where the forks must meet (in bytes) for `size` bytes of attributes in the inode, or 0 if they do not fit. The
 * data fork keeps what it uses, and at least room for a btree root (kernel: xfs_attr_shortform_bytesfit).
 */
export function meetingPoint(ip: XfsInode, size: number): number {
  const literal = ip.mp.inodeSize - ip.coreSize;
  if (size > literal) return 0;
  const offset = floor8(literal - size);
  const { format } = ip.dataFork;
  if (format === 'dev') return offset >= 8 ? 8 : 0;
  const present = ip.forkOffset;
  if (size <= ip.attrFork.size) return present;
  if (!ip.mp.features.attr2) return 0;
  let used = format === 'local' ? diskSize(ip) : ip.dataFork.nextents * 16;
  if (format === 'btree') {
    if (present !== 0) return offset < present ? 0 : present;
    used = 4 + ip.buf.view.getUint16(ip.dataFork.start + 2) * 16;
  } else if (format === 'extents' && present === 0 && used > defaultForkOffset(ip)) used = MIN_DATA_ROOT;
  const least = Math.ceil(Math.max(used, MIN_DATA_ROOT) / 8) * 8;
  const most = floor8(literal - MIN_ATTR_ROOT);
  if (offset >= most) return most;
  return offset >= least ? offset : 0;
}

const floor8 = (bytes: number): number => bytes - (bytes % 8);

/** Writes the attributes into the inode, moving the forks' border as needed; false (nothing changed) if they do not fit. */
export function writeShortAttrs(tp: Trans, ip: XfsInode, attrs: readonly ShortAttr[]): boolean {
  const size = shortAttrSize(attrs);
  const offset = meetingPoint(ip, size);
  if (offset === 0) return false;
  tp.modifyInode(ip);
  const { view, bytes } = ip.buf;
  const old = ip.attrFork;
  bytes.fill(0, old.start, old.start + old.size);
  Dinode.set.forkoff(view, ip.base, offset / 8);
  setForkFormat(ip, 'attr', 'local');
  const { start } = ip.attrFork;
  bytes.fill(0, start, start + ip.attrFork.size);
  AttrShortHeader.set.totsize(view, start, size);
  AttrShortHeader.set.count(view, start, attrs.length);
  let at = start + AttrShortHeader.size;
  for (const { flags, name, value } of attrs) {
    AttrShortEntry.set.namelen(view, at, name.length);
    AttrShortEntry.set.valuelen(view, at, value.length);
    AttrShortEntry.set.flags(view, at, flags);
    bytes.set(name, at + AttrShortEntry.size);
    bytes.set(value, at + AttrShortEntry.size + name.length);
    at += AttrShortEntry.size + name.length + value.length;
  }
  return true;
}

/** Gives the inode an empty attribute fork with room for `size` bytes, or the usual room. @throws FsError ENOSPC */
export function addAttrFork(tp: Trans, ip: XfsInode, size: number): void {
  tp.modifyInode(ip);
  const offset = meetingPoint(ip, size) || defaultForkOffset(ip);
  const before = ip.dataFork.size;
  shrinkDataRoot(tp, ip, offset);
  Dinode.set.forkoff(ip.buf.view, ip.base, offset / 8);
  setForkFormat(ip, 'attr', 'extents');
  switch (ip.dataFork.format) {
    case 'local':
      if (diskSize(ip) <= ip.dataFork.size) break;
      if (ip.kind === 'dir') dirFitFork(tp, ip);
      else moveSymlinkOut(tp, ip);
      break;
    case 'extents':
    case 'btree':
      fitDataExtents(tp, ip, before);
      break;
  }
  ip.buf.bytes.fill(0, ip.attrFork.start, ip.attrFork.start + ip.attrFork.size);
}

/** Takes the attribute fork away, which must be empty; the data fork gets its bytes. */
export function dropAttrFork(tp: Trans, ip: XfsInode): void {
  tp.modifyInode(ip);
  const { start, size } = ip.attrFork;
  ip.buf.bytes.fill(0, start, start + size);
  Dinode.set.forkoff(ip.buf.view, ip.base, 0);
  Dinode.set.aformat(ip.buf.view, ip.base, ForkFormat.EXTENTS);
}
