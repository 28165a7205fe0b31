/**
 * Structures as xfs_db shows them: fields that know their place and how they print, and the two ways to print them,
 * all of a block or the ones that a path like `u3.bmx[0-3].startoff` names.
 *
 *     leaf    name = value            an array of leaves on one line: name[0-2] = 0:1 1:5 2:7
 *     table   name[0-9] = [columns], then a line a row: 0:[1,2,3]
 *     group   its fields with the group's name before them
 */
import type { XfsMount } from '../mount.ts';

/** The bytes that are looked at. */
export interface Block {
  readonly mp: XfsMount;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** What the block's checksum is; null for a structure without. */
  readonly crc: 'correct' | 'bad' | 'unchecked' | null;
}

/** One value. `show` answers null for a value that is passed over; `count` is the field's, for texts. */
export interface Leaf {
  readonly kind: 'leaf';
  readonly size: number;
  /** The whole count is one value, as with characters. */
  readonly whole?: true;
  show(block: Block, at: number, count: number): string | null;
}
export interface Table {
  readonly kind: 'table';
  readonly size: number;
  readonly columns: readonly Field[];
}
export interface Group {
  readonly kind: 'group';
  readonly fields: readonly Field[];
  /** Without any field there it is empty, not damaged. */
  readonly mayBeEmpty?: true;
}

export interface Field {
  readonly name: string;
  readonly type: Leaf | Table | Group;
  /** Byte offset from the start of the structure that the field is in; for a function also by array index. */
  readonly at: number | ((block: Block, base: number, index: number) => number);
  /** How many there are; 0 makes the field absent. Default 1. */
  readonly count?: number | ((block: Block, base: number) => number);
  readonly array?: true;
  /** Index of the first element; default 0. */
  readonly first?: number;
  /** Shown only when named. */
  readonly hidden?: true;
}

/** A field that was printed: the line (or lines) and the same as data. */
export interface Printed {
  readonly name: string;
  readonly text: string;
  readonly value: unknown;
}

/** A part of a path: a name and the indices that follow it. */
interface Step {
  readonly name: string;
  readonly low: number | null;
  readonly high: number | null;
}

/** Every field of a structure, in order. */
export function printAll(block: Block, fields: readonly Field[]): Printed[] {
  const out: Printed[] = [];
  new Printer(block, out).all(fields, '', 0);
  return out;
}

/** The fields that a path names. @throws PathError with xfs_db's words */
export function printPath(block: Block, fields: readonly Field[], path: string): Printed[] {
  const out: Printed[] = [];
  new Printer(block, out).steps(fields, parsePath(path), '', 0);
  return out;
}

/** A path that names nothing; the message is what xfs_db says. */
export class PathError extends Error {}

function parsePath(path: string): Step[] {
  const steps: Step[] = [];
  const pattern = /^([a-z][a-z0-9_]*)(?:\[(0[xX][0-9a-fA-F]+|\d+)(?:-(0[xX][0-9a-fA-F]+|\d+))?\])?(\.|$)/;
  for (let rest = path; ; ) {
    const match = pattern.exec(rest);
    if (match === null) throw new PathError(`bad syntax in field name ${path}`);
    const [all, name, low, high, end] = match;
    steps.push({
      name: name as string,
      low: low === undefined ? null : Number(low),
      high: high === undefined ? null : Number(high),
    });
    rest = rest.slice((all as string).length);
    if (end === '') return steps;
  }
}

class Printer {
  private readonly block: Block;
  private readonly out: Printed[];

  constructor(block: Block, out: Printed[]) {
    this.block = block;
    this.out = out;
  }

  all(fields: readonly Field[], prefix: string, base: number): number {
    const before = this.out.length;
    for (const field of fields) {
      const count = this.count(field, base);
      if (field.hidden || count === 0) continue;
      const first = field.first ?? 0;
      this.field(field, prefix, base, first, first + count - 1);
    }
    return this.out.length - before;
  }

  steps(fields: readonly Field[], path: readonly Step[], prefix: string, base: number): void {
    const [step, ...rest] = path as [Step, ...Step[]];
    const field = fields.find((one) => one.name === step.name && this.count(one, base) > 0);
    if (field === undefined) throw new PathError(`field ${step.name} not found`);
    const [low, high] = this.range(field, step, base);
    if (rest.length === 0) {
      this.field(field, prefix, base, low, high);
      return;
    }
    const inner =
      field.type.kind === 'group' ? field.type.fields : field.type.kind === 'table' ? field.type.columns : null;
    if (inner === null) throw new PathError(`field ${step.name} has no subfields`);
    for (let i = low; i <= high; i++)
      this.steps(inner, rest, `${prefix}${label(field, i, i)}.`, this.place(field, base, i));
  }

