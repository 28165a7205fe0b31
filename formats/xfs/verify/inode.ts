/**
 * Verifier of inode buffers (kernel: xfs_inode_buf_verify): magic and version of each inode. The checksum of a v3
 * inode is judged once and remembered, by whoever asks for the inode (iget() refuses the bad ones) or before anything
 * in the buffer changes: bytes that change cannot be judged by the stored checksum, which only sealing renews. Sealing
 * leaves the bytes of bad inodes alone, so that writing a neighbour never makes damage look sound.
 */
import type { Buf, BufOps } from '../../../core/buffer-cache.ts';
import { crc32c, crc32cSkipping } from '../../../core/checksum.ts';
import { Blft } from '../log/log-format.ts';
import type { XfsMount } from '../mount.ts';
import { DINODE_MAGIC, Dinode } from '../structure/dinode.ts';
import { fault, hex } from './header.ts';

const UNJUDGED = 0;
const GOOD = 1;
const BAD = 2;

/** What is known of the checksum of each inode of a buffer that was read; a buffer made in memory has none to judge. */
const judgements = new WeakMap<Buf, Uint8Array>();

/** True if the inode at `base` in this buffer had a wrong checksum when the buffer was read. */
export function hadBadChecksum(mp: XfsMount, buf: Buf, base: number): boolean {
  const known = judgements.get(buf);
  if (known === undefined) return false;
  const index = base / mp.inodeSize;
  if (known[index] === UNJUDGED) known[index] = hasGoodChecksum(mp, buf, base) ? GOOD : BAD;
  return known[index] === BAD;
}

function hasGoodChecksum(mp: XfsMount, buf: Buf, base: number): boolean {
  const bytes = buf.bytes.subarray(base, base + mp.inodeSize);
  return Dinode.get.crc(buf.view, base) === crc32cSkipping(bytes, Dinode.at.crc);
}

export function inodeOps(mp: XfsMount): BufOps {
  return {
    name: 'inode',
    logType: Blft.DINO,
    verify(buf, sealed) {
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
      }
      if (mp.features.v5 && sealed !== true) judgements.set(buf, new Uint8Array(buf.length / mp.inodeSize));
      return null;
    },
    beforeChange(buf) {
      const known = judgements.get(buf);
      if (known === undefined) return;
      for (let index = known.indexOf(UNJUDGED); index >= 0; index = known.indexOf(UNJUDGED, index + 1))
        known[index] = hasGoodChecksum(mp, buf, index * mp.inodeSize) ? GOOD : BAD;
    },
    seal(buf, lsn) {
      if (!mp.features.v5) return;
      const known = judgements.get(buf);
      for (let base = 0; base < buf.length; base += mp.inodeSize) {
        if (known?.[base / mp.inodeSize] !== BAD) sealInode(mp, buf, base, lsn);
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
