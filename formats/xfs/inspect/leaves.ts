/** How single values print, named for what they are. */
import { readTimestamp } from '../structure/dinode.ts';
import type { Block, Field, Leaf } from './field.ts';

type Read = (view: DataView, at: number) => number;

function leaf(size: number, show: (view: DataView, at: number) => string | null): Leaf {
  return { kind: 'leaf', size, show: (block, at) => (at + size <= block.bytes.length ? show(block.view, at) : '') };
}

const hex = (value: number | bigint): string => (BigInt(value) === 0n ? '0' : `0x${value.toString(16)}`);
const r8: Read = (view, at) => view.getUint8(at);
const r16: Read = (view, at) => view.getUint16(at);
const r32: Read = (view, at) => view.getUint32(at);
const ONES = 0xffff_ffff_ffff_ffffn;

export const u8: Leaf = leaf(1, (v, a) => String(r8(v, a)));
export const u8x: Leaf = leaf(1, (v, a) => hex(r8(v, a)));
export const i8: Leaf = leaf(1, (v, a) => String(v.getInt8(a)));
export const u16: Leaf = leaf(2, (v, a) => String(r16(v, a)));
export const u16x: Leaf = leaf(2, (v, a) => hex(r16(v, a)));
export const u16o: Leaf = leaf(2, (v, a) => (r16(v, a) === 0 ? '0' : `0${r16(v, a).toString(8)}`));
export const u16xSkipZero: Leaf = leaf(2, (v, a) => (r16(v, a) === 0 ? null : hex(r16(v, a))));
export const u32: Leaf = leaf(4, (v, a) => String(r32(v, a)));
export const u32x: Leaf = leaf(4, (v, a) => hex(r32(v, a)));
export const i32: Leaf = leaf(4, (v, a) => String(v.getInt32(a)));
export const u64: Leaf = leaf(8, (v, a) => String(v.getBigUint64(a)));
export const i64: Leaf = leaf(8, (v, a) => String(v.getBigInt64(a)));
export const u64x: Leaf = leaf(8, (v, a) => hex(v.getBigUint64(a)));

/** 32-bit numbers whose all-ones value means "none". */
export const null32: Leaf = leaf(4, (v, a) => (r32(v, a) === 0xffffffff ? 'null' : String(r32(v, a))));
export const null32SkipZero: Leaf = leaf(4, (v, a) =>
  r32(v, a) === 0 ? null : r32(v, a) === 0xffffffff ? 'null' : String(r32(v, a)),
);
export const skipNull32: Leaf = leaf(4, (v, a) => (r32(v, a) === 0xffffffff ? null : String(r32(v, a))));
export const null64: Leaf = leaf(8, (v, a) => (v.getBigUint64(a) === ONES ? 'null' : String(v.getBigUint64(a))));

export const uuid: Leaf = {
  kind: 'leaf',
  size: 16,
  show: ({ bytes }, at) =>
    Buffer.from(bytes.subarray(at, at + 16))
      .toString('hex')
      .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
};

/** The checksum and whether it is right; its bytes in the order in which they lie, as xfs_db prints them. */
export const crc: Leaf = {
  kind: 'leaf',
  size: 4,
  show: ({ view, crc: state }, at) => `${hex(view.getUint32(at))} (${state ?? 'unchecked'})`,
};

/** `count` characters, quoted as C quotes them. */
export const chars: Leaf = {
  kind: 'leaf',
  size: 1,
  whole: true,
  show({ bytes }, at, count) {
    let text = '"';
    for (let i = at; i < Math.min(at + count, bytes.length); i++) {
      const byte = bytes[i] as number;
      const char = String.fromCharCode(byte);
      if ('\\\'"?'.includes(char)) text += `\\${char}`;
      else if (byte >= 0x20 && byte < 0x7f) text += char;
      // From the bell on letters in order: not C's for all of them, but what xfs_db prints.
      else if (byte >= 7 && byte <= 13) text += `\\${String.fromCharCode(byte - 7 + 0x61)}`;
      else text += `\\${byte.toString(8).padStart(3, '0')}`;
    }
    return `${text}"`;
  },
};

/** One bit of the `size`-byte number at the field's place, counted from the least significant. */
export function bit(size: 1 | 2 | 4 | 8, index: number): Leaf {
  const byte = size - 1 - (index >> 3);
  return leaf(size, (v, a) => String((v.getUint8(a + byte) >> (index & 7)) & 1));
}

/** Seconds and nanoseconds of an inode's time; `flags2` tells its encoding. */
export function seconds(bigtime: (block: Block) => boolean): Leaf {
  return { kind: 'leaf', size: 8, show: (block, at) => ctime(readTimestamp(block.view, at, bigtime(block)).seconds) };
}
export function nanoseconds(bigtime: (block: Block) => boolean): Leaf {
  return {
    kind: 'leaf',
    size: 8,
    show: (block, at) => String(readTimestamp(block.view, at, bigtime(block)).nanoseconds >>> 0),
  };
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** ctime(3) without its newline, in the local time zone. */
export function ctime(time: number): string {
  const date = new Date(time * 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${DAYS[date.getDay()]} ${MONTHS[date.getMonth()]} ${String(date.getDate()).padStart(2)} ${clock} ${date.getFullYear()}`;
}

/** A field as a row: name, offset, type, and further properties. */
export type Row = readonly [name: string, at: Field['at'], type: Field['type'], rest?: Partial<Field>];

/** Fields from rows. */
export function rows(...list: readonly Row[]): Field[] {
  return list.map(([name, at, type, rest]) => ({ name, at, type, ...rest }));
}
