/**
 * What must hold of an inode before anyone sees it (kernel: xfs_dinode_verify, xfs_iformat_data_fork and their
 * helpers): identity, sizes, counters against blocks, the form of each fork against the kind of file, and the extents
 * that lie in the inode.
 */
import { corrupt } from '../../../core/errors.ts';
import { isKnownMode } from '../../../core/vfs/file-kind.ts';
import type { ForkWindow, XfsInode } from '../inode.ts';
import { bmbtBlockcount, bmbtRealStartoff, bmbtStartblock, bmbtUnwritten } from '../structure/bmbt-record.ts';
import { DiFlag, DiFlag2, Dinode, DinodeLarge, dinodeFlags2, MAXLINK } from '../structure/dinode.ts';
import { hadBadChecksum } from './inode.ts';

/** @throws FsError EUCLEAN naming the field that is wrong */
export function checkInode(ip: XfsInode): void {
  checkCore(ip);
  checkFlags(ip);
  checkCounters(ip);
  checkDataFork(ip);
  checkAttrFork(ip);
}

function bad(ip: XfsInode, field: keyof typeof Dinode.at, value: number | string, rule: string): never {
  throw corrupt({
    structure: `inode ${ip.ino}`,
    addr: ip.buf.addr,
    offset: ip.base + Dinode.at[field],
    field: field === 'next_unlinked' ? field : `core.${field}`,
    value: String(value),
    rule,
  });
}

function checkCore(ip: XfsInode): void {
  const { view, bytes } = ip.buf;
  const { base, mp } = ip;
  const get = Dinode.get;
  if (ip.version >= 3) {
    if (hadBadChecksum(mp, ip.buf, base)) bad(ip, 'crc', `0x${get.crc(view, base).toString(16)}`, 'crc');
    if (get.ino(view, base) !== ip.ino) bad(ip, 'ino', get.ino(view, base), 'not its own number');
    for (let i = 0; i < 16; i++)
      if (bytes[base + Dinode.at.uuid + i] !== mp.uuid[i]) bad(ip, 'uuid', '', 'uuid of another file system');
  }
  const mode = ip.mode;
  if (!isKnownMode(mode)) bad(ip, 'mode', `0${mode.toString(8)}`, 'no kind of file');
  if (view.getUint8(base + Dinode.at.size) >= 0x80)
    bad(ip, 'size', String(view.getBigInt64(base + Dinode.at.size)), 'below 0');
  const size = get.size(view, base);
  const special = ip.kind === 'symlink' || ip.kind === 'dir';
  if (special && size === 0 && linksOf(ip) > 0) bad(ip, 'size', 0, `empty ${ip.kind}`);
  if (ip.kind === 'dir' && size > 3 * 0x8_0000_0000) bad(ip, 'size', size, 'larger than a directory can be');
  if (ip.version >= 2 && get.nlink(view, base) > MAXLINK) bad(ip, 'nlink', get.nlink(view, base), `> ${MAXLINK}`);
}

function linksOf(ip: XfsInode): number {
  const { view } = ip.buf;
  return ip.version === 1 ? Dinode.get.onlink(view, ip.base) : Dinode.get.nlink(view, ip.base);
}

