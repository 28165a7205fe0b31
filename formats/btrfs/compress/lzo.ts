/**
 * LZO as btrfs frames it (kernel: fs/btrfs/lzo.c): every sector is compressed by itself.
 *
 *     0    length of all of it, u32
 *     4    length of a segment, u32 | its LZO1X stream | next segment …
 *
 * A segment's length never crosses a sector of the compressed data: fewer than 4 bytes left there are skipped.
 */
import { BrokenStream, lzo1xDecode } from './lzo1x.ts';

/** Fills `into` with what `from` holds; returns how many bytes that were. @throws BrokenStream */
export function lzoDecompress(from: Uint8Array, into: Uint8Array, sectorSize: number): number {
  if (from.length < 8) throw new BrokenStream('too short');
  const view = new DataView(from.buffer, from.byteOffset, from.length);
  const total = view.getUint32(0, true);
  if (total > from.length || total < 8) throw new BrokenStream(`length ${total} of ${from.length}`);
  let at = 4;
  let out = 0;
  while (at < total && out < into.length) {
    if (at + 4 > total) throw new BrokenStream('input ends within a length');
    const length = view.getUint32(at, true);
    at += 4;
    if (length === 0 || length > total - at) throw new BrokenStream(`segment of ${length} bytes at ${at}`);
    const room = Math.min(sectorSize, into.length - out);
    out += decodeSegment(from.subarray(at, at + length), into.subarray(out, out + room), sectorSize);
    at += length;
    const left = sectorSize - (at % sectorSize);
    if (left < 4) at += left;
  }
  return out;
}

/** The last sector of a file may be asked for in part only: it is decoded whole, and cut. */
function decodeSegment(segment: Uint8Array, into: Uint8Array, sectorSize: number): number {
  if (into.length === sectorSize) return lzo1xDecode(segment, into);
  const whole = new Uint8Array(sectorSize);
  const length = Math.min(lzo1xDecode(segment, whole), into.length);
  into.set(whole.subarray(0, length));
  return length;
}
