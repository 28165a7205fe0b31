/** chunk list, filesystem df, usage, show: what is where on the devices, and how much of it is used. */
import { fixed } from '../../../core/fixed.ts';
import { type Word, type WordContext, WordFailure, type WordResult, word } from '../../../core/vfs/word.ts';
import { type ChunkRow, chunkRows } from '../inspect/chunk-list.ts';
import { uuidText } from '../inspect/template.ts';
import type { BtrfsMount } from '../mount.ts';
import { globalReserve } from '../space/global-reserve.ts';
import { btrfsStatfs } from '../statfs.ts';
import { BlockGroupFlag } from '../structure/chunk.ts';
import { defaultSubvolume } from '../subvolume.ts';
import { PROFILES, profileOf } from '../volumes/profile.ts';
import { diskUsage } from './disk-usage.ts';
import { mountOf, says } from './mount-of.ts';
import { groupProfileText, groupTypeText, isHuman, sizeText, UNIT_OPTIONS, type Units, unitsOf } from './sizes.ts';

type Order = (a: ChunkRow, b: ChunkRow) => number;

const ORDERS: Readonly<Record<string, Order>> = {
  devid: (a, b) => a.devid - b.devid,
  pstart: (a, b) => a.physical - b.physical,
  lstart: (a, b) => a.logical - b.logical,
  usage: (a, b) => (a.used ?? 0) / a.length - (b.used ?? 0) / b.length,
  length: (a, b) => a.length - b.length,
  type: (a, b) => (a.flags & 7) - (b.flags & 7),
  profile: (a, b) => rankOf(a) - rankOf(b),
};

/** Chunks of a profile that is none come first. */
function rankOf({ flags }: ChunkRow): number {
  const profile = profileOf(flags);
  return profile === null ? -1 : PROFILES.indexOf(profile);
}

const chunk = word({
  name: 'chunk',
  alias: 'list-chunks',
  operands: 'list',
  about: 'the chunks and where they lie on the devices',
  options: {
    b: { about: 'sizes in bytes' },
    sort: {
      value: 'keys',
      kind: 'text',
      about: 'by devid, pstart, lstart, usage, length, type or profile, - before one for the other way',
    },
  },
  run(context, { options, operands }) {
    if (operands.length > 1 || (operands[0] ?? 'list') !== 'list') throw context.usage();
    const rows = sortedRows(chunkRows(mountOf(context)), options.sort);
    const size = (bytes: number): string => sizeText(bytes, unitsOf(options));
    const cells = rows.map((row) => [
      String(row.devid),
      String(row.number),
      `${groupTypeText(row.flags).padStart(10)}/${groupProfileText(row.flags).padEnd(6)}`,
      size(row.physical),
      size(row.length),
      size(row.physical + row.length),
      String(row.logicalNumber),
      size(row.logical),
      (row.used === null ? '-' : fixed((row.used / row.length) * 100, 2)).padStart(6),
    ]);
    const chunks = rows.map(({ flags, ...row }) => ({
      ...row,
      type: groupTypeText(flags),
      profile: groupProfileText(flags),
    }));
    return says({ chunks }, table(HEADINGS, cells));
  },
});

const HEADINGS = ['Devid', 'PNumber', 'Type/profile', 'PStart', 'Length', 'PEnd', 'LNumber', 'LStart', 'Usage%'];

function sortedRows(rows: ChunkRow[], keys: string | undefined): ChunkRow[] {
  if (keys === undefined) return rows;
  const orders = keys.split(',').map((key): Order => {
    const order = ORDERS[key.replace(/^[+-]/, '')];
    if (order === undefined) throw new WordFailure(`chunk: unknown sort key: ${key}`);
    return key.startsWith('-') ? (a, b) => order(b, a) : order;
  });
  return rows.sort((a, b) => orders.reduce((found, order) => found || order(a, b), 0));
}

/** Columns aligned to the right, a rule below the headings. */
function table(headings: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = headings.map((heading, i) => Math.max(heading.length, ...rows.map((row) => (row[i] ?? '').length)));
  const line = (cells: readonly string[]): string => cells.map((cell, i) => cell.padStart(widths[i] ?? 0)).join(' ');
  return [line(headings), widths.map((width) => '-'.repeat(width)).join(' '), ...rows.map(line)];
}

