/**
 * Quota records: a sparse file of one kind holds them by id, as many as fit in each block. A block is made, with all
 * of its records, when the first of its ids is needed.
 *
 * Mirrors: fs/xfs/xfs_dquot.c (xfs_dquot_disk_read, xfs_dquot_disk_alloc, xfs_qm_init_dquot_blk).
 */
import type { Buf, BufOps } from '../../../core/buffer-cache.ts';
import { corrupt } from '../../../core/errors.ts';
import { forkLookup } from '../bmap-fork.ts';
import { daMap } from '../da/block.ts';
import { Extent } from '../extent.ts';
import type { XfsMount } from '../mount.ts';
import { DQTYPE_BIGTIME, DQUOT_MAGIC, DQUOT_VERSION, Dquot } from '../structure/dquot.ts';
import type { Trans } from '../trans.ts';
import { dquotsPerBlock } from '../verify/dquot.ts';
import { DquotType, type QuotaKind } from './types.ts';

/** A record: its block, and its place there. */
export interface DquotPlace {
  readonly buf: Buf;
  readonly base: number;
}

const found = new Extent();

function opsOf(mp: XfsMount, { type }: QuotaKind): BufOps {
  if (type === DquotType.USER) return mp.ops.userDquot;
  return type === DquotType.GROUP ? mp.ops.groupDquot : mp.ops.projectDquot;
}

/** The record of an id, or null if it has none yet. @throws FsError EUCLEAN, EIO */
export function findDquot(mp: XfsMount, kind: QuotaKind, id: number): DquotPlace | null {
  const per = dquotsPerBlock(mp);
  const block = Math.floor(id / per);
  if (!forkLookup(mp.iget(kind.ino), 'data', block, found) || found.off > block) return null;
  const buf = mp.cache.get(mp.fsbToAddr(found.block + (block - found.off)), mp.blockSize, opsOf(mp, kind));
  const base = (id % per) * Dquot.size;
  if (Dquot.get.id(buf.view, base) !== id) {
    throw corrupt({ structure: `${kind.name} quota record ${id}`, addr: buf.addr, offset: base, rule: 'is not here' });
  }
  return { buf, base };
}

/** The record of an id, made if need be. @throws FsError ENOSPC, EUCLEAN, EIO */
export function needDquot(tp: Trans, kind: QuotaKind, id: number): DquotPlace {
  const known = findDquot(tp.mp, kind, id);
  if (known !== null) return known;
  const { mp } = tp;
  const per = dquotsPerBlock(mp);
  const block = Math.floor(id / per);
  const ip = mp.iget(kind.ino);
  daMap(tp, ip, 'data', block, 1);
  forkLookup(ip, 'data', block, found);
  const buf = mp.cache.init(mp.fsbToAddr(found.block + (block - found.off)), mp.blockSize, opsOf(mp, kind));
  tp.init(buf);
  for (let i = 0; i < per; i++) initRecord(mp, buf, i * Dquot.size, kind.type, block * per + i);
  return { buf, base: (id % per) * Dquot.size };
}

function initRecord(mp: XfsMount, buf: Buf, base: number, type: number, id: number): void {
  const { set } = Dquot;
  set.magic(buf.view, base, DQUOT_MAGIC);
  set.version(buf.view, base, DQUOT_VERSION);
  set.type(buf.view, base, id > 0 && mp.features.bigtime ? type | DQTYPE_BIGTIME : type);
  set.id(buf.view, base, id);
  if (mp.features.v5) buf.bytes.set(mp.uuid, base + Dquot.at.uuid);
}

/** Every record that was ever used, by id. @throws FsError EUCLEAN, EIO */
export function* usedDquots(mp: XfsMount, kind: QuotaKind): Generator<DquotPlace & { readonly id: number }> {
  const extent = new Extent();
  const per = dquotsPerBlock(mp);
  for (let off = 0; forkLookup(mp.iget(kind.ino), 'data', off, extent); off = extent.end) {
    for (let block = extent.off; block < extent.end; block++) {
      for (let id = block * per; id < (block + 1) * per; id++) {
        const place = findDquot(mp, kind, id);
        if (place !== null && isUsed(place)) yield { ...place, id };
      }
    }
  }
}

function isUsed({ buf, base }: DquotPlace): boolean {
  for (let at = base + Dquot.at.blk_hardlimit; at < base + Dquot.at.pad; at++) if (buf.bytes[at] !== 0) return true;
  return false;
}
