/** Verifiers of the allocation group headers (kernel: xfs_agf_verify, xfs_agi_verify, …). */
import type { Buf, BufOps } from '../../../core/buffer-cache.ts';
import type { Damage } from '../../../core/errors.ts';
import { Blft } from '../log/log-format.ts';
import type { XfsMount } from '../mount.ts';
import {
  AGF_MAGIC,
  AGF_VERSION,
  AGFL_MAGIC,
  AGI_MAGIC,
  AGI_UNLINKED_BUCKETS,
  AGI_VERSION,
  Agf,
  Agfl,
  Agi,
  NULLAGBLOCK,
  NULLAGINO,
} from '../structure/ag.ts';
import { BTREE_MAX_LEVELS } from '../structure/btree-format.ts';
import { checkIdentity, fault, hex, sealBlock } from './header.ts';

/** Number of slots in a group's free list. */
export function agflSize(mp: XfsMount): number {
  return Math.floor((mp.sectorSize - (mp.features.v5 ? Agfl.size : 0)) / 4);
}

/** Byte offset of the first slot in the free list sector. */
export function agflStart(mp: XfsMount): number {
  return mp.features.v5 ? Agfl.size : 0;
}

const AGF_AT = { crc: Agf.at.crc, uuid: Agf.at.uuid, lsn: Agf.at.lsn };

export function agfOps(mp: XfsMount): BufOps {
  return {
    name: 'agf',
    logType: Blft.AGF,
    verify: (buf) => verifyAgf(mp, buf),
    seal: (buf, lsn) => {
      if (mp.features.v5) sealBlock(buf, AGF_AT, lsn);
    },
  };
}

function verifyAgf(mp: XfsMount, buf: Buf): Damage | null {
  const agno = groupOf(mp, buf);
  const name = `agf ${agno}`;
  const { view } = buf;
  const get = Agf.get;
  const bad = (field: keyof typeof Agf.at, value: number, rule: string): Damage =>
    fault(buf, name, field, Agf.at[field], value, rule);
  if (mp.features.v5) {
    const identity = checkIdentity(buf, name, AGF_AT, mp);
    if (identity !== null) return identity;
  }
  if (get.magicnum(view, 0) !== AGF_MAGIC) return fault(buf, name, 'magicnum', 0, hex(get.magicnum(view, 0)), 'magic');
  if (get.versionnum(view, 0) !== AGF_VERSION) return bad('versionnum', get.versionnum(view, 0), 'not 1');
  if (get.seqno(view, 0) !== agno) return bad('seqno', get.seqno(view, 0), `own group is ${agno}`);
  const length = get.length(view, 0);
  if (length !== mp.agSize(agno)) return bad('length', length, `group has ${mp.agSize(agno)} blocks`);
  const slots = agflSize(mp);
  if (get.flfirst(view, 0) >= slots) return bad('flfirst', get.flfirst(view, 0), `>= ${slots}`);
  if (get.fllast(view, 0) >= slots) return bad('fllast', get.fllast(view, 0), `>= ${slots}`);
  if (get.flcount(view, 0) > slots) return bad('flcount', get.flcount(view, 0), `> ${slots}`);
  const free = get.freeblks(view, 0);
  if (free > length) return bad('freeblks', free, `> length ${length}`);
  if (get.longest(view, 0) > free) return bad('longest', get.longest(view, 0), `> freeblks ${free}`);
  if (mp.features.lazySbCount && get.btreeblks(view, 0) > length)
    return bad('btreeblks', get.btreeblks(view, 0), `> length ${length}`);
  return verifyAgfRoots(mp, buf, length, bad);
}

type Bad = (
  field:
    | 'bno_root'
    | 'cnt_root'
    | 'rmap_root'
    | 'refcount_root'
    | 'bno_level'
    | 'cnt_level'
    | 'rmap_level'
    | 'refcount_level'
    | 'rmap_blocks'
    | 'refcount_blocks',
  value: number,
  rule: string,
) => Damage;

function verifyAgfRoots(mp: XfsMount, buf: Buf, length: number, bad: Bad): Damage | null {
  const trees = ['bno', 'cnt', ...(mp.features.rmapbt ? ['rmap'] : []), ...(mp.features.reflink ? ['refcount'] : [])];
  for (const tree of trees as ('bno' | 'cnt' | 'rmap' | 'refcount')[]) {
    const level = Agf.get[`${tree}_level`](buf.view, 0);
    if (level < 1 || level > BTREE_MAX_LEVELS) return bad(`${tree}_level`, level, `not 1 to ${BTREE_MAX_LEVELS}`);
    const root = Agf.get[`${tree}_root`](buf.view, 0);
    if (root === 0 || root >= length) return bad(`${tree}_root`, root, 'outside its group');
    if (tree === 'rmap' || tree === 'refcount') {
      const blocks = Agf.get[`${tree}_blocks`](buf.view, 0);
      if (blocks > length) return bad(`${tree}_blocks`, blocks, `> length ${length}`);
    }
  }
  return null;
}

