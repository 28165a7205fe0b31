/**
 * How a file or directory is encrypted, from an attribute that users do not see (kernel: fs/crypto/policy.c, union
 * fscrypt_context). What it says is for those who have the key; here it only tells which key that would be.
 */
import { corrupt, FsError } from '../../core/errors.ts';
import type { EncryptionPolicy } from '../../core/vfs/inode.ts';
import type { Ext4Inode } from './inode.ts';
import { EncryptionContext, EncryptionContextV2 } from './structure/encryption.ts';
import { XattrIndex } from './structure/xattr.ts';
import { diskXattr } from './xattr/read.ts';

/** @throws FsError EOPNOTSUPP without the feature, EUCLEAN damaged, EIO */
export function readEncryptionPolicy(ip: Ext4Inode): EncryptionPolicy | null {
  if (!ip.mp.incompat('encrypt')) throw new FsError('EOPNOTSUPP');
  if (!ip.has('ENCRYPT')) return null;
  const bytes = diskXattr(ip, XattrIndex.ENCRYPTION, 'c') ?? new Uint8Array(0);
  const version = bytes[0];
  const layout = version === 1 ? EncryptionContext : EncryptionContextV2;
  if ((version !== 1 && version !== 2) || bytes.length !== layout.size)
    throw corrupt({
      structure: `inode ${ip.ino}`,
      field: 'encryption context',
      value: `${version}`,
      rule: 'not known',
    });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const { contents_mode, filenames_mode, flags, key } = layout.decode(view, 0);
  return { version, contentsMode: contents_mode, namesMode: filenames_mode, flags, key };
}
