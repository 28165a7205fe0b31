/** Inodes as xfs_db shows them: core, version 3 part, data fork and attribute fork by their form. */
import { S_IFMT } from '../../../core/vfs/mode.ts';
import { AttrShortEntry, AttrShortHeader } from '../structure/attr.ts';
import { DiFlag, DiFlag2, Dinode, DinodeLarge, dinodeFlags2, ForkFormat } from '../structure/dinode.ts';
import { extentRecord, rootFields } from './btree-blocks.ts';
import type { Block, Field, Group, Leaf } from './field.ts';
import {
  bit,
  chars,
  crc,
  i8,
  i64,
  nanoseconds,
  null32,
  null64,
  rows,
  seconds,
  u8,
  u8x,
  u16,
  u16o,
  u16x,
  u32,
  u32x,
  u64,
  u64x,
  uuid,
} from './leaves.ts';

const D = Dinode.at;
const version = ({ view }: Block): number => view.getUint8(D.version);
const large = ({ view }: Block): boolean => (dinodeFlags2(view, 0) & DiFlag2.NREXT64) !== 0;
const bigtime = ({ view }: Block): boolean => (dinodeFlags2(view, 0) & DiFlag2.BIGTIME) !== 0;
const coreSize = (block: Block): number => (version(block) < 3 ? 100 : 176);
const forkOffset = ({ view }: Block): number => view.getUint8(D.forkoff) * 8;
const fileType = ({ view }: Block): number => view.getUint16(D.mode) & S_IFMT;
const fileSize = ({ view }: Block): number => Number(view.getBigUint64(D.size));
const format = ({ view }: Block): number => view.getUint8(D.format);
const attrFormat = ({ view }: Block): number => view.getUint8(D.aformat);
const literal = (block: Block): number => block.mp.inodeSize - coreSize(block);
const dataSize = (block: Block): number => forkOffset(block) || literal(block);
const attrSize = (block: Block): number => (forkOffset(block) === 0 ? 0 : literal(block) - forkOffset(block));

const FORMATS = ['dev', 'local', 'extents', 'btree', 'uuid'];
const formatLeaf: Leaf = {
  kind: 'leaf',
  size: 1,
  show({ view }, at) {
    const value = view.getUint8(at);
    return FORMATS[value] === undefined ? String(value) : `${value} (${FORMATS[value]})`;
  },
};
const timestamp: Group = {
  kind: 'group',
  fields: rows(['sec', 0, seconds(bigtime)], ['nsec', 0, nanoseconds(bigtime)]),
};
const when = (test: (block: Block) => boolean) => ({ count: (block: Block) => (test(block) ? 1 : 0) });
const flag = (name: string, mask: number) => [name, D.flags, bit(2, Math.log2(mask))] as const;
const flag2 = (name: string, mask: number) => [name, D.flags2, bit(8, Math.log2(mask))] as const;

