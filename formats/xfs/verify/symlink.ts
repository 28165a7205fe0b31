/** Verifier of remote symlink blocks, and the one that accepts any bytes. */
import type { BufOps } from '../../../core/buffer-cache.ts';
import { Blft } from '../log/log-format.ts';
import type { XfsMount } from '../mount.ts';
import { SYMLINK_MAXLEN } from '../structure/dinode.ts';
import { SYMLINK_MAGIC, SymlinkHeader } from '../structure/symlink.ts';
import { checkIdentity, fault, hex, sealBlock } from './header.ts';

const AT = {
  crc: SymlinkHeader.at.crc,
  uuid: SymlinkHeader.at.uuid,
  blkno: SymlinkHeader.at.blkno,
  lsn: SymlinkHeader.at.lsn,
};

export function symlinkOps(mp: XfsMount): BufOps {
  const name = 'symlink block';
  return {
    name: 'symlink',
    logType: Blft.SYMLINK,
    verify(buf) {
      if (!mp.features.v5) return null;
      const magic = SymlinkHeader.get.magic(buf.view, 0);
      if (magic !== SYMLINK_MAGIC) return fault(buf, name, 'magic', 0, hex(magic), 'magic');
      const identity = checkIdentity(buf, name, AT, mp);
      if (identity !== null) return identity;
      const bytes = SymlinkHeader.get.bytes(buf.view, 0);
      const end = SymlinkHeader.get.offset(buf.view, 0) + bytes;
      if (end > SYMLINK_MAXLEN)
        return fault(buf, name, 'bytes', SymlinkHeader.at.bytes, bytes, `ends beyond ${SYMLINK_MAXLEN}`);
      if (bytes > buf.length - SymlinkHeader.size)
        return fault(buf, name, 'bytes', SymlinkHeader.at.bytes, bytes, 'more than the block holds');
      return null;
    },
    seal(buf, lsn) {
      if (mp.features.v5) sealBlock(buf, AT, lsn);
    },
  };
}
