/**
 * Log items as a person reads them: for each region of an item some lines in the manner of xfs_logprint, and the same
 * as data. Where xfs_logprint prints a number that it misreads (counters of the superblock, times with BIGTIME), the
 * right one stands here.
 */
import { slim } from '../../../core/positions.ts';
import { Agf, Agi } from '../structure/ag.ts';
import { DiFlag2, Dinode, DinodeLarge, dinodeFlags2, readTimestamp } from '../structure/dinode.ts';
import { Superblock } from '../structure/sb.ts';
import { swapCore } from './inode-core-swap.ts';
import { BB, Blft, Ilog, LogItem } from './log-format.ts';
import { readInodeFormat } from './recover/inodes.ts';
import { decodeIntent, finishedType, type Intent, intentId, isIntentItem } from './recover/intents.ts';
import { type RecoveredItem, readBufFormat, u16, u32 } from './recover/transactions.ts';

/** One region of an item, described. */
export interface Described {
  readonly lines: readonly string[];
  readonly data: Readonly<Record<string, unknown>>;
}

const hex = (value: number | bigint): string => `0x${value.toString(16)}`;

/** The kernel's short name of an item type. */
export function itemName(type: number): string {
  for (const [name, value] of Object.entries(LogItem)) if (value === type) return name;
  return hex(type);
}

/** Describes region `index` of an item whose regions up to there are known. Never throws for damaged items. */
export function describeRegion(regions: readonly Uint8Array[], index: number): Described {
  const format = regions[0] as Uint8Array;
  const type = u16(format, 0);
  try {
    if (type === LogItem.BUF) return index === 0 ? bufFormat(format) : bufData(format, regions, index);
    if (type === LogItem.INODE) return index === 0 ? inodeFormat(format) : inodeData(format, regions, index);
    if (type === LogItem.ICREATE) return icreate(format);
    if (type === LogItem.DQUOT) return index === 0 ? dquotFormat(format) : dquotData(regions[index] as Uint8Array);
    if (type === LogItem.QUOTAOFF) return quotaOff(format);
    if (isIntentItem(type)) return index === 0 ? intentItem(type, format) : intentData(regions[index] as Uint8Array);
  } catch {
    return { lines: [`${itemName(type)}: not as it should be`], data: { damaged: true } };
  }
  return { lines: [`item type ${hex(type)}`], data: {} };
}

function bufFormat(region: Uint8Array): Described {
  const { addr, length, words, flags, type } = readBufFormat(region);
  const blkno = addr / BB;
  const count = u16(region, 2);
  return {
    lines: [
      `BUF:  #regs: ${count}   start blkno: ${blkno} (${hex(blkno)})  len: ${length / BB}  bmap size: ${words}  flags: ${hex(flags)}`,
    ],
    data: { regions: count, blkno, length: length / BB, flags, holds: bufKind(type) },
  };
}

function bufKind(type: number): string {
  for (const [name, value] of Object.entries(Blft)) if (value === type) return name.toLowerCase();
  return String(type);
}

function bufData(format: Uint8Array, regions: readonly Uint8Array[], index: number): Described {
  const region = regions[index] as Uint8Array;
  const view = viewOf(region);
  const { addr, type } = readBufFormat(format);
  const first = index === 1 && region.length >= 128;
  if (type === Blft.SB && addr === 0 && first) return superblock(view);
  if (type === Blft.AGF && first) return agf(view);
  if (type === Blft.AGI && first) return agi(view);
  return { lines: ['BUF DATA'], data: { bytes: region.length } };
}

function superblock(view: DataView): Described {
  if (view.byteLength < Superblock.at.frextents + 8) return { lines: ['SUPER BLOCK Buffer: '], data: {} };
  const { icount, ifree, fdblocks, frextents } = Superblock.get;
  const data = {
    icount: icount(view, 0),
    ifree: ifree(view, 0),
    fdblocks: fdblocks(view, 0),
    frextents: frextents(view, 0),
  };
  return {
    lines: [
      'SUPER BLOCK Buffer: ',
      `icount: ${data.icount}  ifree: ${data.ifree}  fdblks: ${data.fdblocks}  frext: ${data.frextents}`,
    ],
    data,
  };
}

function agf(view: DataView): Described {
  const get = Agf.get;
  const n = (field: 'seqno' | 'length' | 'flfirst' | 'fllast' | 'flcount' | 'freeblks' | 'longest'): number =>
    get[field](view, 0);
  const [bno, cnt] = [view.getUint32(16), view.getUint32(20)];
  const [bnoLevel, cntLevel] = [view.getUint32(28), view.getUint32(32)];
  return {
    lines: [
      'AGF Buffer: XAGF  ',
      `ver: ${view.getUint32(4)}  seq#: ${n('seqno')}  len: ${n('length')}  `,
      `root BNO: ${bno}  CNT: ${cnt}`,
      `level BNO: ${bnoLevel}  CNT: ${cntLevel}`,
      `1st: ${n('flfirst')}  last: ${n('fllast')}  cnt: ${n('flcount')}  freeblks: ${n('freeblks')}  longest: ${n('longest')}`,
    ],
    data: {
      seqno: n('seqno'),
      length: n('length'),
      freeblks: n('freeblks'),
      longest: n('longest'),
      flcount: n('flcount'),
    },
  };
}