const core: Group = {
  kind: 'group',
  fields: rows(
    ['magic', D.magic, u16x],
    ['mode', D.mode, u16o],
    ['version', D.version, i8],
    ['format', D.format, formatLeaf],
    ['nlinkv1', D.onlink, u16, when((block) => version(block) === 1)],
    ['onlink', D.onlink, u16, when((block) => version(block) >= 2)],
    ['uid', D.uid, u32],
    ['gid', D.gid, u32],
    ['nlinkv2', D.nlink, u32, when((block) => version(block) >= 2)],
    ['projid_lo', D.projid_lo, u16, when((block) => version(block) >= 2)],
    ['projid_hi', D.projid_hi, u16, when((block) => version(block) >= 2)],
    ['nextents', DinodeLarge.at.big_nextents, u64, when(large)],
    ['v3_pad', D.v2_pad, u64, { ...when((block) => version(block) >= 3 && !large(block)), hidden: true }],
    ['v2_pad', D.v2_pad, u8x, { array: true, count: (block) => (version(block) < 3 ? 6 : 0), hidden: true }],
    ['flushiter', D.flushiter, u16, when((block) => version(block) < 3)],
    ['atime', D.atime, timestamp],
    ['mtime', D.mtime, timestamp],
    ['ctime', D.ctime, timestamp],
    ['size', D.size, i64],
    ['nblocks', D.nblocks, null64],
    ['extsize', D.extsize, u32],
    ['nextents', D.nextents, u32, when((block) => !large(block))],
    ['naextents', D.anextents, u16, when((block) => !large(block))],
    ['naextents', DinodeLarge.at.big_anextents, u32, when(large)],
    ['nrext64_pad', DinodeLarge.at.nrext64_pad, u16, { ...when(large), hidden: true }],
    ['forkoff', D.forkoff, u8],
    ['aformat', D.aformat, formatLeaf],
    ['dmevmask', D.dmevmask, u32x],
    ['dmstate', D.dmstate, u16],
    ['flags', D.flags, u16x, { hidden: true }],
    flag('newrtbm', DiFlag.NEWRTBM),
    flag('prealloc', DiFlag.PREALLOC),
    flag('realtime', DiFlag.REALTIME),
    flag('immutable', DiFlag.IMMUTABLE),
    flag('append', DiFlag.APPEND),
    flag('sync', DiFlag.SYNC),
    flag('noatime', DiFlag.NOATIME),
    flag('nodump', DiFlag.NODUMP),
    flag('rtinherit', DiFlag.RTINHERIT),
    flag('projinherit', DiFlag.PROJINHERIT),
    flag('nosymlinks', DiFlag.NOSYMLINKS),
    flag('extsz', DiFlag.EXTSIZE),
    flag('extszinherit', DiFlag.EXTSZINHERIT),
    flag('nodefrag', DiFlag.NODEFRAG),
    flag('filestream', DiFlag.FILESTREAM),
    ['gen', D.gen, u32],
  ),
};

const v3: Group = {
  kind: 'group',
  fields: rows(
    ['crc', D.crc, crc],
    ['change_count', D.changecount, u64],
    ['lsn', D.lsn, u64x],
    ['flags2', D.flags2, u64x],
    ['cowextsize', D.cowextsize, u32],
    ['pad2', D.pad2, u8x, { array: true, count: 12, hidden: true }],
    ['crtime', D.crtime, timestamp],
    ['inumber', D.ino, null64],
    ['uuid', D.uuid, uuid],
    flag2('reflink', DiFlag2.REFLINK),
    flag2('cowextsz', DiFlag2.COWEXTSIZE),
    flag2('dax', DiFlag2.DAX),
    flag2('bigtime', DiFlag2.BIGTIME),
    flag2('nrext64', DiFlag2.NREXT64),
  ),
};

const wide = ({ view }: Block, base: number): boolean => view.getUint8(base + 1) > 0;

const shortHeader: Group = {
  kind: 'group',
  fields: rows(
    ['count', 0, u8],
    ['i8count', 1, u8],
    ['parent', 2, inodeNumber((block) => wide(block, coreSize(block)))],
  ),
};

function inodeNumber(isWide: (block: Block) => boolean): Group {
  return {
    kind: 'group',
    fields: rows(['i8', 0, u64, when(isWide)], ['i4', 0, u32, when((block) => !isWide(block))]),
  };
}

/** Byte offsets of shortform entries from the start of the fork. */
function shortEntryAt(block: Block, base: number, index: number, ftype: boolean): number {
  let at = wide(block, base) ? 10 : 6;
  const tail = (wide(block, base) ? 8 : 4) + (ftype ? 1 : 0);
  for (let i = 0; i < index && base + at < block.bytes.length; i++) at += 3 + (block.bytes[base + at] as number) + tail;
  return Math.min(at, block.bytes.length - base - 1);
}

function shortDirectory(ftype: boolean): Group {
  const nameLength = ({ bytes }: Block, base: number): number => bytes[base] as number;
  const entry: Group = {
    kind: 'group',
    fields: rows(
      ['namelen', 0, u8],
      ['offset', 1, u16x],
      ['name', 3, chars, { count: nameLength }],
      [
        'inumber',
        (block, base) => 3 + nameLength(block, base) + (ftype ? 1 : 0),
        inodeNumber((block) => wide(block, coreSize(block))),
      ],
      ['filetype', (block, base) => 3 + nameLength(block, base), u8, when(() => ftype)],
    ),
  };
  return {
    kind: 'group',
    fields: rows(
      ['hdr', 0, shortHeader],
      [
        'list',
        (block, base, index) => shortEntryAt(block, base, index, ftype),
        entry,
        { array: true, count: ({ bytes }, base) => bytes[base] as number },
      ],
    ),
  };
}

