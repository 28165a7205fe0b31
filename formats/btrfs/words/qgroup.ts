/** qgroup show: what quota groups have and may have, as btrfs qgroup show prints it. */
import { says, type WordContext, WordFailure, word } from '../../../core/vfs/word.ts';
import type { BtrfsInode } from '../inode.ts';
import { subvolumePath } from '../inspect/paths.ts';
import type { BtrfsMount } from '../mount.ts';
import { ItemType, Key, Objectid } from '../structure/key.ts';
import {
  QgroupInfoItem,
  QgroupLimitFlag,
  QgroupLimitItem,
  QgroupStatusFlag,
  QgroupStatusItem,
} from '../structure/qgroup.ts';
import { findSubvolume } from '../subvolume.ts';
import { groupsAbove } from '../trans/quota-items.ts';
import { TreeCursor } from '../tree/cursor.ts';
import type { TreeRoot } from '../tree/root.ts';
import { mountOf } from './mount-of.ts';
import { sizeText, UNIT_OPTIONS, unitsOf } from './sizes.ts';

/** A group; sizes in bytes, limits null where there is none. */
interface Group {
  /** `0/256` */
  readonly qgroupid: string;
  readonly level: number;
  readonly id: number;
  /** Bytes; as are the next three, null for no limit. */
  readonly referenced: number;
  readonly exclusive: number;
  maxReferenced: number | null;
  maxExclusive: number | null;
  readonly parents: string[];
  readonly children: string[];
  readonly path: string | null;
}

export const qgroup = word({
  name: 'qgroup',
  operands: 'show [path]',
  about: 'quota groups',
  options: {
    ...UNIT_OPTIONS,
    c: { about: 'groups that each contains' },
    e: { about: 'limits of exclusive bytes' },
    F: { about: 'only those that the path counts for' },
    f: { about: "only the path's own" },
    p: { about: 'groups that contain each' },
    r: { about: 'limits of referenced bytes' },
    sort: {
      value: 'keys',
      kind: 'text',
      about: 'by qgroupid, rfer, excl, max_rfer or max_excl, - before one for the other way',
    },
    sync: { about: 'write everything back first' },
  },
  run(context, { options, operands }) {
    const [action, path, ...more] = operands;
    if (action !== 'show' || more.length > 0) throw context.usage();
    if (options.sync) context.fs.sync();
    const mp = mountOf(context);
    const root = mp.quotaRoot();
    if (root === null) throw new WordFailure("qgroup: can't list qgroups: quotas not enabled");
    const only = options.F || options.f ? chosen(context, root, path, options.F) : null;
    const groups = sorted(
      readGroups(mp, root).filter(({ qgroupid }) => only === null || only.has(qgroupid)),
      options.sort,
    );
    const units = unitsOf(options);
    const limit = (value: number | null): string => (value === null ? 'none' : sizeText(value, units));
    const list = (ids: readonly string[]): string => (ids.length === 0 ? '-' : ids.join(','));
    const columns: readonly Column[] = [
      { heading: 'Qgroupid', width: 9, left: true, value: ({ qgroupid }) => qgroupid },
      { heading: 'Referenced', width: 12, value: ({ referenced }) => sizeText(referenced, units) },
      { heading: 'Exclusive', width: 12, value: ({ exclusive }) => sizeText(exclusive, units) },
      ...(options.r ? [{ heading: 'Max referenced', width: 15, value: (g: Group) => limit(g.maxReferenced) }] : []),
      ...(options.e ? [{ heading: 'Max exclusive', width: 14, value: (g: Group) => limit(g.maxExclusive) }] : []),
      ...(options.p ? [{ heading: 'Parent', width: 8, left: true, value: (g: Group) => list(g.parents) }] : []),
      ...(options.c ? [{ heading: 'Child', width: 5, left: true, value: (g: Group) => list(g.children) }] : []),
    ];
    return says({ groups, consistent: isConsistent(root) }, table(columns, groups));
  },
});

interface Column {
  readonly heading: string;
  readonly width: number;
  readonly left?: boolean;
  value(group: Group): string;
}

/** Columns as wide as their widest value; the paths come last, whatever their length. */
function table(columns: readonly Column[], groups: readonly Group[]): string[] {
  const widths = columns.map((column) => Math.max(column.width, ...groups.map((group) => column.value(group).length)));
  const line = (cell: (column: Column) => string, last: string): string =>
    columns
      .map((column, i) => (column.left ? cell(column).padEnd(widths[i] ?? 0) : cell(column).padStart(widths[i] ?? 0)))
      .concat(last)
      .join(' ');
  return [
    `${line(({ heading }) => heading, '  Path')} `,
    `${line(({ heading }) => '-'.repeat(heading.length), '  ----')} `,
    ...groups.map((group) => line((column) => column.value(group), `  ${pathText(group)}`)),
  ];
}

