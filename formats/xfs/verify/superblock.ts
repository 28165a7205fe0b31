/** Verifier of the superblock's buffer (kernel: xfs_sb_read_verify, xfs_sb_write_verify). */
import type { BufOps } from '../../../core/buffer-cache.ts';
import { Blft } from '../log/log-format.ts';
import type { XfsMount } from '../mount.ts';
import { Superblock } from '../structure/sb.ts';
import { checkSuperblock } from '../superblock.ts';
import { sealBlock } from './header.ts';

export function sbOps(mp: XfsMount): BufOps {
  return {
    name: 'superblock',
    logType: Blft.SB,
    verify: (buf) => checkSuperblock(buf.bytes, buf.view, buf.addr),
    seal: (buf, lsn) => {
      if (mp.features.v5) sealBlock(buf, { crc: Superblock.at.crc, uuid: 0, lsn: Superblock.at.lsn }, lsn);
    },
  };
}
