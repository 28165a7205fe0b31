/** Verifiers of the index blocks of a directory: hash leaves and free-space blocks (kernel: xfs_dir3_leaf_check_int). */
import type { Buf, BufOps } from '../../../core/buffer-cache.ts';
import type { Damage } from '../../../core/errors.ts';
import { dataptrToDb, dirGeometry, leafTailAt } from '../dir/geometry.ts';
import { Blft } from '../log/log-format.ts';
import type { XfsMount } from '../mount.ts';
import { Da3Blkinfo, DaBlkinfo, DaMagic } from '../structure/da.ts';
import { DIR_NULL_DATAPTR, Dir3FreeHeader, DirMagic } from '../structure/dir.ts';
import { checkIdentity, fault, hex, sealBlock } from './header.ts';

const DA_AT = { crc: Da3Blkinfo.at.crc, uuid: Da3Blkinfo.at.uuid, blkno: Da3Blkinfo.at.blkno, lsn: Da3Blkinfo.at.lsn };

export function dirLeafOps(mp: XfsMount, name: 'dirLeaf1' | 'dirLeafn'): BufOps {
  const single = name === 'dirLeaf1';
  const magic = (single ? DaMagic.leaf1 : DaMagic.leafn)[mp.features.v5 ? 1 : 0];
  return {
    name,
    logType: single ? Blft.DIR_LEAF1 : Blft.DIR_LEAFN,
    verify(buf) {
      const structure = 'directory leaf block';
      const found = DaBlkinfo.get.magic(buf.view, 0);
      if (found !== magic) return fault(buf, structure, 'magic', DaBlkinfo.at.magic, hex(found), 'magic');
      if (mp.features.v5) {
        const identity = checkIdentity(buf, structure, DA_AT, mp);
        if (identity !== null) return identity;
      }
      return checkLeaf(mp, buf, structure, single);
    },
    seal(buf, lsn) {
      if (mp.features.v5) sealBlock(buf, DA_AT, lsn);
    },
  };
}

function checkLeaf(mp: XfsMount, buf: Buf, structure: string, single: boolean): Damage | null {
  const geo = dirGeometry(mp);
  const { view } = buf;
  const count = view.getUint16(geo.leafCountAt);
  if (count > geo.leafMax) return fault(buf, structure, 'count', geo.leafCountAt, count, `> ${geo.leafMax}`);
  let bests = 0;
  if (single) {
    const tail = leafTailAt(geo);
    bests = view.getUint32(tail);
    if (geo.leafHeader + count * 8 + bests * 2 > tail)
      return fault(buf, structure, 'bestcount', tail, bests, 'bests run into the entries');
  }
  let stale = 0;
  let last = 0;
  for (let i = 0; i < count; i++) {
    const at = geo.leafHeader + i * 8;
    const hash = view.getUint32(at);
    if (hash < last) return fault(buf, structure, `ents[${i}].hashval`, at, hex(hash), 'hashes are not in order');
    last = hash;
    const address = view.getUint32(at + 4);
    if (address === DIR_NULL_DATAPTR) stale++;
    else if (single && dataptrToDb(geo, address) >= bests)
      return fault(buf, structure, `ents[${i}].address`, at + 4, hex(address), 'beyond the data blocks');
  }
  const said = view.getUint16(geo.leafStaleAt);
  return said === stale ? null : fault(buf, structure, 'stale', geo.leafStaleAt, said, `${stale} stale entries found`);
}

const FREE_AT = {
  crc: Dir3FreeHeader.at.crc,
  uuid: Dir3FreeHeader.at.uuid,
  blkno: Dir3FreeHeader.at.blkno,
  lsn: Dir3FreeHeader.at.lsn,
};

export function dirFreeOps(mp: XfsMount): BufOps {
  const magic = DirMagic.free[mp.features.v5 ? 1 : 0];
  const structure = 'directory free-space block';
  return {
    name: 'dirFree',
    logType: Blft.DIR_FREE,
    verify(buf) {
      const found = buf.view.getUint32(0);
      if (found !== magic) return fault(buf, structure, 'magic', 0, hex(found), 'magic');
      if (mp.features.v5) {
        const identity = checkIdentity(buf, structure, FREE_AT, mp);
        if (identity !== null) return identity;
      }
      const geo = dirGeometry(mp);
      const valid = buf.view.getUint32(geo.nvalidAt);
      const used = buf.view.getUint32(geo.nusedAt);
      if (valid > geo.freeMax) return fault(buf, structure, 'nvalid', geo.nvalidAt, valid, `> ${geo.freeMax}`);
      return used > valid ? fault(buf, structure, 'nused', geo.nusedAt, used, `> nvalid ${valid}`) : null;
    },
    seal(buf, lsn) {
      if (mp.features.v5) sealBlock(buf, FREE_AT, lsn);
    },
  };
}
