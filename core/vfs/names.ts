/**
 * File names: bytes on disk, strings here. Bytes that are not valid UTF-8 become lone low surrogates
 * U+DC80 … U+DCFF and turn back into the same bytes, so that every name survives the round trip.
 */
import { isAscii } from 'node:buffer';

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The string for a name's bytes up to the first NUL, or all of them. */
export function decodeToNul(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return decodeName(end < 0 ? bytes : bytes.subarray(0, end));
}

/** The string for a name's bytes. */
export function decodeName(name: Uint8Array): string {
  let ascii = true;
  for (let i = 0; i < name.length; i++) {
    if ((name[i] as number) >= 0x80) {
      ascii = false;
      break;
    }
  }
  if (ascii) return Buffer.from(name.buffer, name.byteOffset, name.length).toString('latin1');
  try {
    return strict.decode(name);
  } catch {
    return decodeBroken(name);
  }
}

/** The strings for the lines of `text`, whose last one has no newline. */
export function decodeLines(text: Uint8Array): string[] {
  if (isAscii(text)) return Buffer.from(text.buffer, text.byteOffset, text.length).toString('latin1').split('\n');
  const lines: string[] = [];
  for (let start = 0; start <= text.length; ) {
    const end = text.indexOf(10, start);
    const stop = end < 0 ? text.length : end;
    lines.push(decodeName(text.subarray(start, stop)));
    start = stop + 1;
  }
  return lines;
}

function decodeBroken(name: Uint8Array): string {
  let out = '';
  for (let i = 0; i < name.length; ) {
    const length = sequenceLength(name, i);
    if (length === 0) out += String.fromCharCode(0xdc00 + (name[i++] as number));
    else {
      out += strict.decode(name.subarray(i, i + length));
      i += length;
    }
  }
  return out;
}

function sequenceLength(name: Uint8Array, at: number): number {
  const first = name[at] as number;
  const length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (length === 0 || at + length > name.length) return 0;
  try {
    strict.decode(name.subarray(at, at + length));
    return length;
  } catch {
    return 0;
  }
}

/** Names below this length are encoded here: asking the library costs more. */
const SHORT = 40;

/** The bytes of a name, the inverse of decodeName. */
export function encodeName(name: string): Uint8Array {
  if (name.length < SHORT) {
    const bytes = new Uint8Array(name.length);
    let at = 0;
    for (; at < name.length; at++) {
      const code = name.charCodeAt(at);
      if (code >= 0x80) break;
      bytes[at] = code;
    }
    if (at === name.length) return bytes;
  }
  if (!/[\ud800-\udfff]/.test(name)) return Buffer.from(name, 'utf8');
  const parts: Uint8Array[] = [];
  for (const char of name) {
    const code = char.codePointAt(0) as number;
    if (code >= 0xdc80 && code <= 0xdcff) parts.push(Uint8Array.of(code - 0xdc00));
    else parts.push(Buffer.from(char, 'utf8'));
  }
  return Buffer.concat(parts);
}