const AGI_AT = { crc: Agi.at.crc, uuid: Agi.at.uuid, lsn: Agi.at.lsn };

export function agiOps(mp: XfsMount): BufOps {
  return {
    name: 'agi',
    logType: Blft.AGI,
    verify: (buf) => verifyAgi(mp, buf),
    seal: (buf, lsn) => {
      if (mp.features.v5) sealBlock(buf, AGI_AT, lsn);
    },
  };
}

function verifyAgi(mp: XfsMount, buf: Buf): Damage | null {
  const agno = groupOf(mp, buf);
  const name = `agi ${agno}`;
  const { view } = buf;
  const get = Agi.get;
  const bad = (field: keyof typeof Agi.at, value: number, rule: string): Damage =>
    fault(buf, name, field, Agi.at[field], value, rule);
  if (mp.features.v5) {
    const identity = checkIdentity(buf, name, AGI_AT, mp);
    if (identity !== null) return identity;
  }
  if (get.magicnum(view, 0) !== AGI_MAGIC) return fault(buf, name, 'magicnum', 0, hex(get.magicnum(view, 0)), 'magic');
  if (get.versionnum(view, 0) !== AGI_VERSION) return bad('versionnum', get.versionnum(view, 0), 'not 1');
  if (get.seqno(view, 0) !== agno) return bad('seqno', get.seqno(view, 0), `own group is ${agno}`);
  const length = get.length(view, 0);
  if (length !== mp.agSize(agno)) return bad('length', length, `group has ${mp.agSize(agno)} blocks`);
  const level = get.level(view, 0);
  if (level < 1 || level > BTREE_MAX_LEVELS) return bad('level', level, `not 1 to ${BTREE_MAX_LEVELS}`);
  if (get.root(view, 0) === 0 || get.root(view, 0) >= length)
    return bad('root', get.root(view, 0), 'outside its group');
  if (mp.features.finobt) {
    const freeLevel = get.free_level(view, 0);
    if (freeLevel < 1 || freeLevel > BTREE_MAX_LEVELS)
      return bad('free_level', freeLevel, `not 1 to ${BTREE_MAX_LEVELS}`);
    const root = get.free_root(view, 0);
    if (root === 0 || root >= length) return bad('free_root', root, 'outside its group');
  }
  for (let i = 0; i < AGI_UNLINKED_BUCKETS; i++) {
    const agino = view.getUint32(Agi.at.unlinked + 4 * i);
    if (agino !== NULLAGINO && !mp.validAgino(agno, agino))
      return fault(buf, name, `unlinked[${i}]`, Agi.at.unlinked + 4 * i, agino, 'no inode of this group');
  }
  return null;
}

const AGFL_AT = { crc: Agfl.at.crc, uuid: Agfl.at.uuid, lsn: Agfl.at.lsn };

export function agflOps(mp: XfsMount): BufOps {
  return {
    name: 'agfl',
    logType: Blft.AGFL,
    verify: (buf) => (mp.features.v5 ? verifyAgfl(mp, buf) : null),
    seal: (buf, lsn) => {
      if (mp.features.v5) sealBlock(buf, AGFL_AT, lsn);
    },
  };
}

function verifyAgfl(mp: XfsMount, buf: Buf): Damage | null {
  const agno = groupOf(mp, buf);
  const name = `agfl ${agno}`;
  const identity = checkIdentity(buf, name, AGFL_AT, mp);
  if (identity !== null) return identity;
  const magic = Agfl.get.magicnum(buf.view, 0);
  if (magic !== AGFL_MAGIC) return fault(buf, name, 'magicnum', 0, hex(magic), 'magic');
  const seqno = Agfl.get.seqno(buf.view, 0);
  if (seqno !== agno) return fault(buf, name, 'seqno', Agfl.at.seqno, seqno, `own group is ${agno}`);
  const slots = agflSize(mp);
  for (let i = 0; i < slots; i++) {
    const bno = buf.view.getUint32(Agfl.size + 4 * i);
    if (bno !== NULLAGBLOCK && bno >= mp.agBlocks)
      return fault(buf, name, `bno[${i}]`, Agfl.size + 4 * i, bno, `>= agblocks ${mp.agBlocks}`);
  }
  return null;
}

function groupOf(mp: XfsMount, buf: Buf): number {
  return Math.floor(buf.addr / (mp.agBlocks * mp.blockSize));
}
