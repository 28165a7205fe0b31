/**
 * One declaration per on-disk structure. From `struct(name, size, fields)` come the type, field access in place
 * (`S.get.level(view, base)`, as cheap as a DataView call), decode and encode of whole objects, byte offsets
 * (`S.at.level`), printing in xfs_db's manner and the field-by-field difference of two copies.
 *
 * A declaration names every byte: the sizes of the fields must add up to `size`, checked when it loads. Padding
 * is declared with `bytes(n)`. Field names are the kernel's without the structure's prefix.
 */
import { FsError } from './errors.ts';

/** How one field's bytes become a value and back. `getter`/`setter` bind the offset once, so access is one call. */
export interface FieldType<T> {
  readonly size: number;
  getter(offset: number): (view: DataView, base: number) => T;
  setter(offset: number): (view: DataView, base: number, value: T) => void;
  /** The value as xfs_db prints it. */
  format(value: T): string;
}

// biome-ignore lint/suspicious/noExplicitAny: a field may hold any type; callers see the inferred one
type Fields = Record<string, FieldType<any>>;
type ValueOf<F> = F extends FieldType<infer T> ? T : never;

export interface FieldInfo {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
  read(view: DataView, base: number): string;
}

export interface FieldChange {
  readonly field: string;
  readonly from: string;
  readonly to: string;
}

export interface Struct<F extends Fields> {
  readonly name: string;
  readonly size: number;
  /** Byte offset of each field. */
  readonly at: { readonly [K in keyof F]: number };
  readonly get: { readonly [K in keyof F]: (view: DataView, base: number) => ValueOf<F[K]> };
  readonly set: { readonly [K in keyof F]: (view: DataView, base: number, value: ValueOf<F[K]>) => void };
  readonly fields: readonly FieldInfo[];
  decode(view: DataView, base: number): { -readonly [K in keyof F]: ValueOf<F[K]> };
  encode(view: DataView, base: number, values: { readonly [K in keyof F]?: ValueOf<F[K]> }): void;
  /** The fields whose value differs between two copies. */
  diff(before: DataView, beforeBase: number, after: DataView, afterBase: number): FieldChange[];
}

/** The decoded object of a structure: `Decoded<typeof AgfHeader>`. */
export type Decoded<S> = S extends Struct<infer F> ? { -readonly [K in keyof F]: ValueOf<F[K]> } : never;

/** Declares a structure. @throws Error if its fields do not take `size` bytes */
export function struct<const F extends Fields>(name: string, size: number, fields: F): Struct<F> {
  return new Layout(name, size, fields);
}

/**
 * A program knows more structures than one run meets: accessors are made when they are first asked for, and are the
 * object's own from then on.
 */
class Layout<F extends Fields> implements Struct<F> {
  readonly name: string;
  readonly size: number;
  readonly #types: F;

  constructor(name: string, size: number, types: F) {
    this.name = name;
    this.size = size;
    this.#types = types;
    let total = 0;
    for (const field in types) total += (types[field] as F[typeof field]).size;
    if (total !== size) throw new Error(`struct ${name}: fields take ${total} bytes, declared ${size}`);
  }

