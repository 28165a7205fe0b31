/** chunk list, filesystem df, show, label: what is where on the devices, and how much of it is used. */
import { fixed } from '../../../core/fixed.ts';
import { says, type WordContext, WordFailure, word } from '../../../core/vfs/word.ts';
import { type ChunkRow, chunkRows } from '../inspect/chunk-list.ts';
import { uuidText } from '../inspect/template.ts';
import type { BtrfsMount } from '../mount.ts';
import { globalReserve } from '../space/global-reserve.ts';
import { PROFILES, profileOf } from '../volumes/profile.ts';
import { diskUsage } from './disk-usage.ts';
import { mountOf } from './mount-of.ts';
import { groupProfileText, groupTypeText, sizeText, UNIT_OPTIONS, type Units, unitsOf } from './sizes.ts';
import { drawTable } from './table.ts';
import { type Share, shares, usage } from './usage.ts';

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
    const columns = HEADINGS.map((heading, i) => ({ heads: [heading], cells: cells.map((row) => row[i] as string) }));
    return says({ chunks }, drawTable(columns, 'right'));
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

const filesystem = word({
  name: 'filesystem',
  alias: 'fi',
  operands: 'df | usage | show | du path... | label [text]',
  about: 'how much of the devices and of their chunks is used',
  options: {
    ...UNIT_OPTIONS,
    s: { about: 'du: only the sum of each path' },
    T: { about: 'usage: as a table' },
  },
  run(context, { options, operands }) {
    const mp = mountOf(context);
    const [action, ...words] = operands;
    const units = unitsOf(options);
    if (action === 'du') return diskUsage(context, words.length === 0 ? ['.'] : words, units, options.s);
    if (action === 'label' && words.length <= 1) return label(context, words[0]);
    if (words.length > 0) throw context.usage();
    if (action === 'df') return df(mp, units);
    if (action === 'usage') return usage(mp, units, options.T);
    if (action === 'show') return show(mp, units);
    throw context.usage();
  },
});

function label({ fs }: WordContext, text: string | undefined) {
  if (text !== undefined) fs.setLabel?.(text);
  const now = fs.label?.() ?? '';
  return says({ label: now }, text === undefined ? [now] : []);
}

function df(mp: BtrfsMount, units: Units) {
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

function show(mp: BtrfsMount, units: Units) {
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

export const spaceWords = [chunk, filesystem] as const;