function checkFlags(ip: XfsInode): void {
  const { view } = ip.buf;
  const { base, mp } = ip;
  const get = Dinode.get;
  const flags = get.flags(view, base);
  const flags2 = dinodeFlags2(view, base);
  const regular = ip.kind === 'file';
  const realtime = (flags & DiFlag.REALTIME) !== 0;
  if (realtime && !mp.features.realtime) bad(ip, 'flags', flags, 'realtime file on an image without a realtime device');
  if ((flags & DiFlag.EXTSIZE) !== 0 && !regular) bad(ip, 'flags', flags, 'extent size hint on no regular file');
  if ((flags & DiFlag.EXTSZINHERIT) !== 0 && ip.kind !== 'dir')
    bad(ip, 'flags', flags, 'inherited extent size on no directory');
  const extsize = get.extsize(view, base);
  const hinted = (flags & (DiFlag.EXTSIZE | DiFlag.EXTSZINHERIT)) !== 0;
  if (hinted && extsize === 0) bad(ip, 'extsize', 0, 'flag without a size');
  if (extsize > 0x1fffff || (!realtime && extsize > mp.agBlocks / 2)) bad(ip, 'extsize', extsize, 'too large');
  if (ip.version < 3) return;
  if ((flags2 & (DiFlag2.REFLINK | DiFlag2.COWEXTSIZE)) !== 0 && !mp.features.reflink)
    bad(ip, 'flags2', flags2, 'reflink on an image without it');
  if ((flags2 & DiFlag2.REFLINK) !== 0 && !regular && (flags2 & DiFlag2.METADATA) === 0)
    bad(ip, 'flags2', flags2, 'reflink on no regular file');
  if ((flags2 & DiFlag2.REFLINK) !== 0 && realtime && !mp.features.rtgroups)
    bad(ip, 'flags2', flags2, 'reflink on a realtime file');
  if ((flags2 & DiFlag2.BIGTIME) !== 0 && !mp.features.bigtime)
    bad(ip, 'flags2', flags2, 'bigtime on an image without it');
  if ((flags2 & DiFlag2.NREXT64) !== 0 && !mp.features.nrext64)
    bad(ip, 'flags2', flags2, 'nrext64 on an image without it');
  if ((flags2 & DiFlag2.METADATA) !== 0 && !mp.features.metadir)
    bad(ip, 'flags2', flags2, 'metadata file on an image without metadir');
}

function checkCounters(ip: XfsInode): void {
  const { view } = ip.buf;
  const blocks = Dinode.get.nblocks(view, ip.base);
  const data = ip.dataFork.nextents;
  const attr = ip.attrFork.nextents;
  const large = (dinodeFlags2(view, ip.base) & DiFlag2.NREXT64) !== 0;
  if (large && DinodeLarge.get.nrext64_pad(view, ip.base) !== 0) bad(ip, 'anextents', 'padding', 'not zero');
  if (data + attr > blocks) bad(ip, 'nblocks', blocks, `< ${data} + ${attr} extents`);
  if (blocks > ip.mp.dataBlocks + ip.mp.sb.rblocks) bad(ip, 'nblocks', blocks, 'more than the image has');
  if (data + attr === 0 && blocks !== 0 && ip.dataFork.format !== 'none')
    bad(ip, 'nblocks', blocks, 'without an extent');
  const literal = ip.mp.inodeSize - ip.coreSize;
  const offset = ip.forkOffset;
  if (offset >= literal) bad(ip, 'forkoff', offset / 8, 'beyond the inode');
  if (offset !== 0 && ip.dataFork.format === 'dev' && offset !== 8) bad(ip, 'forkoff', offset / 8, 'is 1 for a device');
}

function checkDataFork(ip: XfsInode): void {
  const fork = ip.dataFork;
  const size = Dinode.get.size(ip.buf.view, ip.base);
  const value = Dinode.get.format(ip.buf.view, ip.base);
  const kind = ip.kind;
  if (kind !== 'file' && kind !== 'dir' && kind !== 'symlink') {
    if (fork.format !== 'dev') bad(ip, 'format', value, `no form of a ${kind}`);
    return;
  }
  if (fork.format === 'dev') bad(ip, 'format', value, `no form of a ${kind}`);
  if (fork.format === 'none') {
    if ((dinodeFlags2(ip.buf.view, ip.base) & DiFlag2.METADATA) === 0) bad(ip, 'format', value, 'no form of a file');
    return;
  }
  if (fork.format === 'local') {
    if (kind === 'file') bad(ip, 'format', value, 'no form of a regular file');
    if (size > fork.size) bad(ip, 'size', size, `> ${fork.size}, what the inode holds`);
    if (fork.nextents !== 0) bad(ip, 'nextents', fork.nextents, 'data lies in the inode');
    return;
  }
  if (kind === 'dir' && size > 0 && size <= fork.size) bad(ip, 'format', value, 'small directory not in the inode');
  if (kind === 'symlink' && size <= fork.size && fork.format === 'btree')
    bad(ip, 'format', value, 'small symlink in a btree');
  checkExtentFork(ip, fork, 'nextents');
}

