/**
 * The target of a symbolic link: in the inode where 60 bytes are enough, else in a block, or in the inode as its data
 * (kernel: fs/ext4/symlink.c, ext4_inode_is_fast_symlink). That of an encrypted one is shown as names without a key are.
 */
import { corrupt, FsError } from '../../core/errors.ts';
import { decodeToNul } from '../../core/vfs/names.ts';
import { withoutKey } from './dir/encrypted-name.ts';
import { inlineBytes, isInline } from './inline.ts';
import type { Ext4Inode } from './inode.ts';
import { readWhole } from './read-whole.ts';
import { inodeSectors } from './stat.ts';

const FAST = 60;

/** @throws FsError EINVAL for another kind of file, EUCLEAN for a damaged link, EIO */
export function readSymlink(ip: Ext4Inode): string {
  if (ip.kind !== 'symlink') throw new FsError('EINVAL');
  const target = targetBytes(ip);
  if (ip.has('ENCRYPT')) return encryptedTarget(ip, target);
  return decodeToNul(target);
}

function targetBytes(ip: Ext4Inode): Uint8Array {
  const { size } = ip;
  if (isInline(ip)) return inlineBytes(ip).subarray(0, size);
  if (isFastSymlink(ip)) return fastTarget(ip);
  if (size === 0 || size > ip.mp.blockSize) throw bad(ip, 'size', size, 'no length of a symlink');
  return readWhole(ip, size);
}

/** True if the target lies where the way to blocks would be: there are no blocks beside that of its attributes. */
export function isFastSymlink(ip: Ext4Inode): boolean {
  const { mp, size } = ip;
  if (mp.incompat('ea_inode')) return size > 0 && size < FAST;
  const attributes = ip.fileAcl === 0 ? 0 : (mp.clusterBlocks * mp.blockSize) / 512;
  return inodeSectors(ip) === attributes;
}

function fastTarget(ip: Ext4Inode): Uint8Array {
  const { size } = ip;
  const target = ip.buf.bytes.subarray(ip.blockAt, ip.blockAt + size);
  const whole = size > 0 && size < FAST && !target.includes(0) && ip.view.getUint8(ip.blockAt + size) === 0;
  // Of encrypted ones nobody knows what they contain.
  if (whole || (ip.has('ENCRYPT') && size > 0 && size <= FAST)) return target;
  throw bad(ip, 'size', size, 'does not fit the target in the inode');
}

/** Before the encrypted bytes stands their number. */
function encryptedTarget(ip: Ext4Inode, target: Uint8Array): string {
  const length = target.length < 2 ? 0 : (target[0] as number) + 256 * (target[1] as number);
  if (length === 0 || length + 2 > target.length) throw bad(ip, 'encrypted length', length, 'does not fit the size');
  return withoutKey(target.subarray(2, 2 + length), 0, 0);
}

function bad(ip: Ext4Inode, field: string, value: number, rule: string): Error {
  return corrupt({ structure: `inode ${ip.ino}`, addr: ip.buf.addr, field, value: String(value), rule });
}
