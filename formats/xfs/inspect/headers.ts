/** The superblock and the allocation group headers, as xfs_db names their fields. */

import { AGI_UNLINKED_BUCKETS, Agf, Agfl, Agi } from '../structure/ag.ts';
import { Superblock } from '../structure/sb.ts';
import { agflSize, agflStart } from '../verify/ag.ts';
import type { Field } from './field.ts';
import {
  chars,
  crc,
  null32,
  null32SkipZero,
  null64,
  rows,
  skipNull32,
  u8,
  u8x,
  u16,
  u16x,
  u32,
  u32x,
  u64,
  u64x,
  uuid,
} from './leaves.ts';

const S = Superblock.at;
const NULLABLE_SB = [
  'rootino',
  'rbmino',
  'rsumino',
  'uquotino',
  'gquotino',
  'pquotino',
  'dblocks',
  'rblocks',
  'rextents',
  'logstart',
];
const HEX_SB = [
  'magicnum',
  'versionnum',
  'qflags',
  'flags',
  'features2',
  'bad_features2',
  'features_compat',
  'features_ro_compat',
  'features_incompat',
  'features_log_incompat',
  'lsn',
];
const NULL32_SB = ['rextsize', 'agblocks', 'agcount'];

/** Fields of the superblock; those behind meta_uuid exist with a metadata directory only. */
export const sbFields: readonly Field[] = Superblock.fields
  .filter(({ offset }) => offset <= S.meta_uuid)
  .map(({ name, offset, size }) => ({
    name,
    at: offset,
    type: sbType(name, size),
    ...(name === 'fname' ? { count: 12 } : {}),
  }));

function sbType(name: string, size: number): Field['type'] {
  if (name === 'fname') return chars;
  if (name === 'crc') return crc;
  if (size === 16) return uuid;
  const hex = HEX_SB.includes(name);
  if (size === 8) return hex ? u64x : NULLABLE_SB.includes(name) ? null64 : u64;
  if (size === 4) return hex ? u32x : NULL32_SB.includes(name) ? null32 : u32;
  if (size === 2) return hex ? u16x : u16;
  return hex ? u8x : u8;
}

const F = Agf.at;
const lists = { array: true, hidden: true } as const;

export const agfFields: readonly Field[] = rows(
  ['magicnum', F.magicnum, u32x],
  ['versionnum', F.versionnum, u32],
  ['seqno', F.seqno, null32],
  ['length', F.length, null32],
  ['roots', F.bno_root, null32, { ...lists, count: 3 }],
  ['bnoroot', F.bno_root, null32],
  ['cntroot', F.cnt_root, null32],
  ['rmaproot', F.rmap_root, null32SkipZero],
  ['refcntroot', F.refcount_root, null32SkipZero],
  ['levels', F.bno_level, u32, { ...lists, count: 3 }],
  ['bnolevel', F.bno_level, u32],
  ['cntlevel', F.cnt_level, u32],
  ['rmaplevel', F.rmap_level, u32],
  ['refcntlevel', F.refcount_level, u32],
  ['rmapblocks', F.rmap_blocks, u32],
  ['refcntblocks', F.refcount_blocks, u32],
  ['flfirst', F.flfirst, u32],
  ['fllast', F.fllast, u32],
  ['flcount', F.flcount, u32],
  ['freeblks', F.freeblks, u32],
  ['longest', F.longest, u32],
  ['btreeblks', F.btreeblks, u32],
  ['uuid', F.uuid, uuid],
  ['lsn', F.lsn, u64x],
  ['crc', F.crc, crc],
);

const I = Agi.at;

export const agiFields: readonly Field[] = rows(
  ['magicnum', I.magicnum, u32x],
  ['versionnum', I.versionnum, u32],
  ['seqno', I.seqno, null32],
  ['length', I.length, null32],
  ['count', I.count, null32],
  ['root', I.root, null32],
  ['level', I.level, u32],
  ['freecount', I.freecount, null32],
  ['newino', I.newino, null32],
  ['dirino', I.dirino, null32],
  ['unlinked', I.unlinked, skipNull32, { array: true, count: AGI_UNLINKED_BUCKETS }],
  ['uuid', I.uuid, uuid],
  ['crc', I.crc, crc],
  ['pad32', I.pad32, u32x, { hidden: true }],
  ['lsn', I.lsn, u64x],
  ['free_root', I.free_root, null32],
  ['free_level', I.free_level, u32],
  ['ino_blocks', I.iblocks, u32],
  ['fino_blocks', I.fblocks, u32],
);

const L = Agfl.at;
const agflBlocks: Field = {
  name: 'bno',
  at: ({ mp }, _base, index) => agflStart(mp) + index * 4,
  type: null32SkipZero,
  array: true,
  count: ({ mp }) => agflSize(mp),
};

export const agflFields: readonly Field[] = [agflBlocks];
export const agflCrcFields: readonly Field[] = [
  ...rows(
    ['magicnum', L.magicnum, u32x],
    ['seqno', L.seqno, null32],
    ['uuid', L.uuid, uuid],
    ['lsn', L.lsn, u64x],
    ['crc', L.crc, crc],
  ),
  agflBlocks,
];