  get at(): Struct<F>['at'] {
    const at: Record<string, number> = {};
    let offset = 0;
    for (const field in this.#types) {
      at[field] = offset;
      offset += (this.#types[field] as F[typeof field]).size;
    }
    return this.#keep('at', at as Struct<F>['at']);
  }

  get get(): Struct<F>['get'] {
    const get: Record<string, unknown> = {};
    for (const field in this.#types) get[field] = this.#types[field]?.getter(this.at[field]);
    return this.#keep('get', get as Struct<F>['get']);
  }

  get set(): Struct<F>['set'] {
    const set: Record<string, unknown> = {};
    for (const field in this.#types) set[field] = this.#types[field]?.setter(this.at[field]);
    return this.#keep('set', set as Struct<F>['set']);
  }

  get fields(): readonly FieldInfo[] {
    const infos: FieldInfo[] = [];
    for (const field in this.#types) {
      const type = this.#types[field] as F[typeof field];
      const getter = this.get[field];
      const read = (view: DataView, base: number): string => type.format(getter(view, base));
      infos.push({ name: field, offset: this.at[field], size: type.size, read });
    }
    return this.#keep('fields', infos);
  }

  decode(view: DataView, base: number): ReturnType<Struct<F>['decode']> {
    const { get } = this;
    const object: Record<string, unknown> = {};
    for (const field in get) object[field] = get[field]?.(view, base);
    return object as ReturnType<Struct<F>['decode']>;
  }

  encode(view: DataView, base: number, values: Parameters<Struct<F>['encode']>[2]): void {
    for (const field in values) this.set[field]?.(view, base, values[field] as ValueOf<F[typeof field]>);
  }

  diff(before: DataView, beforeBase: number, after: DataView, afterBase: number): FieldChange[] {
    const changes: FieldChange[] = [];
    for (const info of this.fields) {
      const from = info.read(before, beforeBase);
      const to = info.read(after, afterBase);
      if (from !== to) changes.push({ field: info.name, from, to });
    }
    return changes;
  }

  #keep<T>(name: 'at' | 'get' | 'set' | 'fields', value: T): T {
    Object.defineProperty(this, name, { value, enumerable: true });
    return value;
  }
}

/**
 * `getter` and `setter` are function literals of each type's own: through a shared one V8 would see every type at one
 * call and inline none.
 */
function integer(
  size: number,
  getter: (offset: number) => (view: DataView, base: number) => number,
  setter: (offset: number) => (view: DataView, base: number, value: number) => void,
  format: (value: number) => string = String,
): FieldType<number> {
  return { size, getter, setter, format };
}

const hex = (value: number): string => `0x${value.toString(16)}`;

export const u8: FieldType<number> = integer(
  1,
  (o) => (v, b) => v.getUint8(b + o),
  (o) => (v, b, x) => v.setUint8(b + o, x),
);
export const i8: FieldType<number> = integer(
  1,
  (o) => (v, b) => v.getInt8(b + o),
  (o) => (v, b, x) => v.setInt8(b + o, x),
);
export const be16: FieldType<number> = integer(
  2,
  (o) => (v, b) => v.getUint16(b + o),
  (o) => (v, b, x) => v.setUint16(b + o, x),
);
export const be16s: FieldType<number> = integer(
  2,
  (o) => (v, b) => v.getInt16(b + o),
  (o) => (v, b, x) => v.setInt16(b + o, x),
);
export const be16x: FieldType<number> = integer(
  2,
  (o) => (v, b) => v.getUint16(b + o),
  (o) => (v, b, x) => v.setUint16(b + o, x),
  hex,
);
export const be32: FieldType<number> = integer(
  4,
  (o) => (v, b) => v.getUint32(b + o),
  (o) => (v, b, x) => v.setUint32(b + o, x),
);
export const be32s: FieldType<number> = integer(
  4,
  (o) => (v, b) => v.getInt32(b + o),
  (o) => (v, b, x) => v.setInt32(b + o, x),
);
export const be32x: FieldType<number> = integer(
  4,
  (o) => (v, b) => v.getUint32(b + o),
  (o) => (v, b, x) => v.setUint32(b + o, x),
  hex,
);
export const le16: FieldType<number> = integer(
  2,
  (o) => (v, b) => v.getUint16(b + o, true),
  (o) => (v, b, x) => v.setUint16(b + o, x, true),
);
export const le32: FieldType<number> = integer(
  4,
  (o) => (v, b) => v.getUint32(b + o, true),
  (o) => (v, b, x) => v.setUint32(b + o, x, true),
);
export const le32s: FieldType<number> = integer(
  4,
  (o) => (v, b) => v.getInt32(b + o, true),
  (o) => (v, b, x) => v.setInt32(b + o, x, true),
);
export const le32x: FieldType<number> = integer(
  4,
  (o) => (v, b) => v.getUint32(b + o, true),
  (o) => (v, b, x) => v.setUint32(b + o, x, true),
  hex,
);

/** 32-bit block or inode number with all ones (NULLAGBLOCK, NULLAGINO, NULLAGNUMBER) kept as 0xffffffff. */
export const be32null: FieldType<number> = integer(
  4,
  (o) => (v, b) => v.getUint32(b + o),
  (o) => (v, b, x) => v.setUint32(b + o, x),
  (value) => (value === 0xffffffff ? 'null' : String(value)),
);

const TWO32 = 0x1_0000_0000;

/** Big-endian unsigned 64 bits at `at`, as a number. @throws FsError EFBIG above 2^53 - 1: never rounds. */
export function readBe64(view: DataView, at: number): number {
  const high = view.getUint32(at);
  if (high > 0x1fffff) throw tooLarge(view.getBigUint64(at));
  return high * TWO32 + view.getUint32(at + 4);
}

export function writeBe64(view: DataView, at: number, value: number): void {
  view.setUint32(at, Math.floor(value / TWO32));
  view.setUint32(at + 4, value % TWO32);
}

/** Little-endian unsigned 64 bits at `at`, as a number. @throws FsError EFBIG above 2^53 - 1: never rounds. */
export function readLe64(view: DataView, at: number): number {
  const high = view.getUint32(at + 4, true);
  if (high > 0x1fffff) throw tooLarge(view.getBigUint64(at, true));
  return high * TWO32 + view.getUint32(at, true);
}

export function writeLe64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % TWO32, true);
  view.setUint32(at + 4, Math.floor(value / TWO32), true);
}

