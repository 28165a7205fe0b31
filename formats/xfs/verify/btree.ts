/**
 * Verifiers of btree blocks (kernel: xfs_allocbt_verify and its siblings, xfs_btree_agblock_verify,
 * xfs_btree_fsblock_verify): identity, magic, level, number of records, sibling pointers. Whether a level or an
 * owner is the expected one is for the walker to say: it knows the parent.
 */
import type { Buf, BufOps } from '../../../core/buffer-cache.ts';
import type { Damage } from '../../../core/errors.ts';
import { Blft } from '../log/log-format.ts';
import type { XfsMount } from '../mount.ts';
import { NULLAGBLOCK } from '../structure/ag.ts';
import {
  BTREE_MAX_LEVELS,
  BtreeLongHeader,
  BtreeMagic,
  BtreeShortHeader,
  LONG_V4_SIZE,
  LONG_V5_SIZE,
  SHORT_V4_SIZE,
  SHORT_V5_SIZE,
} from '../structure/btree-format.ts';
import { checkIdentity, fault, hex, sealBlock } from './header.ts';

export type BtreeName = 'bnobt' | 'cntbt' | 'inobt' | 'finobt' | 'rmapbt' | 'refcountbt' | 'bmbt';

/** Bytes of a record, and of a key with its pointer in a node; rmap nodes hold two keys a pointer. */
const SIZES: Readonly<Record<BtreeName, readonly [record: number, keyAndPointer: number]>> = {
  bnobt: [8, 12],
  cntbt: [8, 12],
  inobt: [16, 8],
  finobt: [16, 8],
  rmapbt: [24, 44],
  refcountbt: [12, 8],
  bmbt: [16, 16],
};

/** The most records a block of this tree can hold, at a leaf or above. */
export function btreeMaxRecords(mp: XfsMount, name: BtreeName, leaf: boolean): number {
  const [record, pair] = SIZES[name];
  const header =
    name === 'bmbt' ? (mp.features.v5 ? LONG_V5_SIZE : LONG_V4_SIZE) : mp.features.v5 ? SHORT_V5_SIZE : SHORT_V4_SIZE;
  return Math.floor((mp.blockSize - header) / (leaf ? record : pair));
}

export function btreeOps(mp: XfsMount, name: BtreeName): BufOps {
  return name === 'bmbt' ? longOps(mp) : shortOps(mp, name);
}

const SHORT_AT = {
  crc: BtreeShortHeader.at.crc,
  uuid: BtreeShortHeader.at.uuid,
  blkno: BtreeShortHeader.at.blkno,
  lsn: BtreeShortHeader.at.lsn,
};

function shortOps(mp: XfsMount, name: BtreeName): BufOps {
  const magic = BtreeMagic[name][mp.features.v5 ? 1 : 0];
  const maxLeaf = btreeMaxRecords(mp, name, true);
  const maxNode = btreeMaxRecords(mp, name, false);
  return {
    name,
    logType: Blft.BTREE,
    verify(buf) {
      const common = verifyCommon(mp, buf, name, magic, SHORT_AT, maxLeaf, maxNode);
      if (common !== null) return common;
      const agno = Math.floor(buf.addr / (mp.agBlocks * mp.blockSize));
      const self = buf.addr / mp.blockSize - agno * mp.agBlocks;
      if (mp.features.v5) {
        const owner = BtreeShortHeader.get.owner(buf.view, 0);
        if (owner !== agno)
          return fault(buf, `${name} block`, 'owner', BtreeShortHeader.at.owner, owner, `own group is ${agno}`);
      }
      return (
        checkShortSibling(mp, buf, name, agno, self, 'leftsib') ??
        checkShortSibling(mp, buf, name, agno, self, 'rightsib')
      );
    },
    seal(buf, lsn) {
      if (mp.features.v5) sealBlock(buf, SHORT_AT, lsn);
    },
  };
}

function checkShortSibling(
  mp: XfsMount,
  buf: Buf,
  name: string,
  agno: number,
  self: number,
  side: 'leftsib' | 'rightsib',
): Damage | null {
  const block = BtreeShortHeader.get[side](buf.view, 0);
  if (block === NULLAGBLOCK) return null;
  if (block === self) return fault(buf, `${name} block`, side, BtreeShortHeader.at[side], block, 'is the block itself');
  if (mp.validAgbno(agno, block)) return null;
  return fault(buf, `${name} block`, side, BtreeShortHeader.at[side], block, 'outside its group');
}

const LONG_AT = {
  crc: BtreeLongHeader.at.crc,
  uuid: BtreeLongHeader.at.uuid,
  blkno: BtreeLongHeader.at.blkno,
  lsn: BtreeLongHeader.at.lsn,
};

function longOps(mp: XfsMount): BufOps {
  const name = 'bmbt';
  const magic = BtreeMagic.bmbt[mp.features.v5 ? 1 : 0];
  const maxLeaf = btreeMaxRecords(mp, name, true);
  const maxNode = btreeMaxRecords(mp, name, false);
  return {
    name,
    logType: Blft.BTREE,
    verify(buf) {
      const common = verifyCommon(mp, buf, name, magic, LONG_AT, maxLeaf, maxNode);
      if (common !== null) return common;
      const self = mp.addrToFsb(buf.addr);
      return checkLongSibling(mp, buf, self, 'leftsib') ?? checkLongSibling(mp, buf, self, 'rightsib');
    },
    seal(buf, lsn) {
      if (mp.features.v5) sealBlock(buf, LONG_AT, lsn);
    },
  };
}

function checkLongSibling(mp: XfsMount, buf: Buf, self: number, side: 'leftsib' | 'rightsib'): Damage | null {
  const at = BtreeLongHeader.at[side];
  const high = buf.view.getUint32(at);
  const low = buf.view.getUint32(at + 4);
  if (high === 0xffffffff && low === 0xffffffff) return null;
  const block = high * 0x1_0000_0000 + low;
  if (block === self) return fault(buf, 'bmbt block', side, at, block, 'is the block itself');
  return mp.validFsb(block) ? null : fault(buf, 'bmbt block', side, at, block, 'outside the device');
}

function verifyCommon(
  mp: XfsMount,
  buf: Buf,
  name: string,
  magic: number,
  at: typeof SHORT_AT,
  maxLeaf: number,
  maxNode: number,
): Damage | null {
  const structure = `${name} block`;
  const found = buf.view.getUint32(0);
  if (found !== magic) return fault(buf, structure, 'magic', 0, hex(found), 'magic');
  if (mp.features.v5) {
    const identity = checkIdentity(buf, structure, at, mp);
    if (identity !== null) return identity;
  }
  const level = buf.view.getUint16(4);
  if (level >= BTREE_MAX_LEVELS) return fault(buf, structure, 'level', 4, level, `>= ${BTREE_MAX_LEVELS}`);
  const max = level === 0 ? maxLeaf : maxNode;
  const numrecs = buf.view.getUint16(6);
  return numrecs > max ? fault(buf, structure, 'numrecs', 6, numrecs, `> ${max}`) : null;
}
