/**
 * What makes an inode's bytes believable: the checksum, and the bounds that Linux checks when it reads an inode
 * (kernel: __ext4_iget, ext4_inode_csum).
 */
import type { BufOps } from '../../core/buffer-cache.ts';
import type { Damage } from '../../core/errors.ts';
import { isKnownMode } from '../../core/vfs/file-kind.ts';
import { crc32cRaw } from './checksum.ts';
import type { Ext4Inode } from './inode.ts';
import { DiskInode, GOOD_OLD_INODE_SIZE, InodeExtra } from './structure/inode.ts';
import { inodeXattrDamage } from './xattr/read.ts';

/** Blocks of inode tables: every inode in them is judged for itself, when it is asked for. */
export const tableBlockOps: BufOps = { name: 'inode table', logType: 0, verify: () => null };

/** The first rule that an inode breaks, or null. */
export function inodeDamage(ip: Ext4Inode): Damage | null {
  const { mp } = ip;
  const extra = ip.extraSize;
  if (extra % 4 !== 0 || GOOD_OLD_INODE_SIZE + extra > mp.inodeSize)
    return bad(ip, GOOD_OLD_INODE_SIZE, 'extra_isize', String(extra), `no multiple of 4 in ${mp.inodeSize} bytes`);
  if (mp.hasCsum) {
    const computed = inodeChecksum(ip);
    const low = DiskInode.get.checksum_lo(ip.view, ip.base);
    const found = ip.hasExtra('checksum_hi') ? ip.extra('checksum_hi') * 0x10000 + low : low;
    if (found !== (ip.hasExtra('checksum_hi') ? computed : computed & 0xffff))
      return bad(ip, DiskInode.at.checksum_lo, 'checksum_lo', hex(found), `crc, computed ${hex(computed)}`);
  }
  if (!isKnownMode(ip.mode)) return bad(ip, 0, 'mode', `0${ip.mode.toString(8)}`, 'no kind of file');
  if (DiskInode.get.size_high(ip.view, ip.base) >= 2 ** 31 && ip.longSize)
    return bad(ip, DiskInode.at.size_high, 'size_high', hex(DiskInode.get.size_high(ip.view, ip.base)), 'negative');
  if (ip.kind === 'dir' && ip.has('INDEX') && mp.hasCsum && !mp.compat('dir_index'))
    return bad(ip, DiskInode.at.flags, 'flags', hex(ip.flags), 'an index without the feature dir_index');
  if (ip.has('CASEFOLD') && !mp.incompat('casefold'))
    return bad(ip, DiskInode.at.flags, 'flags', hex(ip.flags), 'casefold without the feature');
  const acl = ip.fileAcl;
  if (acl !== 0 && !mp.validDataBlocks(ip.ino, acl, 1))
    return bad(ip, DiskInode.at.file_acl_lo, 'file_acl_lo', String(acl), 'not where attributes can be');
  return inodeXattrDamage(ip);
}

/** The checksum that an inode should have: of all its bytes, those of the checksum as zeros. */
export function inodeChecksum(ip: Ext4Inode): number {
  const { bytes } = ip.buf;
  const { base } = ip;
  const end = base + ip.mp.inodeSize;
  const at = base + DiskInode.at.checksum_lo;
  let crc = crc32cRaw(ip.csumSeed, bytes.subarray(base, at));
  crc = crc32cRaw(crc, ZEROS);
  if (!ip.hasExtra('checksum_hi')) return crc32cRaw(crc, bytes.subarray(at + 2, end));
  const high = base + GOOD_OLD_INODE_SIZE + InodeExtra.at.checksum_hi;
  crc = crc32cRaw(crc, bytes.subarray(at + 2, high));
  crc = crc32cRaw(crc, ZEROS);
  return crc32cRaw(crc, bytes.subarray(high + 2, end));
}

const ZEROS = new Uint8Array(2);

function bad(ip: Ext4Inode, offset: number, field: string, value: string, rule: string): Damage {
  return { structure: `inode ${ip.ino}`, addr: ip.buf.addr + ip.base, offset, field, value, rule };
}

const hex = (value: number): string => `0x${value.toString(16)}`;
