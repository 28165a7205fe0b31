/** Two printings of one structure compared, field by field. */
import type { StructureChange } from '../../../core/vfs/changes.ts';
import type { Printed } from '../inspect/field.ts';

/** Fields that follow from all the others. */
const FOLLOWING = /(^|\.)(crc|lsn)$/;

interface Known {
  readonly text: string;
  readonly value: unknown;
  /** Index of the first element of a list. */
  readonly low: number;
}

/** The changes of the fields, in the order of the second printing; `skip` names fields that are told elsewhere. */
export function* fieldChanges(
  structure: string,
  addr: number,
  before: readonly Printed[],
  after: readonly Printed[],
  skip: (name: string) => boolean = () => false,
): Generator<StructureChange> {
  const old = byName(before);
  const now = byName(after);
  for (const name of new Set([...now.keys(), ...old.keys()])) {
    if (FOLLOWING.test(name) || skip(name)) continue;
    const from = old.get(name);
    const to = now.get(name);
    if (from?.text === to?.text) continue;
    if (isRows(from?.value) || isRows(to?.value)) {
      yield* rowChanges(structure, addr, name, rowsOf(from), rowsOf(to));
    } else if (Array.isArray(from?.value) || Array.isArray(to?.value)) {
      yield* listChanges(structure, addr, name, from, to);
    } else {
      yield { structure, change: 'field', addr, field: name, from: from?.text ?? null, to: to?.text ?? null };
    }
  }
}

/**
 * By name; of an array the name without its indices. Arrays of groups (directory entries, hash entries) become rows:
 * one that came in between must not make all that follow it look changed.
 */
function byName(fields: readonly Printed[]): Map<string, Known> {
  const known = new Map<string, Known>();
  for (const { name, text, value } of fields) {
    const inGroup = /^([^[]*)\[(\d+)\]\.(.+)$/.exec(name);
    if (inGroup !== null) {
      addToRow(known, inGroup[1] as string, inGroup[2] as string, inGroup[3] as string, text.slice(name.length + 3));
      continue;
    }
    const indices = /\[(\d+)(?:-\d+)?\]$/.exec(name);
    const whole = indices !== null && Array.isArray(value) ? name.slice(0, indices.index) : name;
    known.set(whole, { text: text.slice(name.length + 3), value, low: Number(indices?.[1] ?? 0) });
  }
  return known;
}

function addToRow(known: Map<string, Known>, name: string, index: string, field: string, text: string): void {
  const before = known.get(name);
  const rows = (before?.value as Record<string, unknown>[] | undefined) ?? [];
  const last = rows.at(-1);
  if (last !== undefined && last[INDEX] === index) last[field] = text;
  else {
    const row: Record<string, unknown> = { [field]: text };
    // The place in the array is no part of the record.
    Object.defineProperty(row, INDEX, { value: index, enumerable: false });
    rows.push(row);
  }
  known.set(name, { text: `${before?.text ?? ''}${index}:${text} `, value: rows, low: 0 });
}

const INDEX = '#';

type Row = Readonly<Record<string, unknown>>;

function isRows(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0 && typeof value[0] === 'object' && value[0] !== null;
}

function rowsOf(known: Known | undefined): readonly Row[] {
  return known !== undefined && isRows(known.value) ? (known.value as Row[]) : [];
}

function* listChanges(
  structure: string,
  addr: number,
  name: string,
  from: Known | undefined,
  to: Known | undefined,
): Generator<StructureChange> {
  const old = Array.isArray(from?.value) ? from.value : [];
  const now = Array.isArray(to?.value) ? to.value : [];
  const low = to?.low ?? from?.low ?? 0;
  const shown = (value: unknown) => (value === undefined ? null : String(value));
  for (let i = 0; i < Math.max(old.length, now.length); i++) {
    if (old[i] === now[i]) continue;
    const field = `${name}[${low + i}]`;
    yield { structure, change: 'field', addr, field, from: shown(old[i]), to: shown(now[i]) };
  }
}

function* rowChanges(
  structure: string,
  addr: number,
  name: string,
  from: readonly Row[],
  to: readonly Row[],
): Generator<StructureChange> {
  const { removed, added } = recordDifference(from, to);
  for (const record of removed) yield { structure, change: 'remove', addr, field: name, record: recordText(record) };
  for (const record of added) yield { structure, change: 'add', addr, field: name, record: recordText(record) };
}

/** The records that only one of the lists has, in their order. */
export function recordDifference(from: Iterable<Row>, to: Iterable<Row>): { removed: Row[]; added: Row[] } {
  const counts = new Map<string, number>();
  const kept: Row[] = [...to];
  for (const row of kept) counts.set(recordText(row), (counts.get(recordText(row)) ?? 0) + 1);
  const removed: Row[] = [];
  for (const row of from) {
    const key = recordText(row);
    const count = counts.get(key) ?? 0;
    if (count > 0) counts.set(key, count - 1);
    else removed.push(row);
  }
  const added: Row[] = [];
  for (const row of kept) {
    const key = recordText(row);
    const count = counts.get(key) ?? 0;
    if (count === 0) continue;
    counts.set(key, count - 1);
    added.push(row);
  }
  return { removed, added };
}

/** A record as xfs_db prints one; a count of references stands apart: `[712,16] ×2`. */
export function recordText(row: Row): string {
  const { refcount, cowflag, ...rest } = row;
  const text = `[${Object.values(rest).map(String).join(',')}]`;
  if (refcount === undefined) return text;
  return Number(cowflag) === 1 ? `${text} staged` : `${text} ×${refcount}`;
}
