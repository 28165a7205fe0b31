import { decodeName } from '../../../core/vfs/names.ts';
import type { Key } from '../structure/key.ts';

/** How items are shown. */
export interface ShowOptions {
  /** Names and attribute values are not shown. */
  readonly hideNames: boolean;
  /** Checksum items are shown with their checksums. */
  readonly checksums: boolean;
}

/** One item of a leaf. */
export interface ItemPlace {
  readonly key: Key;
  readonly view: DataView;
  readonly at: number;
  readonly size: number;
  /** Bytes of one checksum, and of what it covers. */
  readonly csumSize: number;
  readonly sectorSize: number;
  readonly simpleQuota: boolean;
  readonly options: ShowOptions;
}

const LONGEST = 255;

/** Bytes of an item as text: up to the first NUL, at most 255 of them. */
export function textAt(view: DataView, at: number, length: number): string {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + at, Math.min(length, LONGEST));
  const end = bytes.indexOf(0);
  return decodeName(end < 0 ? bytes : bytes.subarray(0, end));
}