function tooLarge(value: bigint): FsError {
  return new FsError('EFBIG', { detail: `64-bit value ${value} is beyond 2^53 - 1` });
}

export const be64: FieldType<number> = integer(
  8,
  (o) => (v, b) => readBe64(v, b + o),
  (o) => (v, b, x) => writeBe64(v, b + o, x),
);
export const le64: FieldType<number> = integer(
  8,
  (o) => (v, b) => readLe64(v, b + o),
  (o) => (v, b, x) => writeLe64(v, b + o, x),
);

/** 64-bit number where all ones means "none" (NULLFSBLOCK, NULLFSINO): read and written as -1. */
export const be64null: FieldType<number> = integer(
  8,
  (o) => (v, b) =>
    v.getUint32(b + o) === 0xffffffff && v.getUint32(b + o + 4) === 0xffffffff ? -1 : readBe64(v, b + o),
  (o) => (v, b, x) => {
    if (x !== -1) return writeBe64(v, b + o, x);
    v.setUint32(b + o, 0xffffffff);
    v.setUint32(b + o + 4, 0xffffffff);
  },
  (value) => (value === -1 ? 'null' : String(value)),
);

function big(read: (v: DataView, a: number) => bigint, write: (v: DataView, a: number, x: bigint) => void) {
  const type: FieldType<bigint> = {
    size: 8,
    getter: (offset) => (view, base) => read(view, base + offset),
    setter: (offset) => (view, base, value) => write(view, base + offset, value),
    format: (value) => `0x${value.toString(16)}`,
  };
  return type;
}

/** Full 64 bits for masks, LSNs and cookies; not for hot paths. */
export const be64big: FieldType<bigint> = big(
  (v, a) => v.getBigUint64(a),
  (v, a, x) => v.setBigUint64(a, x),
);
export const le64big: FieldType<bigint> = big(
  (v, a) => v.getBigUint64(a, true),
  (v, a, x) => v.setBigUint64(a, x, true),
);

/** `count` raw bytes; reading gives a copy. */
export function bytes(count: number): FieldType<Uint8Array> {
  return {
    size: count,
    getter: (offset) => (view, base) => new Uint8Array(view.buffer, view.byteOffset + base + offset, count).slice(),
    setter: (offset) => (view, base, value) =>
      new Uint8Array(view.buffer, view.byteOffset + base + offset, count).set(value),
    format: (value) => Buffer.from(value).toString('hex'),
  };
}

/** A UUID: 16 bytes, printed with dashes. */
export const uuid: FieldType<Uint8Array> = {
  ...bytes(16),
  format: (value) =>
    Buffer.from(value)
      .toString('hex')
      .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
};

/** A fixed-size text field, ended by the first NUL. */
export function text(count: number): FieldType<string> {
  return {
    size: count,
    getter: (offset) => (view, base) => {
      const raw = Buffer.from(view.buffer, view.byteOffset + base + offset, count);
      const end = raw.indexOf(0);
      return raw.toString('latin1', 0, end < 0 ? count : end);
    },
    setter: (offset) => (view, base, value) => {
      const raw = Buffer.from(view.buffer, view.byteOffset + base + offset, count);
      raw.fill(0);
      raw.write(value, 'latin1');
    },
    format: (value) => JSON.stringify(value),
  };
}

/** `count` values of one type, one after the other. */
export function array<T>(type: FieldType<T>, count: number): FieldType<T[]> {
  return {
    size: type.size * count,
    getter: (offset) => {
      const items = Array.from({ length: count }, (_, i) => type.getter(offset + i * type.size));
      return (view, base) => items.map((item) => item(view, base));
    },
    setter: (offset) => {
      const items = Array.from({ length: count }, (_, i) => type.setter(offset + i * type.size));
      return (view, base, values) => {
        for (let i = 0; i < count; i++) items[i]?.(view, base, values[i] as T);
      };
    },
    format: (values) => values.map((value, i) => `${i}:${type.format(value)}`).join(' '),
  };
}
