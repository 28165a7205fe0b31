/** Fields of structures as gfs2_edit prints them: name, value, and the value in hexadecimal. */
import type { FieldType, Struct } from '../../../core/struct.ts';

export interface ShownField {
  readonly name: string;
  /** As it is printed; numbers in decimal, flags and checksums in hexadecimal. */
  readonly value: string;
  /** The number again, in hexadecimal; null where there is no more to say. */
  readonly hex: string | null;
}

/** How a field is printed: a number twice, flags with eight digits, permissions in octal, text as it is. */
type Style = 'number' | 'flags' | 'octal' | 'text';

/** What does not read as a plain number. */
const STYLES: Readonly<Record<string, Style>> = {
  mh_magic: 'flags',
  di_mode: 'octal',
  di_flags: 'flags',
  lh_flags: 'flags',
  lh_hash: 'flags',
  lh_crc: 'flags',
  qc_flags: 'flags',
  sb_lockproto: 'text',
  sb_locktable: 'text',
};
/** Names that gfs2_edit has for ours. */
const NAMES: Readonly<Record<string, string>> = {
  master_formal: 'no_formal_ino',
  master_addr: 'no_addr',
  root_formal: 'no_formal_ino',
  root_addr: 'no_addr',
  sb_uuid: 'uuid',
};
/** Padding, and what gfs2_edit leaves out. */
const HIDDEN = /^(mh_pad0|mh_jid|pad\d?|.*_reserved2?|di_generation|di_.time_nsec|de_.*)$/;

// biome-ignore lint/suspicious/noExplicitAny: fields of any type
type Fields = Record<string, FieldType<any>>;

/** The fields of a structure that lies at `base`. */
export function shownFields<F extends Fields>(layout: Struct<F>, view: DataView, base: number): ShownField[] {
  const shown: ShownField[] = [];
  for (const info of layout.fields) {
    if (HIDDEN.test(info.name)) continue;
    const decoded = (layout.get[info.name as keyof F] as (view: DataView, base: number) => unknown)(view, base);
    // A damaged block may hold any number there.
    const value = typeof decoded === 'number' && info.size === 8 ? view.getBigUint64(base + info.offset) : decoded;
    const name = NAMES[info.name] ?? info.name;
    if (typeof value !== 'number' && typeof value !== 'bigint') {
      shown.push({ name, value: typeof value === 'string' ? value : info.read(view, base), hex: null });
      continue;
    }
    const style = STYLES[info.name] ?? 'number';
    if (style === 'flags') {
      const digits = value.toString(16).toUpperCase().padStart(8, '0');
      shown.push({ name, value: `0x${digits}(hex)`, hex: null });
    } else if (style === 'octal') shown.push({ name, value: `0${value.toString(8)}(decimal)`, hex: null });
    else shown.push({ name, value: value.toString(), hex: `0x${BigInt.asUintN(64, BigInt(value)).toString(16)}` });
  }
  return shown;
}

/** The lines of fields. */
export function fieldLines(fields: readonly ShownField[]): string[] {
  return fields.map(({ name, value, hex }) =>
    hex === null ? `  ${name.padEnd(22)}${value}` : `  ${name.padEnd(22)}${value.padEnd(20)}${hex}`,
  );
}

/** The fields as data: numbers in decimal, as text. Of two with one name the first counts. */
export function fieldData(fields: readonly ShownField[]): { [name: string]: string } {
  const data: { [name: string]: string } = {};
  for (const { name, value } of fields) data[name] ??= value.replace(/\((hex|decimal)\)$/, '');
  return data;
}