  private range(field: Field, step: Step, base: number): [number, number] {
    if (!field.array) {
      if (step.low !== null) throw new PathError(`field ${step.name} is not an array`);
      return [0, 0];
    }
    const first = field.first ?? 0;
    const last = first + this.count(field, base) - 1;
    if (step.low === null) return [first, last];
    const high = step.high ?? step.low;
    if (step.low >= first && high <= last && step.low <= last && high >= first) return [step.low, high];
    const asked = step.high === null ? `index ${step.low}` : `indices ${step.low}-${step.high}`;
    throw new PathError(`${asked} for field ${step.name} out of range ${first}-${last}`);
  }

  private field(field: Field, prefix: string, base: number, low: number, high: number): void {
    const { type } = field;
    if (type.kind !== 'group') {
      this.value(field, prefix, base, low, high);
      return;
    }
    for (let i = low; i <= high; i++) {
      const name = prefix + label(field, i, i);
      if (this.all(type.fields, `${name}.`, this.place(field, base, i)) > 0) continue;
      const text = type.mayBeEmpty ? '(empty)' : 'Unrecognized metadata or type mismatch';
      this.out.push({ name, text: `${name} = ${text}`, value: null });
    }
  }

  private value(field: Field, prefix: string, base: number, low: number, high: number): void {
    const type = field.type as Leaf | Table;
    const name = prefix + label(field, low, high);
    const at = this.place(field, base, low);
    const count = field.array ? Math.min(high - low + 1, this.fits(at, type.size)) : this.count(field, base);
    if (type.kind === 'table') {
      const rows = Array.from({ length: count }, (_, i) => this.row(type, at + i * type.size));
      const heads = type.columns.filter((column) => !column.hidden).map((column) => column.name);
      const lines = rows.map((row, i) => `\n${low + i}:[${row.join(',')}]`);
      const value = rows.map((row) => Object.fromEntries(row.map((cell, i) => [heads[i] as string, data(cell)])));
      this.out.push({ name, text: `${name} = [${heads.join(',')}] ${lines.join(' ')}`, value });
      return;
    }
    const [text, value] = field.array ? this.list(type, at, count, low) : this.single(type, at, count);
    this.out.push({ name, text: `${name} = ${text}`, value });
  }

  private single(type: Leaf, at: number, count: number): [string, unknown] {
    const text = type.show(this.block, at, count) ?? '';
    return [text, type.whole ? text.slice(1, -1) : data(text)];
  }

  private list(type: Leaf, at: number, count: number, low: number): [string, unknown] {
    let text = '';
    const values: unknown[] = [];
    for (let i = 0; i < count; i++) {
      const shown = type.show(this.block, at + i * type.size, 1);
      values.push(shown === null ? null : data(shown));
      if (shown === null) continue;
      text += count > 1 ? `${low + i}:${shown}` : shown;
      if (i < count - 1) text += ' ';
    }
    return [text, values];
  }

  private row(table: Table, at: number): string[] {
    return table.columns
      .filter((column) => !column.hidden)
      .map((column) => {
        const leaf = column.type as Leaf;
        return leaf.show(this.block, this.place(column, at, 0), 1) ?? '';
      });
  }

  private count(field: Field, base: number): number {
    const { count } = field;
    if (count === undefined) return 1;
    return typeof count === 'number' ? count : count(this.block, base);
  }

  private place(field: Field, base: number, index: number): number {
    if (typeof field.at === 'function') return base + field.at(this.block, base, index);
    const size = field.type.kind === 'group' ? 0 : field.type.size;
    return base + field.at + (field.array ? (index - (field.first ?? 0)) * size : 0);
  }

  /** Elements from `at` on that lie inside the block: a damaged count must not lead out of it. */
  private fits(at: number, size: number): number {
    return Math.max(0, Math.floor((this.block.bytes.length - at) / size));
  }
}

function label(field: Field, low: number, high: number): string {
  if (!field.array) return field.name;
  return low === high ? `${field.name}[${low}]` : `${field.name}[${low}-${high}]`;
}

/** A printed value as data: small decimal numbers become numbers, `null` null, all else stays text. */
function data(text: string): unknown {
  if (text === 'null') return null;
  if (/^-?\d{1,15}$/.test(text) && !/^-?0\d/.test(text)) return Number(text);
  return text;
}