/** btrfs-progs (6.2) counts the groups above here instead of the members. */
function pathText({ level, id, path, children }: Group): string {
  if (level > 0) return `<${children.length} member qgroup${children.length === 1 ? '' : 's'}>`;
  if (id === Objectid.FS_TREE) return '<toplevel>';
  return path ?? '<stale>';
}

/** The group of a subvolume, or null. */
export function groupOf(mp: BtrfsMount, id: number): Group | null {
  const root = mp.quotaRoot();
  return root === null ? null : (readGroups(mp, root).find((group) => group.level === 0 && group.id === id) ?? null);
}

function nameOf({ fh, fl }: { readonly fh: number; readonly fl: number }): string {
  return `${fh >>> 16}/${(fh & 0xffff) * 2 ** 32 + fl}`;
}

function readGroups(mp: BtrfsMount, root: TreeRoot): Group[] {
  const groups = new Map<string, Group>();
  const cursor = new TreeCursor(root);
  cursor.search(new Key(0, ItemType.QGROUP_INFO, 0));
  for (; cursor.valid; cursor.next()) {
    const { key, view, at } = cursor;
    if (key.type === ItemType.QGROUP_INFO) {
      const level = key.fh >>> 16;
      const id = (key.fh & 0xffff) * 2 ** 32 + key.fl;
      const path = level === 0 && findSubvolume(mp, id) !== null ? subvolumePath(mp, id) : null;
      const referenced = QgroupInfoItem.get.rfer(view, at);
      const exclusive = QgroupInfoItem.get.excl(view, at);
      const qgroupid = nameOf(key);
      const none = { maxReferenced: null, maxExclusive: null };
      groups.set(qgroupid, { qgroupid, level, id, referenced, exclusive, ...none, parents: [], children: [], path });
    } else if (key.type === ItemType.QGROUP_LIMIT) {
      const group = groups.get(nameOf(key));
      const flags = QgroupLimitItem.get.flags(view, at);
      if (group === undefined) continue;
      if ((flags & QgroupLimitFlag.MAX_RFER) !== 0) group.maxReferenced = QgroupLimitItem.get.max_rfer(view, at);
      if ((flags & QgroupLimitFlag.MAX_EXCL) !== 0) group.maxExclusive = QgroupLimitItem.get.max_excl(view, at);
    } else if (key.type === ItemType.QGROUP_RELATION) {
      // Each is there twice; the larger id contains the other.
      const [from, to] = [nameOf({ fh: key.oh, fl: key.ol }), nameOf(key)];
      if (key.oh > key.fh || (key.oh === key.fh && key.ol > key.fl)) groups.get(from)?.children.push(to);
      else groups.get(from)?.parents.push(to);
    }
  }
  cursor.close();
  return [...groups.values()];
}

/** The groups that a path counts for, or its own only. */
function chosen(context: WordContext, root: TreeRoot, path: string | undefined, all: boolean): Set<string> {
  const tree = (path === undefined ? context.fs.root() : context.lookup(path)) as BtrfsInode;
  const groups = groupsAbove(root, tree.root.id).map(nameOf);
  return new Set(all ? groups : groups.slice(0, 1));
}

const SORTS: Readonly<Record<string, (group: Group) => number>> = {
  qgroupid: ({ level, id }) => level * 2 ** 48 + id,
  rfer: ({ referenced }) => referenced,
  excl: ({ exclusive }) => exclusive,
  max_rfer: ({ maxReferenced }) => maxReferenced ?? 0,
  max_excl: ({ maxExclusive }) => maxExclusive ?? 0,
};

function sorted(groups: Group[], keys: string | undefined): Group[] {
  if (keys === undefined) return groups;
  const orders = keys.split(',').map((key) => {
    const value = SORTS[key.replace(/^[+-]/, '')];
    if (value === undefined) throw new WordFailure(`qgroup: unrecognized sort key: ${key}`);
    const sign = key.startsWith('-') ? -1 : 1;
    return (a: Group, b: Group) => sign * (value(a) - value(b));
  });
  // Equal ones by their ids.
  orders.push((a, b) => (SORTS.qgroupid?.(a) ?? 0) - (SORTS.qgroupid?.(b) ?? 0));
  return groups.sort((a, b) => orders.reduce((found, order) => found || order(a, b), 0));
}

function isConsistent(root: TreeRoot): boolean {
  const cursor = new TreeCursor(root);
  const found = cursor.search(new Key(0, ItemType.QGROUP_STATUS, 0));
  const flags = found ? QgroupStatusItem.get.flags(cursor.view, cursor.at) : 0;
  cursor.close();
  return (flags & QgroupStatusFlag.INCONSISTENT) === 0;
}
