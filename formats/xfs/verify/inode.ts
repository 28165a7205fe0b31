/**
 * Verifier of inode buffers (kernel: xfs_inode_buf_verify): magic and version of each inode. The checksum of every
 * v3 inode is judged once, when the buffer is read, and remembered: iget() refuses those inodes, and sealing leaves
 * their bytes alone, so that writing a neighbour never makes damage look sound. Bytes that change later cannot be
 * judged by the stored checksum, which only sealing renews.
 */
import type { Buf, BufOps } from '../../../core/buffer-cache.ts';
import { crc32c, crc32cSkipping } from '../../../core/checksum.ts';
import { Blft } from '../log/log-format.ts';
import type { XfsMount } from '../mount.ts';
import { DINODE_MAGIC, Dinode } from '../structure/dinode.ts';
import { fault, hex } from './header.ts';

const badInodes = new WeakMap<Buf, Set<number>>();

/** True if the inode at `base` in this buffer had a wrong checksum when the buffer was read. */
export function hadBadChecksum(buf: Buf, base: number): boolean {
  return badInodes.get(buf)?.has(base) ?? false;
}

export function inodeOps(mp: XfsMount): BufOps {
  return {
    name: 'inode',
    logType: Blft.DINO,
    verify(buf, sealed) {
      let bad: Set<number> | null = null;
      for (let base = 0; base < buf.length; base += mp.inodeSize) {
        const magic = Dinode.get.magic(buf.view, base);
        if (magic !== DINODE_MAGIC)
          return fault(buf, `inode ${inodeAt(mp, buf, base)}`, 'core.magic', base, hex(magic), 'magic');
        const version = Dinode.get.version(buf.view, base);
        if (mp.features.v5 ? version !== 3 : version !== 1 && version !== 2)
          return fault(
            buf,
            `inode ${inodeAt(mp, buf, base)}`,
            'core.version',
            base + Dinode.at.version,
            version,
            'not of this format version',
          );
        if (version < 3 || sealed === true) continue;
        const stored = Dinode.get.crc(buf.view, base);
        if (stored === crc32cSkipping(buf.bytes.subarray(base, base + mp.inodeSize), Dinode.at.crc)) continue;
        bad ??= new Set();
        bad.add(base);
      }
      if (sealed === true) return null;
      if (bad === null) badInodes.delete(buf);
      else badInodes.set(buf, bad);
      return null;
    },
    seal(buf, lsn) {
      if (!mp.features.v5) return;
      const bad = badInodes.get(buf);
      for (let base = 0; base < buf.length; base += mp.inodeSize) {
        if (!bad?.has(base)) sealInode(mp, buf, base, lsn);
      }
    },
  };
}

/** Renews LSN and checksum of an inode whose bytes no longer fit the stored checksum. */
function sealInode(mp: XfsMount, buf: Buf, base: number, lsn: bigint): void {
  const bytes = buf.bytes.subarray(base, base + mp.inodeSize);
  const stored = Dinode.get.crc(buf.view, base);
  // The checksum counts as zero in itself.
  Dinode.set.crc(buf.view, base, 0);
  let crc = crc32c(bytes);
  if (crc !== stored) {
    Dinode.set.lsn(buf.view, base, lsn);
    crc = crc32c(bytes);
  }
  Dinode.set.crc(buf.view, base, crc);
}

function inodeAt(mp: XfsMount, buf: Buf, base: number): number {
  const fsb = mp.addrToFsb(buf.addr);
  const agino = mp.fsbToAgbno(fsb) * mp.inodesPerBlock + base / mp.inodeSize;
  return mp.agInoToIno(mp.fsbToAgno(fsb), agino);
}