/** Block groups of one type and profile together. */
interface Share {
  readonly flags: number;
  readonly total: number;
  readonly used: number;
}

function shares(mp: BtrfsMount): Share[] {
  const { data, meta, system } = mp.groups.spaces;
  const all = new Map<number, { flags: number; total: number; used: number }>();
  for (const kind of new Set([data, system, meta])) {
    for (const { flags, length, used } of kind.groups) {
      const bits = flags & 0x7ff;
      const share = all.get(bits) ?? { flags: bits, total: 0, used: 0 };
      share.total += length;
      share.used += used;
      all.set(bits, share);
    }
  }
  return [...all.values()];
}

const filesystem = word({
  name: 'filesystem',
  alias: 'fi',
  operands: 'df | usage | show | du path... | label [text]',
  about: 'how much of the devices and of their chunks is used',
  options: { ...UNIT_OPTIONS, s: { about: 'du: only the sum of each path' } },
  run(context, { options, operands }) {
    const mp = mountOf(context);
    const [action, ...words] = operands;
    const units = unitsOf(options);
    if (action === 'du') return diskUsage(context, words.length === 0 ? ['.'] : words, units, options.s);
    if (action === 'label' && words.length <= 1) return label(context, words[0]);
    if (words.length > 0) throw context.usage();
    if (action === 'df') return df(mp, units);
    if (action === 'usage') return usage(mp, units);
    if (action === 'show') return show(mp, units);
    throw context.usage();
  },
});

function label({ fs }: WordContext, text: string | undefined): WordResult {
  if (text !== undefined) fs.setLabel?.(text);
  const now = fs.label?.() ?? '';
  return says({ label: now }, text === undefined ? [now] : []);
}

function df(mp: BtrfsMount, units: Units): WordResult {
  const all = shares(mp);
  const reserve = globalReserve(mp);
  const line = ({ flags, total, used }: Share): string =>
    `${groupTypeText(flags)}, ${groupProfileText(flags)}: total=${sizeText(total, units)}, used=${sizeText(used, units)}`;
  const data = all.map(({ flags, total, used }) => ({
    type: groupTypeText(flags),
    profile: groupProfileText(flags),
    total,
    used,
  }));
  const last = `GlobalReserve, single: total=${sizeText(reserve, units)}, used=${sizeText(0, units)}`;
  return says({ groups: data, globalReserve: reserve }, [...all.map(line), last]);
}

function show(mp: BtrfsMount, units: Units): WordResult {
  const { sb } = mp;
  const uuid = uuidText(new DataView(sb.fsid.buffer, sb.fsid.byteOffset), 0);
  const members = mp.space.members.all;
  const label = sb.label === '' ? 'none' : `'${sb.label}'`;
  const devices = members.map(({ devid, totalBytes, bytesUsed, device }) => ({
    devid,
    size: totalBytes,
    used: bytesUsed,
    path: device?.name ?? null,
  }));
  const lines = devices.map(
    ({ devid, size, used, path }) =>
      `\tdevid ${String(devid).padStart(4)} size ${sizeText(size, units)} used ${sizeText(used, units)} path ${path ?? '<missing disk>'}`,
  );
  const head = [
    `Label: ${label}  uuid: ${uuid}`,
    `\tTotal devices ${sb.num_devices} FS bytes used ${sizeText(sb.bytes_used, units)}`,
  ];
  return says({ label: sb.label, uuid, bytesUsed: sb.bytes_used, devices }, [...head, ...lines, '']);
}

/** Bytes on the devices that a byte in a group takes. */
function ratio(flags: number): number {
  return profileOf(flags)?.copies ?? 1;
}

