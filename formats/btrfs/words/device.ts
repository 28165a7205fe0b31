/** device usage, device stats: what btrfs device tells of the devices of an image. */
import { says, WordFailure, word } from '../../../core/vfs/word.ts';
import type { BtrfsMount } from '../mount.ts';
import { ItemType, Key, Objectid } from '../structure/key.ts';
import { TreeCursor } from '../tree/cursor.ts';
import type { Member } from '../volumes/member.ts';
import { profileOf } from '../volumes/profile.ts';
import { bytesOn, groupOrder, slackOf } from './device-use.ts';
import { minDevSize } from './min-dev-size.ts';
import { mountOf } from './mount-of.ts';
import { groupProfileText, groupTypeText, sizeText, UNIT_OPTIONS, type Units, unitsOf } from './sizes.ts';
import { drawTable } from './table.ts';

const device = word({
  name: 'device',
  operands: 'usage | stats',
  about: 'what is allocated on each device; the errors that were counted there',
  options: {
    ...UNIT_OPTIONS,
    T: { about: 'stats: as a table' },
    c: { about: 'stats: fail if any counter is not zero' },
    check: { about: 'likewise' },
  },
  run(context, { options, operands }) {
    if (operands.length !== 1) throw context.usage();
    const mp = mountOf(context);
    if (operands[0] === 'usage') return usage(mp, unitsOf(options));
    if (operands[0] === 'stats') return stats(mp, options.T, options.c || options.check);
    throw context.usage();
  },
});

function nameOf(member: Member): string {
  return member.device?.name ?? 'missing';
}

function* usage(mp: BtrfsMount, units: Units) {
  for (const member of mp.space.members.all) {
    const { devid, totalBytes, bytesUsed } = member;
    const size = member.device?.size ?? 0;
    const row = (label: string, bytes: number): string =>
      `   ${label}:${' '.repeat(Math.max(0, 21 - label.length))}${sizeText(bytes, units).padStart(10)}`;
    const chunks = kindsOn(mp, member);
    yield says({ devid, path: member.device?.name ?? null, size, slack: slackOf(member), chunks }, [
      `${nameOf(member)}, ID: ${devid}`,
      row('Device size', size),
      row('Device slack', slackOf(member)),
      ...chunks.map(({ type, profile, stripes, bytes }) =>
        row(`${type},${profile}${stripes === null ? '' : `/${stripes}`}`, bytes),
      ),
      row('Unallocated', totalBytes - bytesUsed),
      '',
    ]);
  }
}

/** The kinds of chunks on a device: with stripes, those of as many devices together. */
function kindsOn(mp: BtrfsMount, member: Member) {
  const kinds = new Map<string, { flags: number; stripes: number }>();
  for (const { type, stripes } of mp.space.chunks)
    if (stripes.some((stripe) => stripe.member === member))
      kinds.set(`${type} ${stripes.length}`, { flags: type, stripes: stripes.length });
  return [...kinds.values()]
    .sort((a, b) => groupOrder(a.flags, b.flags))
    .map(({ flags, stripes }) => ({
      type: groupTypeText(flags),
      profile: groupProfileText(flags),
      stripes: STRIPED.has(profileOf(flags)?.name ?? '') ? stripes : null,
      bytes: bytesOn(mp, member, (type, count) => type === flags && count === stripes),
    }));
}

/** Profiles whose chunks differ by how many devices they lie on. */
const STRIPED: ReadonlySet<string> = new Set(['RAID0', 'RAID10', 'RAID5', 'RAID6']);

const COUNTERS = [
  ['write_io_errs', 'Write errors'],
  ['read_io_errs', 'Read errors'],
  ['flush_io_errs', 'Flush errors'],
  ['corruption_errs', 'Corruption errors'],
  ['generation_errs', 'Generation errors'],
] as const;

interface Counters {
  readonly devid: number;
  readonly path: string;
  /** By the counters' names: errors since they were last set to 0. */
  readonly [counter: string]: string | number | undefined;
}

function* stats(mp: BtrfsMount, tabular: boolean, check: boolean) {
  const members = mp.space.members.all.filter((member) => member.device !== null);
  const counts = members.map((member) => countersOf(mp, member.devid));
  const data = (i: number): Counters => ({
    devid: (members[i] as Member).devid,
    path: nameOf(members[i] as Member),
    ...Object.fromEntries(COUNTERS.map(([name], j) => [name, counts[i]?.[j]])),
  });
  if (tabular) {
    const lines = drawTable([
      { heads: ['Id'], cells: members.map(({ devid }) => String(devid)) },
      { heads: ['Path'], left: true, cells: members.map(nameOf) },
      ...COUNTERS.map(([, heading], j) => ({ heads: [heading], cells: counts.map((row) => String(row[j])) })),
    ]);
    yield says({ devices: members.map((_, i) => data(i)) }, lines);
  } else {
    for (const [i, member] of members.entries()) {
      const lines = COUNTERS.map(([name], j) => `[${nameOf(member)}].${name.padEnd(16)} ${counts[i]?.[j]}`);
      yield says(data(i), lines);
    }
  }
  if (check && counts.some((row) => row.some((count) => count > 0)))
    throw new WordFailure('device: errors were counted');
}

/** The counters of a device; zeros where none were ever written. */
function countersOf(mp: BtrfsMount, devid: number): number[] {
  const cursor = new TreeCursor(mp.devRoot);
  try {
    const found = cursor.search(new Key(Objectid.DEV_STATS, ItemType.PERSISTENT_ITEM, devid));
    if (!found) return COUNTERS.map(() => 0);
    // Older kernels wrote fewer.
    return COUNTERS.map((_, i) =>
      (i + 1) * 8 <= cursor.size ? Number(cursor.view.getBigUint64(cursor.at + i * 8, true)) : 0,
    );
  } finally {
    cursor.close();
  }
}

export const deviceWords = [device, minDevSize] as const;
