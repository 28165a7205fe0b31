/** Verifier of blocks of quota records (kernel: xfs_dquot_buf_verify): each record is judged, checksummed and stamped. */
import type { BufOps } from '../../../core/buffer-cache.ts';
import { crc32cSkipping } from '../../../core/checksum.ts';
import type { XfsMount } from '../mount.ts';
import { DQTYPE_BIGTIME, DQUOT_MAGIC, DQUOT_VERSION, Dquot } from '../structure/dquot.ts';
import { fault, hex } from './header.ts';

/** Records in one block. */
export function dquotsPerBlock(mp: XfsMount): number {
  return Math.floor(mp.blockSize / Dquot.size);
}

/** Says of the v5 record at `base` how new it is, and sums it. */
export function sealDquot(bytes: Uint8Array, view: DataView, base: number, lsn: bigint): void {
  Dquot.set.lsn(view, base, lsn);
  Dquot.set.crc(view, base, crcOf(bytes, base));
}

function crcOf(bytes: Uint8Array, base: number): number {
  return crc32cSkipping(bytes.subarray(base, base + Dquot.size), Dquot.at.crc);
}

/** `type`: of the records; `logType`: what the log calls such a block. */
export function dquotOps(mp: XfsMount, type: number, logType: number): BufOps {
  const { v5 } = mp.features;
  const end = dquotsPerBlock(mp) * Dquot.size;
  return {
    name: 'dquot',
    logType,
    verify(buf) {
      const { get } = Dquot;
      const first = get.id(buf.view, 0);
      for (let base = 0; base < end; base += Dquot.size) {
        const id = first + base / Dquot.size;
        const name = `quota record ${id}`;
        const magic = get.magic(buf.view, base);
        if (magic !== DQUOT_MAGIC) return fault(buf, name, 'magic', base, hex(magic), 'magic');
        if (get.version(buf.view, base) !== DQUOT_VERSION)
          return fault(buf, name, 'version', base + Dquot.at.version, get.version(buf.view, base), 'not 1');
        const own = get.type(buf.view, base) & ~DQTYPE_BIGTIME;
        if (own !== type) return fault(buf, name, 'type', base + Dquot.at.type, own, `not ${type}`);
        if (get.id(buf.view, base) !== id)
          return fault(buf, name, 'id', base + Dquot.at.id, get.id(buf.view, base), 'of another record');
        if (v5 && get.crc(buf.view, base) !== crcOf(buf.bytes, base))
          return fault(buf, name, 'crc', base + Dquot.at.crc, hex(get.crc(buf.view, base)), 'checksum');
      }
      return null;
    },
    seal(buf, lsn) {
      if (!v5) return;
      // All records of the block are as new as the newest: committed changes alone are here when it is sealed.
      for (let base = 0; base < end; base += Dquot.size) sealDquot(buf.bytes, buf.view, base, lsn);
    },
  };
}