function usage(mp: BtrfsMount, units: Units): WordResult {
  const all = shares(mp);
  const members = mp.space.members.all;
  const size = members.reduce((sum, member) => sum + member.totalBytes, 0);
  const allocated = members.reduce((sum, member) => sum + member.bytesUsed, 0);
  const missing = members.filter(({ device }) => device === null).reduce((sum, member) => sum + member.totalBytes, 0);
  const used = all.reduce((sum, share) => sum + share.used * ratio(share.flags), 0);
  const data = all.filter(({ flags }) => (flags & BlockGroupFlag.DATA) !== 0);
  const meta = all.filter(({ flags }) => (flags & BlockGroupFlag.METADATA) !== 0);
  const rate = (some: readonly Share[]): number => {
    const total = some.reduce((sum, share) => sum + share.total, 0);
    return total === 0 ? 1 : some.reduce((sum, share) => sum + share.total * ratio(share.flags), 0) / total;
  };
  const free = data.reduce((sum, share) => sum + share.total - share.used, 0);
  const unallocated = size - allocated;
  const most = Math.max(...all.map(({ flags }) => ratio(flags)), 1);
  const statfs = btrfsStatfs(mp, defaultSubvolume(mp));
  const values = {
    size,
    allocated,
    unallocated,
    missing,
    used,
    free: free + Math.floor(unallocated / rate(data)),
    freeLeast: free + Math.floor(unallocated / most),
    freeStatfs: statfs.bavail * statfs.blockSize,
    dataRatio: rate(data),
    metadataRatio: rate(meta),
    globalReserve: globalReserve(mp),
  };
  const width = isHuman(units) ? 10 : 18;
  const wide = (bytes: number): string => sizeText(bytes, units).padStart(width);
  const lines = [
    'Overall:',
    `    Device size:\t\t${wide(size)}`,
    `    Device allocated:\t\t${wide(allocated)}`,
    `    Device unallocated:\t\t${wide(unallocated)}`,
    `    Device missing:\t\t${wide(missing)}`,
    `    Device slack:\t\t${wide(slack(mp))}`,
    `    Used:\t\t\t${wide(used)}`,
    `    Free (estimated):\t\t${wide(values.free)}\t(min: ${sizeText(values.freeLeast, units)})`,
    `    Free (statfs, df):\t\t${wide(values.freeStatfs)}`,
    `    Data ratio:\t\t\t${fixed(values.dataRatio, 2).padStart(width)}`,
    `    Metadata ratio:\t\t${fixed(values.metadataRatio, 2).padStart(width)}`,
    `    Global reserve:\t\t${wide(values.globalReserve)}\t(used: ${sizeText(0, units)})`,
    `    Multiple profiles:\t\t${(hasSeveral(all) ? 'yes' : 'no').padStart(width)}`,
    '',
    ...all.sort((a, b) => order(a) - order(b)).flatMap((share) => [...shareLines(mp, share, units), '']),
    'Unallocated:',
    ...members.map(
      ({ device, totalBytes, bytesUsed }) =>
        `   ${device?.name ?? 'missing'}\t${sizeText(totalBytes - bytesUsed, units).padStart(10)}`,
    ),
  ];
  return says(
    {
      ...values,
      groups: all.map(({ flags, ...share }) => ({
        type: groupTypeText(flags),
        profile: groupProfileText(flags),
        ...share,
      })),
    },
    lines,
  );
}

/** Data first, then metadata, then system. */
function order({ flags }: Share): number {
  if ((flags & BlockGroupFlag.DATA) !== 0) return 0;
  return (flags & BlockGroupFlag.METADATA) !== 0 ? 1 : 2;
}

function hasSeveral(all: readonly Share[]): boolean {
  const types = all.map(({ flags }) => flags & 7);
  return new Set(types).size < types.length;
}

/** Bytes of the devices beyond what the file system may use. */
function slack(mp: BtrfsMount): number {
  return mp.space.members.all.reduce(
    (sum, { device, totalBytes }) => sum + Math.max(0, (device?.size ?? totalBytes) - totalBytes),
    0,
  );
}

function shareLines(mp: BtrfsMount, share: Share, units: Units): string[] {
  const { flags, total, used } = share;
  const percent = total === 0 ? '0.00' : fixed((used / total) * 100, 2);
  const head = `${groupTypeText(flags)},${groupProfileText(flags)}: Size:${sizeText(total, units)}, Used:${sizeText(used, units)} (${percent}%)`;
  const perDevice = new Map<string, number>();
  for (const { type, stripes, stripeBytes } of mp.space.chunks) {
    if ((type & 0x7ff) !== flags) continue;
    for (const { member } of stripes) {
      const name = member.device?.name ?? 'missing';
      perDevice.set(name, (perDevice.get(name) ?? 0) + stripeBytes);
    }
  }
  return [head, ...[...perDevice].map(([name, bytes]) => `   ${name}\t${sizeText(bytes, units).padStart(10)}`)];
}

export const spaceWords: readonly Word[] = [chunk, filesystem];
