/** filesystem usage: how much of the devices the block groups take, and how much of these is used. */
import { fixed } from '../../../core/fixed.ts';
import { says } from '../../../core/vfs/word.ts';
import type { BtrfsMount } from '../mount.ts';
import { globalReserve } from '../space/global-reserve.ts';
import { btrfsStatfs } from '../statfs.ts';
import { BlockGroupFlag } from '../structure/chunk.ts';
import { defaultSubvolume } from '../subvolume.ts';
import type { Member } from '../volumes/member.ts';
import { profileOf } from '../volumes/profile.ts';
import { bytesOn, groupOrder, slackOf } from './device-use.ts';
import { groupProfileText, groupTypeText, isHuman, sizeText, type Units } from './sizes.ts';
import { type Column, drawTable } from './table.ts';

/** Block groups of one type and profile together. */
export interface Share {
  readonly flags: number;
  readonly total: number;
  readonly used: number;
}

/** By type and profile, in the order of Linux's list. @throws FsError EUCLEAN */
export function shares(mp: BtrfsMount): Share[] {
  const { data, meta, system } = mp.groups.spaces;
  const all = new Map<number, { flags: number; total: number; used: number }>();
  for (const kind of data === meta ? [system, data] : [data, system, meta]) {
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

/** What groups of one kind take of the devices, copies and parity included. */
interface Raw {
  readonly total: number;
  readonly used: number;
  /** The most bytes on the devices for one in a group. */
  readonly ratio: number;
}

function rawOf(mp: BtrfsMount, { flags, total, used }: Share): Raw {
  const profile = profileOf(flags);
  if (profile === null || profile.parities === 0) {
    const ratio = profile?.copies ?? 1;
    return { total: total * ratio, used: used * ratio, ratio };
  }
  let rawTotal = 0;
  let rawUsed = 0;
  // As btrfs-progs: of each device the part that is used on average, in whole bytes.
  for (const member of mp.space.members.all) {
    const bytes = bytesOn(mp, member, (type) => (type & 0x7ff) === flags);
    rawTotal += bytes;
    rawUsed = Math.floor(rawUsed + (bytes * used) / total);
  }
  let ratio = 1;
  for (const { type, stripes } of mp.space.chunks)
    if ((type & 0x7ff) === flags) ratio = Math.max(ratio, stripes.length / (stripes.length - profile.parities));
  return { total: rawTotal, used: rawUsed, ratio };
}

/** Less than this, no chunk is made of. */
const LEAST_UNALLOCATED = 16 * 2 ** 20;

/** filesystem usage, its groups as lists or as a table. @throws FsError EUCLEAN */
export function usage(mp: BtrfsMount, units: Units, tabular: boolean) {
  const all = shares(mp).sort((a, b) => groupOrder(a.flags, b.flags));
  const members = mp.space.members.all;
  const size = members.reduce((sum, member) => sum + member.totalBytes, 0);
  const allocated = members.reduce((sum, member) => sum + member.bytesUsed, 0);
  const missing = members.filter(({ device }) => device === null).reduce((sum, member) => sum + member.totalBytes, 0);
  const raws = new Map(all.map((share) => [share, rawOf(mp, share)]));
  const raw = (some: readonly Share[], part: 'total' | 'used'): number =>
    some.reduce((sum, share) => sum + (raws.get(share) as Raw)[part], 0);
  const used = raw(all, 'used');
  const data = all.filter(({ flags }) => (flags & BlockGroupFlag.DATA) !== 0);
  const meta = all.filter(({ flags }) => (flags & BlockGroupFlag.METADATA) !== 0);
  const rate = (some: readonly Share[]): number => {
    const total = some.reduce((sum, share) => sum + share.total, 0);
    return total === 0 ? 1 : raw(some, 'total') / total;
  };
  // Where data and metadata share groups, the reserve is taken from the same space.
  const reserve = data.some((share) => meta.includes(share)) ? globalReserve(mp) : 0;
  const free = Math.floor((raw(data, 'total') - raw(data, 'used')) / rate(data)) - reserve;
  const unallocated = size - allocated;
  const further = unallocated >= LEAST_UNALLOCATED ? unallocated : 0;
  const most = Math.max(...[...raws.values()].map(({ ratio }) => ratio), 1);
  const statfs = btrfsStatfs(mp, defaultSubvolume(mp));
  const values = {
    size,
    allocated,
    unallocated,
    missing,
    used,
    free: Math.floor(free + further / rate(data)),
    freeLeast: Math.floor(free + further / most),
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
    `    Device slack:\t\t${wide(members.reduce((total, member) => total + slackOf(member), 0))}`,
    `    Used:\t\t\t${wide(used)}`,
    `    Free (estimated):\t\t${wide(values.free)}\t(min: ${sizeText(values.freeLeast, units)})`,
    `    Free (statfs, df):\t\t${wide(values.freeStatfs)}`,
    `    Data ratio:\t\t\t${fixed(values.dataRatio, 2).padStart(width)}`,
    `    Metadata ratio:\t\t${fixed(values.metadataRatio, 2).padStart(width)}`,
    `    Global reserve:\t\t${wide(values.globalReserve)}\t(used: ${sizeText(0, units)})`,
    `    Multiple profiles:\t\t${(hasSeveral(all) ? 'yes' : 'no').padStart(width)}`,
    '',
    ...(tabular ? table(mp, all, units) : lists(mp, all, units)),
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

function hasSeveral(all: readonly Share[]): boolean {
  const types = all.map(({ flags }) => flags & 7);
  return new Set(types).size < types.length;
}

function lists(mp: BtrfsMount, all: readonly Share[], units: Units): string[] {
  return [
    ...all.flatMap((share) => [...shareLines(mp, share, units), '']),
    'Unallocated:',
    ...mp.space.members.all.map(
      ({ device, totalBytes, bytesUsed }) =>
        `   ${device?.name ?? 'missing'}\t${sizeText(totalBytes - bytesUsed, units).padStart(10)}`,
    ),
  ];
}

/** A row for each device, with what each kind of group takes of it. */
function table(mp: BtrfsMount, all: readonly Share[], units: Units): string[] {
  const members = mp.space.members.all;
  const size = (bytes: number): string => sizeText(bytes, units);
  const sum = (value: (member: Member) => number): string =>
    size(members.reduce((total, member) => total + value(member), 0));
  const columns: Column[] = [
    { heads: ['', 'Id'], cells: members.map(({ devid }) => String(devid)), feet: ['', ''] },
    {
      heads: ['', 'Path'],
      left: true,
      cells: members.map(({ device }) => device?.name ?? 'missing'),
      feet: ['Total', 'Used'],
    },
    ...all.map(({ flags, total, used }) => ({
      heads: [groupTypeText(flags), groupProfileText(flags)],
      cells: members.map((member) => {
        const bytes = bytesOn(mp, member, (type) => (type & 0x7ff) === flags);
        return bytes === 0 ? '-' : size(bytes);
      }),
      feet: [size(total), size(used)],
    })),
    {
      heads: ['', 'Unallocated'],
      cells: members.map(({ totalBytes, bytesUsed }) => size(totalBytes - bytesUsed)),
      feet: [sum(({ totalBytes, bytesUsed }) => totalBytes - bytesUsed), ''],
    },
    {
      heads: ['', 'Total'],
      cells: members.map(({ totalBytes }) => size(totalBytes)),
      feet: [sum(({ totalBytes }) => totalBytes), ''],
    },
    {
      heads: ['', 'Slack'],
      cells: members.map((member) => (slackOf(member) === 0 ? '-' : size(slackOf(member)))),
      feet: [sum(slackOf), ''],
    },
  ];
  return drawTable(columns);
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