function checkAttrFork(ip: XfsInode): void {
  const fork = ip.attrFork;
  const value = Dinode.get.aformat(ip.buf.view, ip.base);
  if (!ip.hasAttrFork) {
    if (value !== 0 && value !== 2) bad(ip, 'aformat', value, 'set without an attribute fork');
    if (fork.nextents !== 0) bad(ip, 'anextents', fork.nextents, 'without an attribute fork');
    return;
  }
  if (fork.format === 'local') {
    if (fork.nextents !== 0) bad(ip, 'anextents', fork.nextents, 'attributes lie in the inode');
    return;
  }
  if (fork.format !== 'extents' && fork.format !== 'btree') bad(ip, 'aformat', value, 'no form of an attribute fork');
  checkExtentFork(ip, fork, 'anextents');
}

function checkExtentFork(ip: XfsInode, fork: ForkWindow, field: 'nextents' | 'anextents'): void {
  if (fork.format === 'btree') {
    checkBtreeRoot(ip, fork, field);
    return;
  }
  const room = Math.floor(fork.size / 16);
  if (fork.nextents > room) bad(ip, field, fork.nextents, `> ${room}, what the inode holds`);
  const attr = field === 'anextents';
  const realtime = !attr && ip.realtime;
  let end: number | bigint = 0;
  for (let i = 0; i < fork.nextents; i++) {
    const at = fork.start + i * 16;
    const { view } = ip.buf;
    const off = bmbtRealStartoff(view, at);
    const block = bmbtStartblock(view, at);
    const count = bmbtBlockcount(view, at);
    const stop = typeof off === 'bigint' ? off + BigInt(count) : off + count;
    const rule = extentFault(ip, stop, block, count, realtime) ?? (off < end ? 'overlaps the one before' : null);
    if (rule !== null || (attr && bmbtUnwritten(view, at))) {
      throw corrupt({
        structure: `inode ${ip.ino}, ${attr ? 'attribute' : 'data'} fork`,
        addr: ip.buf.addr,
        offset: at,
        field: `bmx[${i}]`,
        value: `[${off},${block},${count}]`,
        rule: rule ?? 'unwritten attribute block',
      });
    }
    end = stop;
  }
}

/** What is wrong with an extent that ends before file block `end`, or null. */
function extentFault(
  ip: XfsInode,
  end: number | bigint,
  block: number,
  count: number,
  realtime: boolean,
): string | null {
  const { mp } = ip;
  if (count === 0) return 'has no blocks';
  // Blocks, not bytes: space may be kept beyond the largest size.
  if (end > 2 ** 54) return 'is beyond any file';
  const valid = realtime ? mp.validRtb(block, count) : mp.validFsb(block, count);
  return valid ? null : 'is outside the device';
}

function checkBtreeRoot(ip: XfsInode, fork: ForkWindow, field: 'nextents' | 'anextents'): void {
  const { view } = ip.buf;
  const level = view.getUint16(fork.start);
  const records = view.getUint16(fork.start + 2);
  const room = Math.floor((fork.size - 4) / 16);
  const structure = `inode ${ip.ino}, ${field === 'anextents' ? 'attribute' : 'data'} fork`;
  const at = { structure, addr: ip.buf.addr };
  if (level < 1 || level > 15)
    throw corrupt({ ...at, offset: fork.start, field: 'bmbt.level', value: String(level), rule: 'not 1 to 15' });
  if (records < 1 || records > room)
    throw corrupt({
      ...at,
      offset: fork.start + 2,
      field: 'bmbt.numrecs',
      value: String(records),
      rule: `not 1 to ${room}`,
    });
  if (fork.nextents <= Math.floor(fork.size / 16)) bad(ip, field, fork.nextents, 'would fit the inode: needs no btree');
}