const shortAttributes: Group = {
  kind: 'group',
  fields: rows(
    [
      'hdr',
      0,
      {
        kind: 'group',
        fields: rows(['totsize', AttrShortHeader.at.totsize, u16], ['count', AttrShortHeader.at.count, u8]),
      },
    ],
    [
      'list',
      (block, base, index) => shortAttrAt(block, base, index),
      shortAttribute(),
      { array: true, count: ({ bytes }, base) => bytes[base + 2] as number },
    ],
  ),
};

function shortAttrAt({ bytes }: Block, base: number, index: number): number {
  let at: number = AttrShortHeader.size;
  for (let i = 0; i < index && base + at + 1 < bytes.length; i++)
    at += 3 + (bytes[base + at] as number) + (bytes[base + at + 1] as number);
  return Math.min(at, bytes.length - base - 1);
}

function shortAttribute(): Group {
  const A = AttrShortEntry.at;
  const nameLength = ({ bytes }: Block, base: number): number => bytes[base] as number;
  return {
    kind: 'group',
    fields: rows(
      ['namelen', A.namelen, u8],
      ['valuelen', A.valuelen, u8],
      ['flags', A.flags, u8x, { hidden: true }],
      ['root', A.flags, bit(1, 1)],
      ['secure', A.flags, bit(1, 2)],
      ['name', 3, chars, { count: nameLength }],
      [
        'value',
        (block, base) => 3 + nameLength(block, base),
        chars,
        { count: ({ bytes }, base) => bytes[base + 1] as number },
      ],
    ),
  };
}

const extents = (block: Block): number =>
  large(block) ? Number(block.view.getBigUint64(24)) : block.view.getUint32(D.nextents);
const attrExtents = (block: Block): number =>
  large(block) ? block.view.getUint32(D.nextents) : block.view.getUint16(D.anextents);
const local = (block: Block, type: number): boolean => format(block) === ForkFormat.LOCAL && fileType(block) === type;

const dataFork: Group = {
  kind: 'group',
  mayBeEmpty: true,
  fields: rows(
    ['bmbt', 0, { kind: 'group', fields: rootFields(dataSize) }, when((block) => format(block) === ForkFormat.BTREE)],
    [
      'bmx',
      0,
      extentRecord,
      { array: true, count: (block) => (format(block) === ForkFormat.EXTENTS ? extents(block) : 0) },
    ],
    ['c', 0, chars, { count: (block) => (local(block, 0o100000) ? fileSize(block) : 0) }],
    ['dev', 0, u32x, when((block) => format(block) === ForkFormat.DEV)],
    ['muuid', 0, uuid, when((block) => format(block) === ForkFormat.UUID)],
    ['sfdir2', 0, shortDirectory(false), when((block) => local(block, 0o040000) && !block.mp.features.ftype)],
    ['sfdir3', 0, shortDirectory(true), when((block) => local(block, 0o040000) && block.mp.features.ftype)],
    ['symlink', 0, chars, { count: (block) => (local(block, 0o120000) ? fileSize(block) : 0) }],
  ),
};

const attrFork: Group = {
  kind: 'group',
  mayBeEmpty: true,
  fields: rows(
    [
      'bmbt',
      0,
      { kind: 'group', fields: rootFields(attrSize) },
      when((block) => attrFormat(block) === ForkFormat.BTREE),
    ],
    [
      'bmx',
      0,
      extentRecord,
      { array: true, count: (block) => (attrFormat(block) === ForkFormat.EXTENTS ? attrExtents(block) : 0) },
    ],
    ['sfattr', 0, shortAttributes, when((block) => attrFormat(block) === ForkFormat.LOCAL)],
  ),
};

const data = ['u', coreSize, dataFork] as const;
const attributes = [
  'a',
  (block: Block) => coreSize(block) + forkOffset(block),
  attrFork,
  when((block) => forkOffset(block) > 0),
] as const;
const next = ['next_unlinked', D.next_unlinked, null32] as const;

/** Inodes of version 1 and 2. */
export const inodeFields: readonly Field[] = rows(['core', 0, core], next, data, attributes);
/** Inodes of version 3. */
export const inodeCrcFields: readonly Field[] = rows(
  ['core', 0, core],
  next,
  ['v3', 0, v3],
  ['u3', data[1], data[2]],
  attributes,
);
