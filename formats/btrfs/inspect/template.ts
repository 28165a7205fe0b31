/**
 * Lines made from a structure's declaration: a text in which `{field}` stands for the field's value. The same
 * declaration gives the structure as data. Values are read by their size, unsigned and without limits, so that a
 * damaged item can be shown too.
 */
import type { FieldInfo, Struct } from '../../../core/struct.ts';
import { KEY_SIZE, Key } from '../structure/key.ts';
import { keyData, keyText } from './key-text.ts';

/** How one field is written in a text. */
export type Writer = (view: DataView, at: number) => string;

/** A structure as a person and as a program reads it. */
export interface Shown {
  readonly lines: readonly string[];
  readonly data: object;
}

const UUID_SIZE = 16;
const TIMESPEC_SIZE = 12;

// biome-ignore lint/suspicious/noExplicitAny: any declared structure
type AnyStruct = Struct<any>;

/** The value as an unsigned decimal; keys, UUIDs and times as dump-tree prints them. */
function writeField({ size, offset }: FieldInfo): Writer {
  return (view, base) => {
    const at = base + offset;
    switch (size) {
      case 1:
        return String(view.getUint8(at));
      case 2:
        return String(view.getUint16(at, true));
      case 4:
        return String(view.getUint32(at, true));
      case 8:
        return String(view.getBigUint64(at, true));
      case TIMESPEC_SIZE:
        return timeText(view, at);
      case UUID_SIZE:
        return uuidText(view, at);
      case KEY_SIZE:
        return keyText(new Key().read(view, at));
      default:
        return '';
    }
  };
}

/** A number if it is exact, else its decimals. */
export function numberOrText(value: bigint): number | string {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : String(value);
}

function fieldData({ size, offset }: FieldInfo, view: DataView, base: number): unknown {
  const at = base + offset;
  if (size === 1) return view.getUint8(at);
  if (size === 2) return view.getUint16(at, true);
  if (size === 4) return view.getUint32(at, true);
  if (size === 8) return numberOrText(view.getBigUint64(at, true));
  if (size === TIMESPEC_SIZE) {
    const nanoseconds = String(view.getUint32(at + 8, true)).padStart(9, '0');
    return `${view.getBigInt64(at, true)}.${nanoseconds}`;
  }
  if (size === UUID_SIZE) return uuidText(view, at);
  return size === KEY_SIZE ? keyData(new Key().read(view, at)) : undefined;
}

/** A UUID with dashes. */
export function uuidText(view: DataView, at: number): string {
  const hex = Buffer.from(view.buffer, view.byteOffset + at, UUID_SIZE).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** A point in time as dump-tree prints it: seconds, nanoseconds, local time. */
export function timeText(view: DataView, at: number): string {
  const seconds = view.getBigUint64(at, true);
  return `${seconds}.${view.getUint32(at + 8, true)} (${localTime(seconds)})`;
}

/** Seconds since 1970 in local time: `2026-11-23 12:00:00`. */
export function localTime(seconds: bigint): string {
  const date = new Date(Number(BigInt.asIntN(64, seconds)) * 1000);
  if (Number.isNaN(date.getTime())) return '?';
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** A structure with its text. */
export class Template {
  readonly struct: AnyStruct;
  private readonly parts: readonly (string | Writer)[];

  /** `writers` replace how single fields are written, or add names for what the structure does not hold itself. */
  constructor(struct: AnyStruct, text: string, writers: Readonly<Record<string, Writer>> = {}) {
    this.struct = struct;
    this.parts = text.split(/\{(\w+)\}/).map((part, i) => {
      if (i % 2 === 0) return part;
      const own = writers[part];
      if (own !== undefined) return own;
      const field = struct.fields.find(({ name }) => name === part);
      if (field === undefined) throw new Error(`${struct.name} has no ${part}`);
      return writeField(field);
    });
  }

  /** The text's lines for the structure at `at`. */
  lines(view: DataView, at: number): string[] {
    let text = '';
    for (const part of this.parts) text += typeof part === 'string' ? part : part(view, at);
    return text.split('\n');
  }

  show(view: DataView, at: number): Shown {
    return { lines: this.lines(view, at), data: structData(this.struct, view, at) };
  }
}

/** The fields of a structure as data; reserved bytes are left out. */
export function structData(
  struct: { readonly fields: readonly FieldInfo[] },
  view: DataView,
  at: number,
): Record<string, unknown> {
  const data: Record<string, unknown> = {};
  for (const field of struct.fields) {
    const value = fieldData(field, view, at);
    if (value !== undefined && !field.name.startsWith('unused')) data[field.name] = value;
  }
  return data;
}