function agi(view: DataView): Described {
  const get = Agi.get;
  const fields = {
    seqno: get.seqno(view, 0),
    length: get.length(view, 0),
    count: get.count(view, 0),
    root: get.root(view, 0),
    level: get.level(view, 0),
    freecount: get.freecount(view, 0),
    newino: get.newino(view, 0),
  };
  const lines = [
    'AGI Buffer: XAGI  ',
    `ver: ${view.getUint32(4)}  seq#: ${fields.seqno}  len: ${fields.length}  cnt: ${fields.count}  root: ${fields.root}`,
    `level: ${fields.level}  free#: ${hex(fields.freecount)}  newino: ${hex(fields.newino)}`,
  ];
  const buckets = Math.min(64, Math.floor((view.byteLength - Agi.at.unlinked) / 4));
  for (let bucket = 0; bucket < buckets; bucket += 4) {
    let line = `bucket[${bucket} - ${bucket + 3}]: `;
    for (let i = bucket; i < Math.min(bucket + 4, buckets); i++)
      line += `${hex(view.getUint32(Agi.at.unlinked + 4 * i))} `;
    lines.push(line);
  }
  return { lines, data: fields };
}

function inodeFormat(region: Uint8Array): Described {
  const { ino, fields, addr, length, base } = readInodeFormat(region);
  const count = u16(region, 2);
  const dsize = u16(region, 10);
  return {
    lines: [
      `INODE: #regs: ${count}   ino: ${hex(ino)}  flags: ${hex(fields)}   dsize: ${dsize}`,
      `        blkno: ${addr / BB}  len: ${length / BB}  boff: ${base}`,
    ],
    data: {
      regions: count,
      ino,
      fields,
      dsize,
      asize: u16(region, 8),
      blkno: addr / BB,
      length: length / BB,
      offset: base,
    },
  };
}

function inodeData(format: Uint8Array, regions: readonly Uint8Array[], index: number): Described {
  const { fields } = readInodeFormat(format);
  const region = regions[index] as Uint8Array;
  if (index === 1) return inodeCore(region, fields);
  const dataFork = (fields & (Ilog.DDATA | Ilog.DEXT | Ilog.DBROOT)) !== 0;
  const attr = index === 3 || !dataFork;
  const bits = attr ? [Ilog.AEXT, Ilog.ABROOT, Ilog.ADATA] : [Ilog.DEXT, Ilog.DBROOT, Ilog.DDATA];
  const form = ['EXTENTS', 'BTREE', 'LOCAL'][bits.findIndex((bit) => (fields & bit) !== 0)] ?? 'UNKNOWN';
  return {
    lines: [`${form} ${attr ? 'attr' : 'inode'} data`],
    data: { fork: attr ? 'attr' : 'data', form: form.toLowerCase(), bytes: region.length },
  };
}

function inodeCore(region: Uint8Array, fields: number): Described {
  const core = new Uint8Array(176);
  core.set(region.subarray(0, 176));
  const v3 = region.length >= 176;
  const low = v3 ? u32(core, Dinode.at.flags2) : 0;
  const bigtime = (low & DiFlag2.BIGTIME) !== 0;
  const large = (low & DiFlag2.NREXT64) !== 0;
  swapCore(core, { v3, large, bigtime });
  const view = viewOf(core);
  const get = Dinode.get;
  const time = (at: number): number => readTimestamp(view, at, bigtime).seconds;
  const data = {
    mode: get.mode(view, 0),
    version: get.version(view, 0),
    format: get.format(view, 0),
    nlink: get.nlink(view, 0),
    uid: get.uid(view, 0),
    gid: get.gid(view, 0),
    atime: time(Dinode.at.atime),
    mtime: time(Dinode.at.mtime),
    ctime: time(Dinode.at.ctime),
    size: slim(view.getBigUint64(Dinode.at.size)),
    nblocks: get.nblocks(view, 0),
    extsize: get.extsize(view, 0),
    nextents: large ? DinodeLarge.get.big_nextents(view, 0) : get.nextents(view, 0),
    naextents: large ? DinodeLarge.get.big_anextents(view, 0) : get.anextents(view, 0),
    forkoff: get.forkoff(view, 0),
    flags: get.flags(view, 0),
    gen: get.gen(view, 0),
  };
  const seconds = (value: number): string => hex(BigInt.asUintN(64, BigInt(value)));
  const lines = [
    'INODE CORE',
    `magic ${hex(get.magic(view, 0))} mode 0${data.mode.toString(8)} version ${data.version} format ${data.format}`,
    `nlink ${data.nlink} uid ${data.uid} gid ${data.gid}`,
    `atime ${seconds(data.atime)} mtime ${seconds(data.mtime)} ctime ${seconds(data.ctime)}`,
    `size ${hex(data.size)} nblocks ${hex(data.nblocks)} extsize ${hex(data.extsize)} nextents ${hex(data.nextents)}`,
    `naextents ${hex(data.naextents)} forkoff ${data.forkoff} dmevmask ${hex(get.dmevmask(view, 0))} dmstate ${hex(get.dmstate(view, 0))}`,
    `flags ${hex(data.flags)} gen ${hex(data.gen)}`,
  ];
  if (v3) lines.push(`flags2 ${hex(get.flags2(view, 0))} cowextsize ${hex(get.cowextsize(view, 0))}`);
  if ((fields & Ilog.DEV) !== 0) lines.push('DEV inode: no extra region');
  return { lines, data: v3 ? { ...data, flags2: dinodeFlags2(view, 0), cowextsize: get.cowextsize(view, 0) } : data };
}

function icreate(region: Uint8Array): Described {
  const view = viewOf(region);
  const [agno, agbno, count, isize, length, gen] = [4, 8, 12, 16, 20, 24].map((at) => view.getUint32(at)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return {
    lines: [
      `ICR:  #ag: ${agno}  agbno: ${hex(agbno)}  len: ${length}`,
      `      cnt: ${count}  isize: ${isize}    gen: ${hex(gen)}`,
    ],
    data: { agno, agbno, length, count, isize, gen },
  };
}

function dquotFormat(region: Uint8Array): Described {
  const view = viewOf(region);
  const data = {
    regions: u16(region, 2),
    id: u32(region, 4),
    blkno: Number(view.getBigInt64(8, true)),
    length: u32(region, 16),
    offset: u32(region, 20),
  };
  return {
    lines: [
      `#regs: ${data.regions}   id: ${hex(data.id)}  blkno: ${data.blkno}  len: ${data.length}  boff: ${data.offset}`,
    ],
    data,
  };
}

function dquotData(region: Uint8Array): Described {
  const magic = (region[0] as number) | ((region[1] as number) << 8);
  const type = region[3] as number;
  return { lines: [`DQUOT: magic ${hex(magic)} flags 0${type.toString(8)}`], data: { type } };
}

function quotaOff(region: Uint8Array): Described {
  const flags = u32(region, 4);
  return { lines: [`QOFF:  #regs: ${u16(region, 2)}    flags: ${hex(flags)}`], data: { flags } };
}

function intentItem(type: number, region: Uint8Array): Described {
  const item: RecoveredItem = { type, regions: [region] };
  const id = intentId(item);
  const name = itemName(type);
  const count = u16(region, 2);
  if (finishedType(type) !== null) {
    return { lines: [`${name}:  #regs: ${count}	                 id: ${hex(id)}`], data: { id: hex(id) } };
  }
  if (type === LogItem.ATTRI) {
    const data = {
      id: hex(id),
      nameLength: u32(region, 28),
      valueLength: u32(region, 32),
      operation: u32(region, 24) & 0xff,
    };
    return {
      lines: [`ATTRI:  #regs: ${count}	name_len: ${data.nameLength}, value_len: ${data.valueLength}  id: ${hex(id)}`],
      data,
    };
  }
  const { lines, data } = intentExtents(decodeIntent(item));
  const extents = (data.extents as unknown[] | undefined)?.length ?? 0;
  return {
    lines: [`${name}:  #regs: ${count}	num_extents: ${extents}  id: ${hex(id)}`, ...lines],
    data: { id: hex(id), ...data },
  };
}

function intentExtents(intent: Intent): Described {
  switch (intent.kind) {
    case 'free':
      return {
        lines: [intent.extents.map((e) => `(s: ${hex(e.fsb)}, l: ${e.length}) `).join('')],
        data: { extents: intent.extents },
      };
    case 'refcount':
      return {
        lines: [intent.extents.map((e) => `(s: ${hex(e.fsb)}, l: ${e.length}, f: ${hex(e.flags)}) `).join('')],
        data: { extents: intent.extents },
      };
    case 'rmap':
    case 'bmap':
      return {
        lines: intent.extents.map(
          (e) => `(s: ${hex(e.fsb)}, l: ${e.length}, own: ${e.owner}, off: ${e.offset}, f: ${hex(e.flags)}) `,
        ),
        data: { extents: intent.extents },
      };
    case 'exchange': {
      const { ino1, ino2, offset1, offset2, blocks, flags } = intent;
      return {
        lines: [
          `(ino1: ${hex(ino1)}, off1: ${offset1}, ino2: ${hex(ino2)}, off2: ${offset2}, l: ${blocks}, f: ${hex(flags)}) `,
        ],
        data: { ino1, ino2, offset1, offset2, blocks, flags },
      };
    }
    default:
      return { lines: [], data: {} };
  }
}

function intentData(region: Uint8Array): Described {
  return { lines: [`name or value of ${region.length} bytes`], data: { bytes: region.length } };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
